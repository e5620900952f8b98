"""Whether a microphone delivers as many samples a second as was agreed.

Takes: how many frames have come until when. Gives: a verdict. Must hold: a callback that is late, or sound that comes
in a burst after a halt, is no wrong rate; a clock that is off for good is found within ``_WINDOWS * _WINDOW_SECONDS``.

A device that runs at 48 kHz while its driver says 44.1 kHz makes every voice nine percent lower and nobody known.
"""

from __future__ import annotations

from typing import Final, Literal

_WINDOW_SECONDS: Final = 5.0
_WINDOWS: Final = 6
"""That many in a row must be off in the same direction."""
_TOLERANCE: Final = 0.04
"""Half of what lies between 44.1 and 48 kHz; crystals are a thousand times better."""

_USUAL: Final = (8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000)

Verdict = Literal["unknown", "right", "wrong"]


class Pace:
    """Of one opening of a device at ``rate`` frames per second."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._windows: list[float] = []  # rates measured, all of them off in the same direction
        self._begin: tuple[int, float] | None = None
        self.verdict: Verdict = "unknown"

    @property
    def measured(self) -> int:
        """Frames per second as measured where the verdict is ``wrong``, else as agreed."""
        return round(sum(self._windows) / len(self._windows)) if self.verdict == "wrong" else self._rate

    @property
    def nearest(self) -> int:
        """The usual rate that is nearest to ``measured``."""
        return min(_USUAL, key=lambda usual: abs(usual - self.measured))

    def heard(self, frames: int, at: float) -> None:
        """``frames`` have come since the start; the last of them at ``at`` seconds, monotonic."""
        if self._begin is None:
            self._begin = (frames, at)
            return
        before, began = self._begin
        if at - began < _WINDOW_SECONDS:
            return
        self._begin = (frames, at)
        rate = (frames - before) / (at - began)
        if abs(rate / self._rate - 1) <= _TOLERANCE:
            self._windows.clear()
            self.verdict = "right"
            return
        if self._windows and (rate > self._rate) != (self._windows[0] > self._rate):
            self._windows.clear()
        self._windows.append(rate)
        if len(self._windows) >= _WINDOWS:
            self.verdict = "wrong"
