"""How long to wait between two attempts to reach the broker.

Takes: a cap in seconds and a source of randomness. Gives: delays. Must hold: full jitter (each delay is uniform
between nothing and a bound that doubles up to the cap), so that a house full of devices does not return in step
after a power cut.
"""

from __future__ import annotations

import random
from collections.abc import Callable

_DOUBLINGS = 30


class Backoff:
    """Delays in seconds.

    Args:
        cap_seconds: largest bound.
        first_seconds: bound of the first delay.
        uniform: gives a number from [0, 1).
    """

    def __init__(
        self, cap_seconds: float, first_seconds: float = 1.0, uniform: Callable[[], float] = random.random
    ) -> None:
        self._cap = max(0.0, cap_seconds)
        self._first = first_seconds
        self._uniform = uniform
        self._attempt = 0

    @property
    def bound(self) -> float:
        """The most that the next delay can be."""
        return min(self._cap, self._first * 2.0 ** min(self._attempt, _DOUBLINGS))

    def next(self) -> float:
        """The delay before the next attempt."""
        delay = self._uniform() * self.bound
        self._attempt += 1
        return delay

    def reset(self) -> None:
        """After a connection that held."""
        self._attempt = 0
