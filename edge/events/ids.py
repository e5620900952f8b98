"""Time stamps, and ids that sort by time.

Takes: a clock and a source of random bits. Gives: texts. Must hold: ids are unique, and ascend even where the clock is
set back: within a process always, and after ``follow`` from one to the next.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from edge.records import Clock

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TIME_DIGITS: Final = 10
_RANDOM_BITS: Final = 80
_DIGITS: Final = _TIME_DIGITS + _RANDOM_BITS // 5
_LATEST: Final = 1 << 48
"""Milliseconds that fit into the ten digits of a proper id."""


def timestamp(seconds: float) -> str:
    """RFC 3339 in UTC with milliseconds, such as ``2026-11-21T11:30:02.114Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class IdMaker:
    """Ids that sort by time: 10 digits of milliseconds and 16 random ones, in Crockford's base 32 (the ULID layout).

    Within one millisecond, and while the clock stands behind an id already given, the random part counts upwards, so
    the ids of one process always ascend. Safe to use from several threads.
    """

    def __init__(self, clock: Clock, random_bits: Callable[[int], int] = secrets.randbits) -> None:
        self._clock = clock
        self._random_bits = random_bits
        self._lock = threading.Lock()
        self._milliseconds = -1
        self._random = 0

    def follow(self, ident: str) -> None:
        """Let all ids to come be higher than ``ident``, which an earlier process gave; what is no id is ignored."""
        if len(ident) != _DIGITS or any(letter not in _ALPHABET for letter in ident):
            return
        value = 0
        for letter in ident:
            value = value << 5 | _ALPHABET.index(letter)
        with self._lock:
            mine = (self._milliseconds << _RANDOM_BITS) | self._random if self._milliseconds >= 0 else -1
            if value > mine and value >> _RANDOM_BITS <= _LATEST:
                self._milliseconds, self._random = value >> _RANDOM_BITS, value & ((1 << _RANDOM_BITS) - 1)

    def new(self) -> str:
        """The next id, 26 characters."""
        with self._lock:
            now = max(0, int(self._clock.now() * 1000))
            if now > self._milliseconds:
                self._milliseconds = now
                # One bit less, so that counting upwards has room.
                self._random = self._random_bits(_RANDOM_BITS - 1)
            else:
                self._random += 1
            value = (self._milliseconds << _RANDOM_BITS) + self._random
        return "".join(_ALPHABET[(value >> (5 * place)) & 31] for place in reversed(range(_DIGITS)))
