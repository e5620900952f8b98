"""Counts -> intervals of a rate.

Takes errors and trials, gives shares. Must hold: the bounds err on the wide side (Clopper and Pearson, "The use of
confidence or fiducial limits illustrated in the case of the binomial", Biometrika 26, 1934); nothing needs scipy.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

_HALVINGS = 60


def upper_bound(errors: int, trials: int) -> float:
    """One-sided 95 % upper bound of a rate; the rule of three, 3/n, where there was no error (ISO/IEC 19795-1)."""
    if trials == 0:
        return 1.0
    return min(1.0, 3.0 / trials) if errors == 0 else _highest(errors, trials, 0.05)


def interval(errors: int, trials: int) -> tuple[float, float]:
    """Two-sided 95 % Clopper-Pearson interval of a rate; (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    low = 0.0 if errors == 0 else 1.0 - _highest(trials - errors, trials, 0.025)
    return low, _highest(errors, trials, 0.025)


def _highest(errors: int, trials: int, tail: float) -> float:
    """The rate at which so few errors have the probability ``tail``."""
    if errors >= trials:
        return 1.0
    number = np.arange(errors + 1)
    ways = np.concatenate([[0.0], np.cumsum(np.log((trials - number[1:] + 1) / number[1:]))])

    def at_most(rate: float) -> float:
        """Probability of ``errors`` or fewer (binomial)."""
        return float(np.exp(ways + number * math.log(rate) + (trials - number) * math.log1p(-rate)).sum())

    return _root(lambda rate: at_most(rate) - tail)


def _root(falling: Callable[[float], float]) -> float:
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return high
