"""Which class has which colour, the same in every picture of a report.

Takes names of classes; gives colours and marks. Must hold: the first eight can be told apart by people with colour
blindness; what is not known is grey.

Source: M. Okabe and K. Ito, "Color universal design", 2008, in another order and with a darker yellow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

Colours = Mapping[str, str]
"""Class -> colour, as ``of`` gives it."""

PALETTE: Final = (
    "#0b6e8f", "#d55e00", "#009e73", "#c9a400", "#cc79a7", "#56b4e9", "#7a4fa3", "#1b1b1b", "#8c564b", "#7f9c1f",
    "#e07b91", "#3a3ad1",
)  # fmt: skip
MARKS: Final = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p", "h")
GREY: Final = "#9a9a9a"

UNKNOWN: Final = "not known"
GENDERS: Final = {"f": "female", "m": "male", "": UNKNOWN}
"""How the manifest's letters are called in pictures and tables."""


def shown(value: str) -> str:
    """A value of the manifest as people read it."""
    return GENDERS.get(value, value)


def of(names: Sequence[str]) -> dict[str, str]:
    """Name -> colour; female and male always have theirs, ``UNKNOWN`` is grey, and the palette repeats after twelve."""
    fixed = {"female": PALETTE[1], "male": PALETTE[0], UNKNOWN: GREY}
    rest = [name for name in names if name not in fixed]
    return {name: fixed[name] for name in names if name in fixed} | {
        name: PALETTE[place % len(PALETTE)] for place, name in enumerate(rest)
    }


def marks(names: Sequence[str]) -> dict[str, str]:
    """Name -> the mark of its points, so that colour is not all that tells classes apart."""
    return {name: MARKS[place % len(MARKS)] for place, name in enumerate(names)}
