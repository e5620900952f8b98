"""How many commands are obeyed: a few at once, then one a second.

Takes the time. Gives yes or no. Must hold: whoever floods the device with commands can neither wear out its storage
(each choice is a write) nor keep it from publishing.
"""

from __future__ import annotations

from typing import Final

from edge.records import Clock

BURST: Final = 10
PER_SECOND: Final = 1.0


class Patience:
    """A bucket of ``burst`` commands that fills up with ``PER_SECOND``."""

    def __init__(self, clock: Clock, burst: int = BURST) -> None:
        self._clock = clock
        self._burst = self._left = float(burst)
        self._since = clock.monotonic()

    def allows(self) -> bool:
        """Whether one more command is obeyed now."""
        now = self._clock.monotonic()
        self._left = min(self._burst, self._left + PER_SECOND * max(0.0, now - self._since))
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
