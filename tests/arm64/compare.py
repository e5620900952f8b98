"""Compare what two machines gave, in files of ``outputs``; gives rows to print, and whether what was promised holds."""

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
    for key in sorted(key for key in here if key.split("/")[1] in {"reference", "default"}):
        name, kernels, number = key.split("/")
        rows.append(_int8(f"{name}, output {number}, {kernels} kernels", here[key], there[key], kernels == "reference"))
    for name in sorted({key.split("/")[0] for key in here if "/" in key}):
        rows.append(
            _int8(f"{name}, int8 input from the own front-end", here[f"{name}/inputs"], there[f"{name}/inputs"])
        )
    for name, kind in sorted({tuple(key.split("/")[:3:2]) for key in here if "/values/" in key}):
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
    share = 100 * float((apart > 0).mean())
    return Row(
        what, f"differs by up to {apart.max()} steps, in {share:.2g} % of {one.size}", False if promised else None
    )
