"""Time: the machine's clock, and one that a simulation turns by hand."""

from __future__ import annotations

import time
from typing import Final

# Counts the time that the machine slept, as Linux's monotonic clock does not: whoever was heard before that is gone
# when it wakes up.
_STEADY: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """The machine's clock; satisfies ``records.Clock``."""

    def now(self) -> float:
        """UTC seconds since the epoch; may jump when the clock is set."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back and know no time zone; those of a sleep are counted."""
        return time.clock_gettime(_STEADY)


class ManualClock:
    """Stands still until ``advance`` is called; both clocks move together."""

    def __init__(self, now: float = 0.0, monotonic: float = 0.0) -> None:
        self._now = now
        self._monotonic = monotonic

    def now(self) -> float:
        """UTC seconds since the epoch."""
        return self._now

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
        self._monotonic += seconds
