"""What is wrong with the microphone, as far as the daemon must know.

Takes what the source reports, in the listening thread. Gives what ``health`` and ``systemctl status`` say, and how long
the sound system has hung. Must hold: a microphone that delivers the wrong sound is a problem, but not deaf.
"""

from __future__ import annotations

import logging
from typing import Final

from edge.errors import MicrophoneError
from edge.records import Clock

_LOG = logging.getLogger(__name__)

_AUDIBLE: Final = ("silent", "wrong_rate")
"""Faults of a microphone that delivers sound all the same."""
_PATIENCE_SECONDS: Final = 300.0
"""With a sound system that does not answer. It may well hang in this process alone, and a new one would be free."""


class Ear:
    """``fault``: what is wrong, None while all is well."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = clock.monotonic()
        self.fault: MicrophoneError | None = None

    @property
    def deaf(self) -> bool:
        """Whether nothing at all is heard because of it."""
        return self.fault is not None and self.fault.fault not in _AUDIBLE

    @property
    def reason(self) -> str | None:
        """The fault in words."""
        return self.fault.sentence() if self.fault else None

    @property
    def why_deaf(self) -> str | None:
        """The fault in words where nothing is heard because of it."""
        return self.reason if self.deaf else None

    def hung_seconds(self) -> float:
        """For how long the sound system has not answered, beyond patience."""
        if self.fault is None or self.fault.fault != "no_answer":
            return 0.0
        return max(0.0, self._clock.monotonic() - self._since - _PATIENCE_SECONDS)

    def stalled_seconds(self, progress: float) -> float:
        """How long nothing has moved since ``progress``: 0 while a problem is being reported that another process would
        have as well.
        """
        return self.hung_seconds() if self.deaf else self._clock.monotonic() - progress

    def told(self, problem: MicrophoneError | None) -> None:
        """The source says that something is wrong, or with None that all is well again."""
        before, self.fault = self.fault, problem
        if problem is None or before is None or problem.fault != before.fault:
            self._since = self._clock.monotonic()
        if problem is None:
            _LOG.info("the microphone is well again")
        else:
            _LOG.warning("microphone: %s", problem.sentence(), extra={"fields": {"fault": problem.fault}})
