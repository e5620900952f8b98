"""A microphone as a source.

Takes: the name or number of a device. Gives: blocks while it delivers. Must hold: what was lost between the device and
us is counted and moves the clock; a device that stops without saying so is noticed within the watchdog's time, one that
delivers nothing but zeros, or at another rate than agreed, is complained about; PortAudio is opened anew each time, so
that a sound server that came back is seen.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Generator
from dataclasses import replace
from typing import Final

import numpy as np

from edge.audio.blocks import BlockMaker
from edge.audio.buffer import Chunk
from edge.audio.capture import Capture, open_capture
from edge.audio.pace import Pace
from edge.audio.portaudio import PATIENCE_SECONDS
from edge.audio.resample import HIGHEST_RATE, LOWEST_RATE
from edge.errors import MicrophoneError, UsageError
from edge.records import SAMPLE_RATE, AudioBlock, Float32

_log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 0.25
"""How long a read waits before it looks whether the device is still there."""
_HUNG_SECONDS: Final = 0.5
"""How long closing a device that stopped may take before the error goes out: it may never end."""
_RARELY_SECONDS: Final = 600.0
"""A silent device is opened anew after each time twice as long, at most this: a stream that hangs is cured by it, and a
microphone that somebody muted is left in peace."""


class MicrophoneSource:
    """Records from ``device``: a number, a part of a name (see ``find_device``), or None for the system's default.

    ``rate``: hertz to record at; None takes 16 kHz where the device can, else its own rate, and converts.
    ``watchdog_seconds``: how long the device may deliver nothing. ``silent_seconds``: how long it may deliver exact
    zeros, 0 for ever. ``blocks`` may be iterated again after an error, with a clock that starts afresh; it looks for
    the device that it found first. ``close`` is final. Raises ``UsageError`` for a rate outside 4 to 192 kHz.
    """

    def __init__(
        self,
        device: str | int | None = None,
        rate: int | None = None,
        block_ms: int = 100,
        watchdog_seconds: float = 2.0,
        silent_seconds: float = 0.0,
    ) -> None:
        if rate is not None and not LOWEST_RATE <= rate <= HIGHEST_RATE:
            raise UsageError(f"a rate of {rate} Hz is outside {LOWEST_RATE} to {HIGHEST_RATE} Hz")
        self._wanted = device
        self._rate = rate
        self._block_ms = block_ms
        self._watchdog_seconds = watchdog_seconds
        self._silent_seconds = silent_seconds
        self._patience_seconds = silent_seconds  # with silence, until the next opening
        self._likely_rate: int | None = None  # where the device did not keep the one that was agreed
        self._closed = threading.Event()
        self._lock = threading.Lock()  # whoever takes the capture out closes it, and nobody else
        self._capture: Capture | None = None
        self._found = ""
        self._silent_samples = 0
        self.complaint: MicrophoneError | None = None
        """What is wrong with the sound that comes, or came last: ``silent`` or ``wrong_rate``; None while all is well.
        It stands until the contrary is heard."""
        self.overruns = 0
        """How often sound was lost, by PortAudio's word or because the buffer was full."""
        self.dropped_samples = 0
        """Samples of 16 kHz lost so; what PortAudio lost is reckoned by the clock."""

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
        """Yield blocks until ``close``. Raises ``MicrophoneError``: none there, busy, lost, or worth opening anew."""
        if self._closed.is_set():
            return
        known = self._found or None
        capture = open_capture(self._wanted, self._rate, self._block_ms, known, self._likely_rate)
        with self._lock:
            self._capture = capture
        self._found = capture.device.stable_name
        if known not in (None, self._found):
            self._likely_rate = None
            _log.info("the microphone is %s now, no longer %s", self._found, known)
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
        pace = Pace(pcm.rate)
        expected = 0
        overruns = self.overruns
        self._silent_samples = 0
        while chunk := self._next(capture):
            self.overruns = overruns + capture.buffer.overruns
            behind_seconds = time.monotonic() - chunk.arrived
            if lost := chunk.first - expected:
                self.dropped_samples += round(lost * SAMPLE_RATE / pcm.rate)
                if block := maker.lost(lost):
                    yield replace(block, behind_seconds=behind_seconds)
            frames = pcm.decode(chunk.data)
            expected = chunk.first + len(frames)
            self._watch_silence(frames, pcm.rate)
            if block := maker.push(frames):
                yield replace(block, behind_seconds=behind_seconds)
            pace.heard(expected, chunk.arrived)
            self._judge(pace, pcm.rate)

    def _next(self, capture: Capture) -> Chunk | None:
        """The next chunk, None when closed. Raises ``MicrophoneError`` when nothing comes any more."""
        while not self._closed.is_set():
            try:
                return capture.buffer.chunks.get(timeout=min(_LOOK_SECONDS, self._watchdog_seconds))
            except queue.Empty:
                waited = time.monotonic() - capture.buffer.latest
                active = capture.is_active()
                if (waited >= self._watchdog_seconds or not active) and not self._closed.is_set():
                    self._release(_HUNG_SECONDS)
                    cause = f'the microphone "{self._found}" stopped delivering sound'
                    remedy = "Check its plug, and whether the sound server runs."
                    raise MicrophoneError(cause, remedy, "stopped" if active else "lost") from None
        return None

    def _watch_silence(self, frames: Float32, rate: int) -> None:
        sounding = np.flatnonzero(frames.any(axis=1))
        if len(sounding):
            self._silent_samples = 0
            self._patience_seconds = self._silent_seconds
            self._content("silent")
        quiet = len(frames) - 1 - int(sounding[-1]) if len(sounding) else len(frames)
        self._silent_samples += round(quiet * SAMPLE_RATE / rate)

    def _judge(self, pace: Pace, rate: int) -> None:
        """Complain where the sound is not what it should be, and end this opening: the next one may be better."""
        if self._silent_seconds and self.silent_seconds >= self._patience_seconds:
            self._patience_seconds = min(2 * self._patience_seconds, _RARELY_SECONDS)
            cause = f'the microphone "{self._found}" delivers nothing but zeros'
            self.complaint = MicrophoneError(cause, "Switch it on, or unmute it (alsamixer, F4).", "silent")
            raise self.complaint
        if pace.verdict == "right":
            self._content("wrong_rate")
        elif pace.verdict == "wrong":
            self._likely_rate = pace.nearest
            heard = f"{pace.measured / 1000:.0f} kHz come"  # coarse: the same words each time
            cause = f'the microphone "{self._found}" does not keep the rate of {rate / 1000:g} kHz: about {heard}'
            remedy = "Unplug it and plug it in again, or set another rate in the sound server."
            self.complaint = MicrophoneError(cause, remedy, "wrong_rate")
            raise self.complaint

    def _content(self, fault: str) -> None:
        if self.complaint is not None and self.complaint.fault == fault:
            self.complaint = None

    def _release(self, seconds: float = PATIENCE_SECONDS) -> None:
        with self._lock:
            capture, self._capture = self._capture, None
        if capture:
            capture.buffer.chunks.put(None)  # wakes whoever waits for a chunk
            try:
                capture.close(seconds)
            except MicrophoneError as error:
                _log.warning("%s", error.sentence())
