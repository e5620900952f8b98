"""Shares with 95 % intervals over people.

Takes one event per trial and who was tried. Gives a ``Rate``. Must hold: where nothing was seen the bound is the rule
of three, never nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training import metrics


@dataclass(frozen=True, slots=True)
class Rate:
    """``share`` of ``trials``, 0 to 1, with its interval; NaN where there were no trials."""

    share: float
    low: float
    high: float
    trials: int


def rate(events: npt.ArrayLike, people: npt.ArrayLike) -> Rate:
    """Share of ``events`` with an interval over ``people`` (one name or place per trial).

    ``events``: whether it happened, or in which share (0 to 1) of the repetitions of the trial.
    """
    found = np.asarray(events, np.float64)
    names = [str(one) for one in np.asarray(people)]
    if not len(found):
        return Rate(float("nan"), float("nan"), float("nan"), 0)

    def share(weights: metrics.Float64) -> float:
        total = float(weights.sum())
        return float(weights @ found) / total if total else float("nan")

    low, high = metrics.interval(names, share)
    if not found.any():
        high = metrics.rule_of_three(len(found))
    return Rate(float(found.mean()), low, high, len(found))
