"""Compare what two machines gave, in files of ``outputs``; gives rows to print, and whether what was promised holds.

Promised is that the reference kernels give the same everywhere. Each machine's default kernels are held against them,
so that what a runtime does otherwise is not taken for what a machine does otherwise.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

Arrays = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One line of the table; ``holds``: None where nothing was promised."""

    what: str
    said: str
    holds: bool | None = None

    def line(self) -> str:
        mark = {None: " ", True: "=", False: "!"}[self.holds]
        return f"  {mark} {self.what:<44} {self.said}"


def compare(here: Arrays, there: Arrays) -> list[Row]:
    """``here``: the machine that ``there`` got its inputs from."""
    rows = []
    keys = [key.split("/") for key in sorted(here) if "/" in key]  # the rest says what runtime it was
    for name, number in ((key[0], key[2]) for key in keys if key[1] == "reference"):
        exact = here[f"{name}/reference/{number}"]
        what = f"{name}, output {number}"
        rows.append(_int8(f"{what}, reference kernels", exact, there[f"{name}/reference/{number}"], promised=True))
        for where, found in (("here", here), ("there", there)):
            rows.append(_int8(f"{what}, default kernels {where}", exact, found[f"{name}/default/{number}"]))
    for name in sorted({key[0] for key in keys}):
        rows.append(
            _int8(f"{name}, int8 input from the own front-end", here[f"{name}/inputs"], there[f"{name}/inputs"])
        )
    for name, kind in sorted({(key[0], key[2]) for key in keys if key[1] == "values"}):
        pairs = [(here[key], there[key]) for key in here if key.startswith(f"{name}/values/{kind}/")]
        most = max(float(np.abs(one - other).max(initial=0.0)) for one, other in pairs)
        said = f"differs by {most:.2g} at most"
        if kind == "embedding":
            said += f", cosine at least {min(float(one @ other) for one, other in pairs):.5f}"
        rows.append(Row(f"{name}, {kind}, default kernels", said))
    return rows


def _int8(what: str, one: np.ndarray, other: np.ndarray, promised: bool = False) -> Row:
    if one.shape != other.shape:
        return Row(what, f"{one.shape} and {other.shape}", False if promised else None)
    apart = np.abs(one.astype(np.int16) - other.astype(np.int16))
    if not apart.any():
        return Row(what, f"bit for bit the same ({one.size} numbers)", True if promised else None)
    said = f"differs by up to {apart.max()} steps, {apart.mean():.2g} on average, in {100 * (apart > 0).mean():.3g} %"
    return Row(what, f"{said} of {one.size}", False if promised else None)
