"""A microphone as a source.

Takes: the name or number of a device. Gives: blocks while it delivers. Must hold: what was lost between the device and
us is counted and moves the clock; a device that stops without saying so is noticed within the watchdog's time;
PortAudio is opened anew each time, so that a sound server that came back is seen.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Generator
from typing import Final

import numpy as np

from edge.audio.blocks import BlockMaker
from edge.audio.capture import Capture, Chunk, open_capture
from edge.audio.portaudio import PATIENCE_SECONDS
from edge.audio.resample import HIGHEST_RATE, LOWEST_RATE
from edge.errors import MicrophoneError, UsageError
from edge.records import SAMPLE_RATE, AudioBlock, Float32

_log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 0.25
"""How long a read waits before it looks whether the device is still there."""
_HUNG_SECONDS: Final = 0.5
"""How long closing a device that stopped may take before the error goes out: it may never end."""


class MicrophoneSource:
    """Records from ``device``: a number, a part of a name (see ``find_device``), or None for the system's default.

    ``rate``: hertz to record at; None takes 16 kHz where the device can, else its own rate, and converts.
    ``watchdog_seconds``: how long the device may deliver nothing. ``blocks`` may be iterated again after an error, with
    a clock that starts afresh; ``close`` is final. Raises ``UsageError`` for a rate outside 4 to 192 kHz.
    """

    def __init__(
        self,
        device: str | int | None = None,
        rate: int | None = None,
        block_ms: int = 100,
        watchdog_seconds: float = 2.0,
    ) -> None:
        if rate is not None and not LOWEST_RATE <= rate <= HIGHEST_RATE:
            raise UsageError(f"a rate of {rate} Hz is outside {LOWEST_RATE} to {HIGHEST_RATE} Hz")
        self._wanted = device
        self._rate = rate
        self._block_ms = block_ms
        self._watchdog_seconds = watchdog_seconds
        self._closed = threading.Event()
        self._lock = threading.Lock()  # whoever takes the capture out closes it, and nobody else
        self._capture: Capture | None = None
        self._found = ""
        self._silent_samples = 0
        self.overruns = 0
        """How often sound was lost, by PortAudio's word or because the buffer was full."""
        self.dropped_samples = 0
        """Samples of 16 kHz that the full buffer pushed out. PortAudio does not say how many it lost."""

    @property
    def name(self) -> str:
        """``mic:`` and the stable name of the device, once it was open; before that, what was asked for."""
        return f"mic:{self._found or self._wanted or 'default'}"

    @property
    def live(self) -> bool:
        """True: time passes."""
        return True

    @property
    def silent_seconds(self) -> float:
        """How long the device has delivered nothing but exact zeros: a muted, unplugged or dead input."""
        return self._silent_samples / SAMPLE_RATE

    def blocks(self) -> Generator[AudioBlock, None, None]:
        """Yield blocks until ``close``. Raises ``MicrophoneError``: none there, busy, or lost."""
        if self._closed.is_set():
            return
        capture = open_capture(self._wanted, self._rate, self._block_ms)
        with self._lock:
            self._capture = capture
        self._found = capture.device.stable_name
        try:
            yield from self._deliver(capture)
        finally:
            self._release()

    def close(self) -> None:
        """Release the device and end ``blocks``, in whichever thread it waits."""
        self._closed.set()
        self._release()

    def _deliver(self, capture: Capture) -> Generator[AudioBlock, None, None]:
        pcm = capture.format
        maker = BlockMaker(pcm.rate, pcm.channels, pcm.full_scale)
        expected = 0
        overruns = self.overruns
        self._silent_samples = 0
        while chunk := self._next(capture):
            self.overruns = overruns + capture.buffer.overruns
            if lost := chunk.first - expected:
                self.dropped_samples += round(lost * SAMPLE_RATE / pcm.rate)
                if block := maker.lost(lost):
                    yield block
            frames = pcm.decode(chunk.data)
            expected = chunk.first + len(frames)
            self._watch_silence(frames, pcm.rate)
            if block := maker.push(frames):
                yield block

    def _next(self, capture: Capture) -> Chunk | None:
        """The next chunk, None when closed. Raises ``MicrophoneError`` when nothing comes any more."""
        while not self._closed.is_set():
            try:
                return capture.buffer.chunks.get(timeout=min(_LOOK_SECONDS, self._watchdog_seconds))
            except queue.Empty:
                waited = time.monotonic() - capture.buffer.latest
                if (waited >= self._watchdog_seconds or not capture.is_active()) and not self._closed.is_set():
                    self._release(_HUNG_SECONDS)
                    cause = f'the microphone "{self._found}" stopped delivering sound'
                    raise MicrophoneError(cause, "Check its plug, and whether the sound server runs.") from None
        return None

    def _watch_silence(self, frames: Float32, rate: int) -> None:
        sounding = np.flatnonzero(frames.any(axis=1))
        if len(sounding):
            self._silent_samples = 0
        quiet = len(frames) - 1 - int(sounding[-1]) if len(sounding) else len(frames)
        self._silent_samples += round(quiet * SAMPLE_RATE / rate)

    def _release(self, seconds: float = PATIENCE_SECONDS) -> None:
        with self._lock:
            capture, self._capture = self._capture, None
        if capture:
            capture.buffer.chunks.put(None)  # wakes whoever waits for a chunk
            try:
                capture.close(seconds)
            except MicrophoneError as error:
                _log.warning("%s", error.sentence())
