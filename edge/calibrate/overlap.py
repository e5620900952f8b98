"""Trials -> people whom the bundle cannot tell apart.

Takes ``Trials`` by the bundle's calibration alone, gives pairs. Must hold: one clip that sounds like somebody else is
chance, and no overlap.

The rule: two clips of one person at least, and a third of the person's clips at least, pass the other's template at the
threshold of the profile ``balanced``. Chance lets one clip in 300 pass; what is learned from the household plays no
part, or an overlap could hide itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from edge.calibrate.trials import Trials

LEAST_CLIPS: Final = 2
LEAST_SHARE: Final = 1 / 3


@dataclass(frozen=True, slots=True)
class Overlap:
    """``passed`` of ``clips`` of the person ``who`` pass for the person ``taken_for``: numbers as in ``Trials``."""

    who: int
    taken_for: int
    passed: int
    clips: int


def overlaps(trials: Trials, threshold: float) -> tuple[Overlap, ...]:
    """The pairs that overlap, worst first. ``threshold``: log-likelihood ratio of the profile ``balanced``."""
    found = []
    for who in range(trials.people):
        for other in range(trials.people):
            rows = (trials.voice == who) & (trials.template == other) & ~trials.genuine
            clips, passed = int(np.count_nonzero(rows)), int(np.count_nonzero(trials.llr[rows] >= threshold))
            if passed >= LEAST_CLIPS and passed >= LEAST_SHARE * clips:
                found.append(Overlap(who, other, passed, clips))
    return tuple(sorted(found, key=lambda pair: -pair.passed / pair.clips))
