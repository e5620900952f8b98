"""Time for delays that setting the clock must not shorten: seconds since this boot, and which boot it is.

Takes nothing, gives ``Moment``. Must hold: seconds go on while the machine sleeps, never go back, and mean nothing
beside those of another boot; a machine that cannot tell its boots apart is refused.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from edge.errors import StorageError

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Moment:
    """``boot``: name of this boot. ``seconds``: since it, sleep included."""

    boot: str
    seconds: float

    def since(self, other: Moment) -> float:
        """Seconds from ``other`` that have certainly passed: those since this boot, where ``other`` was in an earlier
        one, since nobody knows how long the machine was off.
        """
        if other.boot == self.boot and other.seconds <= self.seconds:
            return self.seconds - other.seconds
        return self.seconds


class AttemptClock(Protocol):
    """What ``Gate`` asks for the time."""

    def now(self) -> float:
        """UTC seconds since the epoch, for people who read the log; may be wrong."""

    def moment(self) -> Moment:
        """What delays are counted by. Raises ``StorageError`` where the machine cannot tell."""


class BootClock:
    """The machine's clocks: ``CLOCK_BOOTTIME`` and the kernel's boot id."""

    def now(self) -> float:
        """UTC seconds since the epoch."""
        return time.time()

    def moment(self) -> Moment:
        """Seconds since this boot."""
        try:
            boot = _BOOT_ID.read_text(encoding="ascii").strip()
            seconds = time.clock_gettime(time.CLOCK_BOOTTIME)
        except (OSError, AttributeError) as error:
            raise StorageError(
                f"This machine does not tell which boot it is in ({_BOOT_ID}: {error}), so delays cannot be kept",
                "Attempts need Linux with /proc mounted; in a container or chroot, mount it.",
            ) from error
        return Moment(boot, seconds)


class ManualBootClock:
    """Stands still until told otherwise; for tests and simulations."""

    def __init__(self, now: float = 0.0, boot: str = "boot-1", seconds: float = 10_000.0) -> None:
        self._now = now
        self._moment = Moment(boot, seconds)

    def now(self) -> float:
        """UTC seconds since the epoch."""
        return self._now

    def moment(self) -> Moment:
        """Seconds since the boot that was last named."""
        return self._moment

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
        self._moment = Moment(self._moment.boot, self._moment.seconds + seconds)

    def set_wall(self, now: float) -> None:
        """Set the wall clock, as somebody might who wants a delay to be over."""
        self._now = now

    def reboot(self, boot: str, seconds: float = 5.0) -> None:
        """Come up again, ``seconds`` ago."""
        self._moment = Moment(boot, seconds)
