"""The background: how loud each band is when nobody speaks.

Takes band powers of 100 ms; gives levels in dB. Must hold: speech does not raise it, a fan that starts does within three
seconds; it never falls below the floor it was given.

Minimum statistics (after R. Martin, 2001) on means over 100 ms: speech leaves every band alone for a tenth of a second
now and then, a fan never does.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

MEMORY: Final = 25
"""Tenths of a second looked back on."""
_MIN_BIAS_DB: Final = 2.5
"""The least of 25 means lies below the mean of steady noise by about this much."""
_YOUTH_DB: Final = 12.0
"""A stream may begin with speech: the less has been heard, the less its quietest moment is believed to be background."""
_INFANT: Final = 5
"""Before half a second is heard, only the floor counts."""


class Background:
    """Tracks ``columns`` powers at once."""

    def __init__(self, columns: int, floor_db: float) -> None:
        self._floor: Float64 = np.full(columns, floor_db)
        self._recent: deque[Float64] = deque(maxlen=MEMORY)
        self.levels_db: Float64 = self._floor.copy()

    @property
    def settled(self) -> bool:
        """Whether enough has been heard to believe ``levels_db``: one second."""
        return len(self._recent) >= 10

    def update(self, powers: Float64) -> None:
        """Take the mean powers float64 ``(columns,)`` of the next 100 ms."""
        self._recent.append(powers)
        heard = len(self._recent)
        if heard < _INFANT:
            return
        least = np.minimum.reduce(list(self._recent))
        found = 10 * np.log10(np.maximum(least, 1e-15)) + (_MIN_BIAS_DB - _YOUTH_DB * (1 - heard / MEMORY))
        self.levels_db = np.maximum(found, self._floor)

    @property
    def power(self) -> float:
        """Power of the last column, which holds the total."""
        return math.pow(10, float(self.levels_db[-1]) / 10)
