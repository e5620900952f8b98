"""The samples that may still be needed.

Takes consecutive samples on the stream's clock; gives any stretch of them that has not been forgotten. Must hold:
memory is bounded by what the owner keeps, and appending costs the same whatever is kept (amortised).
"""

from __future__ import annotations

import numpy as np

from edge.records import Float32


class History:
    """A stretch of samples [``start``, ``end``) on the stream's clock."""

    def __init__(self, start: int) -> None:
        self._store: Float32 = np.empty(32_000, np.float32)
        self._first = 0  # index in _store of the sample at ``start``
        self._length = 0
        self.start = start

    @property
    def end(self) -> int:
        """Clock of the sample that comes next."""
        return self.start + self._length

    def append(self, samples: Float32) -> None:
        """Add float32 ``(n,)``."""
        needed = self._length + len(samples)
        if self._first + needed > len(self._store):
            kept = self._store[self._first : self._first + self._length]
            # Moving only when at least half would be free keeps the cost per sample constant.
            if 2 * needed > len(self._store):
                self._store = np.empty(2 * needed, np.float32)
            self._store[: self._length] = kept  # never onto itself: what is kept is at most half of it
            self._first = 0
        self._store[self._first + self._length : self._first + needed] = samples
        self._length = needed

    def forget_before(self, clock: int) -> None:
        """Samples before ``clock`` are not needed any more."""
        gone = min(max(clock - self.start, 0), self._length)
        self.start += gone
        self._first += gone
        self._length -= gone

    def view(self, start: int, end: int) -> Float32:
        """Samples [``start``, ``end``) without a copy; valid until the next ``append``."""
        first = self._first + start - self.start
        return self._store[first : first + end - start]
