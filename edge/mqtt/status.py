"""What a publisher knows about itself, for its owner to read from any thread.

Takes: what happens. Gives: ``problem``, counters, and a way to wait for a change. Must hold: a problem is
logged once, when it is new.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

from edge.errors import EarmarkError

_LOG = logging.getLogger(__name__)

Kind = Literal["broker", "refused", "storage"]
_KINDS: Final[tuple[Kind, ...]] = ("broker", "refused", "storage")
"""Kinds of problems, the one that hides the others first."""


@dataclass(frozen=True, slots=True)
class PublisherCounters:
    """Since the start. ``published``: handed to ``publish``. ``acknowledged``: taken by the broker, greetings included.

    ``refused``: not allowed by the broker (only MQTT 5 says so). ``attempts``: tries to connect. ``connections``: those
    that the broker accepted.
    """

    published: int = 0
    acknowledged: int = 0
    refused: int = 0
    attempts: int = 0
    connections: int = 0

    @property
    def reconnects(self) -> int:
        """Connections after the first."""
        return max(0, self.connections - 1)


class Status:
    """Shared between the publisher's thread and everybody else."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._problems: dict[Kind, str] = {}
        self.counters = PublisherCounters()

    @property
    def problem(self) -> str | None:
        """The most important one, None where there is none."""
        with self._changed:
            return next((self._problems[kind] for kind in _KINDS if kind in self._problems), None)

    def complain(self, kind: Kind, error: EarmarkError) -> None:
        """Remember a problem."""
        sentence = error.sentence()
        with self._changed:
            new = self._problems.get(kind) != sentence
            self._problems[kind] = sentence
            self._changed.notify_all()
        if new:
            _LOG.warning("%s", sentence)

    def clear(self, *kinds: Kind) -> None:
        """These problems are over."""
        with self._changed:
            for kind in kinds:
                self._problems.pop(kind, None)

    def count(self, **more: int) -> None:
        """Add to the counters."""
        with self._changed:
            now = {name: getattr(self.counters, name) + number for name, number in more.items()}
            self.counters = replace(self.counters, **now)

    def touch(self) -> None:
        """Something has moved: whoever waits looks again."""
        with self._changed:
            self._changed.notify_all()

    def wait(self, until: Callable[[], bool], timeout: float) -> bool:
        """Wait for ``until``, at most ``timeout`` seconds; gives whether it came true."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while not until():
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(min(left, 1.0))
        return True
