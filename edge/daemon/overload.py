"""More sound than the machine can handle: noticed, counted and told.

Takes each block in the listening thread, and the passing of time in the main one. Gives what ``health`` says, and log
lines. Must hold: an overload is told when it begins, about once a minute while it lasts, and when it is over; it is
over after a minute in which nothing was lost.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from edge.records import SAMPLE_RATE, AudioBlock

_LOG = logging.getLogger(__name__)

_CALM_SECONDS: Final = 60.0
_COUNT_SECONDS: Final = 10.0
"""How often the count is worth a report of its own."""


class Overload:
    """Of one listener. ``on_change``: told when it begins (True), every ten seconds at most when more is lost, and when
    it ends (False), in whichever thread.
    """

    def __init__(self, on_change: Callable[[bool], None] = lambda active: None) -> None:
        self._on_change = on_change
        self._lock = threading.Lock()
        self._since: float | None = None  # when it began; None: there is none
        self._latest = 0.0  # when sound was lost last
        self._told = 0.0  # in the log
        self._counted = 0.0  # by on_change
        self._lost = 0  # samples since it began
        self.dropped_samples = 0
        """All that was ever lost."""
        self.behind_seconds = 0.0
        """How long ago the latest block was captured when it was taken."""
        self._half_minute = 0
        self._worst = self._worst_before = 0.0  # in this half of a minute, and in the one before

    @property
    def active(self) -> bool:
        """Whether sound was lost within the last minute."""
        return self._since is not None

    @property
    def most_behind_seconds(self) -> float:
        """The longest that a block had to wait in the last half to whole minute."""
        return max(self._worst, self._worst_before)

    def take(self, block: AudioBlock, now: float) -> None:
        """The next block came; ``now`` in monotonic seconds."""
        self.behind_seconds = block.behind_seconds
        half_minute = int(now // (_CALM_SECONDS / 2))
        if half_minute != self._half_minute:
            self._worst_before = self._worst if half_minute == self._half_minute + 1 else 0.0
            self._half_minute, self._worst = half_minute, 0.0
        self._worst = max(self._worst, block.behind_seconds)
        if not block.dropped:
            return
        with self._lock:
            began = self._since is None
            if self._since is None:
                self._since, self._lost, self._told = now, 0, now
            counted = began or now - self._counted >= _COUNT_SECONDS
            if counted:
                self._counted = now
            self._latest = now
            self._lost += block.dropped
            self.dropped_samples += block.dropped
            again = not began and now - self._told >= _CALM_SECONDS
            if again:
                self._told = now
            lost, minutes = self._lost / SAMPLE_RATE, (now - self._since) / 60
        if began:
            _LOG.warning(
                "this machine cannot keep up: the oldest %.1f s of sound that waited were left out; "
                "a smaller bundle, or less beside it, would help",
                lost,
            )
        elif again:
            _LOG.warning("this machine still cannot keep up: %.0f s of sound were left out in %.0f min", lost, minutes)
        if counted:
            self._on_change(True)

    def tick(self, now: float) -> None:
        """Let time pass."""
        with self._lock:
            if self._since is None or now - self._latest < _CALM_SECONDS:
                return
            lost, self._since = self._lost / SAMPLE_RATE, None
        _LOG.info("this machine keeps up again; %.1f s of sound were left out", lost)
        self._on_change(False)
