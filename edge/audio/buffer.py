"""Where PortAudio's callback leaves what it brings.

Takes: chunks from PortAudio's thread. Gives: them to the listener's, with their place on the device's clock. Must hold:
the callback only moves references and never waits; a listener that is too slow loses the oldest, much at once instead
of a little everywhere, and sees it in the frame numbers.
"""

from __future__ import annotations

import contextlib
import queue
import time
from dataclasses import dataclass
from typing import Final

from edge.audio.portaudio import CONTINUE, INPUT_OVERFLOW

BUFFER_SECONDS: Final = 10.0
"""How far the listener may fall behind before sound is lost: loading a model on a slow board takes seconds."""
_KEPT_SHARE: Final = 0.2
"""What is left of a full buffer. A gap ends the sentence it is in: one of 8 s does less harm than eighty of 0.1 s."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one callback brought. ``first``: index of its first frame on the device's clock. ``arrived``: when,
    monotonic.
    """

    first: int
    data: bytes
    arrived: float


class Buffer:
    """``chunks`` is bounded by hand: a bounded queue would wait, or drop the newest.

    ``rate``: frames per second. ``block_ms``: what a callback brings.
    """

    def __init__(self, rate: int, block_ms: int, seconds: float = BUFFER_SECONDS) -> None:
        self.chunks: queue.SimpleQueue[Chunk | None] = queue.SimpleQueue()
        self.latest = time.monotonic()
        """When the callback ran last."""
        self.overruns = 0
        """How often sound was lost, by PortAudio's word or for want of room."""
        self._rate = rate
        self._limit = max(2, round(seconds * 1000 / block_ms))
        self._kept = round(_KEPT_SHARE * self._limit)
        self._frames = 0

    def callback(self, data: bytes, frames: int, _times: object, status: int) -> tuple[None, int]:
        """Called in PortAudio's thread with ``frames`` interleaved frames."""
        now = time.monotonic()
        if status & INPUT_OVERFLOW:
            self.overruns += 1
            if self._frames:  # PortAudio does not say how many were lost, but the clock does
                self._frames += max(0, round((now - self.latest) * self._rate) - frames)
        if self.chunks.qsize() >= self._limit:
            with contextlib.suppress(queue.Empty):
                while self.chunks.qsize() > self._kept:
                    self.chunks.get_nowait()
            self.overruns += 1
        self.chunks.put(Chunk(self._frames, data, now))
        self._frames += frames
        self.latest = now
        return None, CONTINUE
