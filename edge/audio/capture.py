"""PortAudio's side of a microphone: an open device, and what its callback stores.

Takes: a device and the ways in which it may be opened. Gives: a running ``Capture``. Must hold: the callback only moves
references and never waits; a full buffer loses the oldest, which the consumer sees in the frame numbers.
"""

from __future__ import annotations

import contextlib
import queue
import time
from dataclasses import dataclass
from typing import Any, Final

from edge.audio.devices import Device, find_device, read_devices
from edge.audio.pcm import PcmFormat
from edge.audio.portaudio import (
    CONTINUE,
    DEVICE_UNAVAILABLE,
    INPUT_OVERFLOW,
    PATIENCE_SECONDS,
    SAMPLE_INT16,
    call,
    open_portaudio,
    words,
)
from edge.audio.resample import HIGHEST_RATE, LOWEST_RATE
from edge.errors import MicrophoneError
from edge.records import SAMPLE_RATE

BUFFER_SECONDS: Final = 10.0
"""How far the listener may fall behind before sound is lost: loading a model on a slow board takes seconds."""
_MOST_CHANNELS: Final = 16
"""Sound servers claim more inputs than any microphone has; then two are tried."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one callback brought. ``first``: index of its first frame on the device's clock."""

    first: int
    data: bytes


class Buffer:
    """Where the callback stores chunks.

    ``chunks`` is bounded by hand: a bounded queue would wait, or drop the newest.
    """

    def __init__(self, limit: int) -> None:
        self.chunks: queue.SimpleQueue[Chunk | None] = queue.SimpleQueue()
        self.latest = time.monotonic()
        """When the callback ran last."""
        self.overruns = 0
        """How often sound was lost, by PortAudio's word or for want of room."""
        self._limit = limit
        self._frames = 0

    def callback(self, data: bytes, frames: int, _times: object, status: int) -> tuple[None, int]:
        """Called in PortAudio's thread with ``frames`` interleaved frames."""
        if status & INPUT_OVERFLOW:
            self.overruns += 1
        if self.chunks.qsize() >= self._limit:
            with contextlib.suppress(queue.Empty):
                self.chunks.get_nowait()
            self.overruns += 1
        self.chunks.put(Chunk(self._frames, data))
        self._frames += frames
        self.latest = time.monotonic()
        return None, CONTINUE


@dataclass(frozen=True, slots=True)
class Capture:
    """A running device."""

    device: Device
    format: PcmFormat
    buffer: Buffer
    portaudio: Any
    stream: Any

    def is_active(self) -> bool:
        """Whether PortAudio still expects samples; False soon after the sound server went away."""
        try:
            return bool(self.stream.is_active())
        except OSError:  # closed meanwhile
            return False

    def close(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Give the device back. Raises ``MicrophoneError`` where that takes longer; it goes on behind our back then."""
        call(self._close, seconds=seconds)

    def _close(self) -> None:
        with contextlib.suppress(OSError):  # a device that is gone cannot be closed either
            self.stream.close()
        self.portaudio.terminate()


def open_capture(wanted: str | int | None, rate: int | None, block_ms: int) -> Capture:
    """Find the device that ``wanted`` means (see ``find_device``) and let it run; chunks of ``block_ms``.

    ``rate``: hertz, or None for 16 kHz where the device can, else its own. Raises ``MicrophoneError``.
    """
    return call(lambda: _open(wanted, rate, block_ms), discard=Capture._close)


def _open(wanted: str | int | None, rate: int | None, block_ms: int) -> Capture:
    portaudio = open_portaudio()
    try:
        device = find_device(read_devices(portaudio), wanted)
        failure: Exception | None = None
        for pcm in _ways(device, rate):
            buffer = Buffer(limit=max(2, round(BUFFER_SECONDS * 1000 / block_ms)))
            try:
                stream = portaudio.open(
                    rate=pcm.rate,
                    channels=pcm.channels,
                    format=SAMPLE_INT16,
                    input=True,
                    input_device_index=device.index,
                    frames_per_buffer=max(1, pcm.rate * block_ms // 1000),
                    stream_callback=buffer.callback,
                )
            except (OSError, ValueError) as error:
                failure = failure or error
                if getattr(error, "errno", None) == DEVICE_UNAVAILABLE:
                    break
            else:
                return Capture(device, pcm, buffer, portaudio, stream)
        raise _refusal(device, rate, failure)
    except BaseException:
        portaudio.terminate()
        raise


def _ways(device: Device, rate: int | None) -> list[PcmFormat]:
    """Formats to try, the best first."""
    rates = [rate] if rate else [SAMPLE_RATE, device.default_rate, 48_000, 44_100]
    usable = dict.fromkeys(rate for rate in rates if LOWEST_RATE <= rate <= HIGHEST_RATE)
    several = device.channels if device.channels <= _MOST_CHANNELS else 2
    return [PcmFormat(rate, channels, "s16le") for rate in usable for channels in sorted({1, several})]


def _refusal(device: Device, rate: int | None, failure: Exception | None) -> MicrophoneError:
    if getattr(failure, "errno", None) == DEVICE_UNAVAILABLE:
        remedy = "End the other program; `fuser -v /dev/snd/*` shows which one it is."
        return MicrophoneError(f'the microphone "{device.stable_name}" is in use by another program', remedy)
    at = f" at {rate} Hz" if rate else ""
    reason = words(failure) if failure else "no format that both sides know"
    return MicrophoneError(f'the microphone "{device.stable_name}" cannot be opened{at} ({reason})')
