"""The background: how loud each band is when nobody speaks.

Takes band powers of 100 ms; gives levels in dB. Must hold: speech does not raise it, a fan that starts does within
three seconds; it never falls below the floor it was given.

Minimum statistics (after R. Martin, IEEE Trans. Speech and Audio Processing 9(5), 2001) on means over 100 ms: speech
leaves every band alone for a tenth of a second now and then, a fan never does.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

MEMORY: Final = 25
"""Tenths of a second looked back on."""
_INFANT: Final = 5
"""Before half a second is heard, only the floor counts."""
_SETTLED: Final = 10
_YOUTH_DB: Final = 12.0
"""A stream may begin with speech: the less was heard, the less its quietest moment is believed to be background."""
_MIN_BIAS_DB: Final = 2.5
"""The least of 25 means lies below the mean of steady noise by about this much."""
_QUIET_RATIO: Final = 4.0
"""Tenths of a second within 6 dB of the quietest one are background too."""


class Background:
    """Tracks ``columns`` powers at once; the last one is the total. ``floor_db``: what no level falls below."""

    def __init__(self, columns: int, floor_db: float) -> None:
        self._floor_db = floor_db
        self._recent: Float64 = np.zeros((MEMORY, columns))
        self._heard = 0
        self.levels_db: Float64 = np.full(columns, floor_db)
        """Level of each column."""

    @property
    def settled(self) -> bool:
        """Whether a second was heard, enough to believe ``levels_db``."""
        return self._heard >= _SETTLED

    def update(self, powers: Float64) -> None:
        """Take the mean powers float64 ``(columns,)`` of the next 100 ms."""
        self._recent[self._heard % MEMORY] = powers
        self._heard += 1
        known = min(self._heard, MEMORY)
        if known < _INFANT:
            return
        least = np.minimum.reduce(self._recent[:known])
        distrust = _MIN_BIAS_DB - _YOUTH_DB * (1 - known / MEMORY)
        self.levels_db = np.maximum(10 * np.log10(np.maximum(least, 1e-15)) + distrust, self._floor_db)

    @property
    def power(self) -> float:
        """Mean power of the total where it is quiet, 0 before anything was heard."""
        totals = self._recent[: min(self._heard, MEMORY), -1].tolist()
        quiet = [total for total in totals if total <= _QUIET_RATIO * min(totals)]
        return math.fsum(quiet) / len(quiet) if quiet else 0.0
