"""PortAudio's side of a microphone: an open device.

Takes: a device and the ways in which it may be opened. Gives: a running ``Capture``. Must hold: a device that is busy
is told from one that refuses; whatever cannot be opened leaves nothing open.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, Final

from edge.audio.buffer import Buffer
from edge.audio.devices import Device, find_device, read_devices
from edge.audio.held import held_microphones
from edge.audio.pcm import PcmFormat
from edge.audio.portaudio import (
    DEVICE_UNAVAILABLE,
    PATIENCE_SECONDS,
    SAMPLE_INT16,
    call,
    open_portaudio,
    words,
)
from edge.audio.resample import HIGHEST_RATE, LOWEST_RATE
from edge.errors import MicrophoneError
from edge.records import SAMPLE_RATE

_MOST_CHANNELS: Final = 16
"""Sound servers claim more inputs than any microphone has; then two are tried."""


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


def open_capture(
    wanted: str | int | None,
    rate: int | None,
    block_ms: int,
    known: str | None = None,
    likely_rate: int | None = None,
) -> Capture:
    """Find the device that ``wanted`` means (``known``: see ``find_device``) and let it run; chunks of ``block_ms``.

    ``rate``: hertz, or None for ``likely_rate`` where there is one, 16 kHz where the device can, or else its own.
    Raises ``MicrophoneError``.
    """
    return call(lambda: _open(wanted, rate, block_ms, known, likely_rate), discard=Capture._close)


def _open(
    wanted: str | int | None, rate: int | None, block_ms: int, known: str | None, likely_rate: int | None
) -> Capture:
    portaudio = open_portaudio()
    try:
        device = _find(portaudio, wanted, known)
        failure: Exception | None = None
        for pcm in _ways(device, rate, likely_rate):
            buffer = Buffer(pcm.rate, block_ms)
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


def _find(portaudio: Any, wanted: str | int | None, known: str | None) -> Device:
    try:
        return find_device(read_devices(portaudio), wanted, known)
    except MicrophoneError as error:
        if error.fault == "missing":
            for held in held_microphones():
                if held.fits(wanted, known):
                    raise _busy(held.name, held.holder) from None
        raise


def _ways(device: Device, rate: int | None, likely_rate: int | None) -> list[PcmFormat]:
    """Formats to try, the best first."""
    rates = [rate] if rate else [likely_rate or SAMPLE_RATE, SAMPLE_RATE, device.default_rate, 48_000, 44_100]
    usable = dict.fromkeys(rate for rate in rates if LOWEST_RATE <= rate <= HIGHEST_RATE)
    several = device.channels if device.channels <= _MOST_CHANNELS else 2
    return [PcmFormat(rate, channels, "s16le") for rate in usable for channels in sorted({1, several})]


def _refusal(device: Device, rate: int | None, failure: Exception | None) -> MicrophoneError:
    if getattr(failure, "errno", None) == DEVICE_UNAVAILABLE:
        return _busy(device.stable_name)
    at = f" at {rate} Hz" if rate else ""
    reason = words(failure) if failure else "no format that both sides know"
    return MicrophoneError(f'the microphone "{device.stable_name}" cannot be opened{at} ({reason})', fault="refused")


def _busy(name: str, holder: int = 0) -> MicrophoneError:
    by = f"another program (process {holder})" if holder else "another program"
    remedy = "End the other program; `fuser -v /dev/snd/*` shows which one it is."
    return MicrophoneError(f'the microphone "{name}" is in use by {by}', remedy, "busy")
