"""The outline of a recording, small however long it is.

Takes blocks of samples. Gives the loudest sample of each stretch. Must hold: at most ``_MOST`` stretches are kept; when
there are more, two become one.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from edge.records import SAMPLE_RATE, Float32

_MOST: Final = 65_536
_FIRST: Final = SAMPLE_RATE // 100


class Waveform:
    """Peaks of stretches of equal length, at first 10 ms."""

    def __init__(self, most: int = _MOST) -> None:
        self._peaks = np.zeros(most, np.float32)
        self._each = _FIRST
        self._count = 0
        self._rest: Float32 = np.zeros(0, np.float32)
        self.samples = 0
        """How many samples came."""

    @property
    def seconds(self) -> float:
        """Length of what came."""
        return self.samples / SAMPLE_RATE

    def push(self, samples: Float32) -> None:
        """The next samples, float32 ``(n,)``."""
        self.samples += len(samples)
        joined = np.concatenate((self._rest, samples))
        start = 0
        while len(joined) - start >= self._each:
            if self._count == len(self._peaks):
                self._halve()
                continue
            fitting = min((len(joined) - start) // self._each, len(self._peaks) - self._count)
            part = joined[start : start + fitting * self._each].reshape(fitting, self._each)
            self._peaks[self._count : self._count + fitting] = np.abs(part).max(axis=1)
            self._count += fitting
            start += fitting * self._each
        self._rest = joined[start:].copy()

    def _halve(self) -> None:
        half = self._count // 2
        self._peaks[:half] = self._peaks[: 2 * half].reshape(half, 2).max(axis=1)
        self._count = half
        self._each *= 2

    def peaks(self, start: float, end: float, columns: int) -> Float32:
        """The loudest sample, 0 to 1, of each of ``columns`` equal parts from ``start`` to ``end`` seconds."""
        found = np.zeros(columns, np.float32)
        edges = np.linspace(start, end, columns + 1) * SAMPLE_RATE / self._each
        for column in range(columns):
            low = int(edges[column])
            high = min(max(low + 1, int(np.ceil(edges[column + 1]))), self._count)
            if low < high:
                found[column] = self._peaks[low:high].max()
        return np.nan_to_num(found)
