"""Which channels to keep under a budget.

Takes the importance of every channel and a target. Gives the kept indices by group. Must hold: what is removed next is
always what matters least for what it saves; widths end as multiples that int8 kernels like; a dense layer that is left
with nothing disappears.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from training.slim.cost import AS_THE_ORIGINAL, cost
from training.teachers.pace import Pace

Kept = dict[str, npt.NDArray[np.int64]]
"""Indices that stay, rising, by group."""

_STEP: Final = 0.02
"""Share of the remaining multiply-adds that is removed before the savings are computed anew."""


@dataclass(frozen=True, slots=True)
class Budget:
    """``macs``: per window. ``weight_price``: what a saved weight is worth in multiply-adds (0: only time counts).
    ``multiple``: widths are rounded to it. ``least``: no group but a layer's growth goes below it.
    ``caps``: widths that groups may have at most, for those that cost little time and many bytes.
    """

    macs: int
    weight_price: float = 0.0
    multiple: int = 8
    least: int = 8
    caps: Mapping[str, int] = field(default_factory=dict)


def _least(name: str, budget: Budget) -> int:
    return 0 if name.endswith(".growth") else budget.least


def _price(widths: Mapping[str, int], budget: Budget, frames: int, bands: int, pace: Pace) -> float:
    found = cost(widths, frames, bands, pace)
    return found.macs + budget.weight_price * found.weights


def choose(
    importances: Mapping[str, npt.NDArray[np.float64]],
    budget: Budget,
    frames: int = 300,
    bands: int = 80,
    pace: Pace = AS_THE_ORIGINAL,
) -> Kept:
    """The channels to keep, so that a window costs at most ``budget.macs`` at ``pace`` (after rounding: about that)."""
    order = {name: np.argsort(values) for name, values in importances.items()}
    sorted_importance = {name: values[order[name]] for name, values in importances.items()}
    removed = {name: max(0, len(order[name]) - budget.caps.get(name, len(order[name]))) for name in importances}

    def widths() -> dict[str, int]:
        return {name: len(order[name]) - count for name, count in removed.items()}

    while cost(widths(), frames, bands, pace).macs > budget.macs:
        now = widths()
        before = _price(now, budget, frames, bands, pace)
        saving = {}
        for name, width in now.items():
            least = _least(name, budget)
            if width > least:
                saving[name] = before - _price({**now, name: width - 1}, budget, frames, bands, pace)
        candidates = [
            (sorted_importance[name][place] / saving[name], saving[name], name)
            for name in saving
            for place in range(removed[name], len(order[name]) - _least(name, budget))
        ]
        if not candidates:
            break
        candidates.sort()
        goal, gone = _STEP * before, 0.0
        for _, saved, name in candidates:
            removed[name] += 1
            gone += saved
            if gone >= goal:
                break
    return _rounded(order, widths(), budget)


def _rounded(order: Mapping[str, npt.NDArray[np.int64]], widths: Mapping[str, int], budget: Budget) -> Kept:
    kept: Kept = {}
    for name, indices in order.items():
        multiple = budget.multiple
        width = round(widths[name] / multiple) * multiple
        width = min(max(width, _least(name, budget)), len(indices))
        kept[name] = np.sort(indices[len(indices) - width :])
    return kept
