"""Where sound comes from: microphones, files, folders and standard input.

Takes: a device, a path or a stream. Gives: ``AudioBlock``s: float32, mono, 16 kHz, on one clock. Must hold: any rate
between 4 and 192 kHz, up to 256 channels, 8 to 32 bits; nothing is lost without being counted.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from edge.audio.devices import Device, list_devices
from edge.audio.files import FileSource, read_samples, readable_formats
from edge.audio.folders import FolderSource, Listing, audio_files
from edge.audio.microphone import MicrophoneSource
from edge.audio.pcm import ENCODINGS, Encoding
from edge.audio.portaudio import MicrophoneSetupError
from edge.audio.reconnect import OnProblem, ReconnectingMicrophone
from edge.audio.resample import Resampler, resample
from edge.audio.stdin import PcmSource
from edge.records import SAMPLE_RATE, AudioSource, Clock

if TYPE_CHECKING:
    from edge.settings import Audio

__all__ = [
    "ENCODINGS",
    "Device",
    "Encoding",
    "FileSource",
    "FolderSource",
    "Listing",
    "MicrophoneSetupError",
    "MicrophoneSource",
    "OnProblem",
    "PcmSource",
    "ReconnectingMicrophone",
    "Resampler",
    "audio_files",
    "list_devices",
    "open_source",
    "read_samples",
    "readable_formats",
    "resample",
]


def open_source(
    text: str,
    settings: Audio | None = None,
    *,
    rate: int | None = None,
    channels: int = 1,
    encoding: Encoding = "s16le",
    realtime: bool = False,
    clock: Clock | None = None,
    on_problem: OnProblem | None = None,
    stdin: BinaryIO | None = None,
) -> AudioSource:
    """The source that ``text`` names: ``mic``, ``mic:NAME`` or ``mic:NUMBER``, ``-``, a file or a folder.

    ``settings`` gives block size, watchdog and the device behind a plain ``mic``; None: the defaults. ``rate``: hertz
    of the microphone, or of raw samples on standard input. ``channels`` and ``encoding``: of raw samples. ``realtime``
    and ``clock``: give files at the speed of speech. ``on_problem``: makes a microphone that is tried again for ever
    and reports to it (see ``ReconnectingMicrophone``), too long a silence as well. Nothing is opened before ``blocks``.
    Raises ``UsageError`` for a rate, channel count or encoding that makes no sense.
    """
    if settings is None:
        from edge.settings import Audio

        settings = Audio()
    kind, _, device = text.partition(":")
    if kind == "mic":
        wanted = device or settings.device or None
        if on_problem is None:
            return MicrophoneSource(wanted, rate, settings.block_ms, settings.watchdog_seconds)
        microphone = MicrophoneSource(
            wanted, rate, settings.block_ms, settings.watchdog_seconds, settings.silent_seconds
        )
        return ReconnectingMicrophone(microphone, on_problem)
    if text == "-":
        return PcmSource(stdin, rate or SAMPLE_RATE, channels, encoding, block_ms=settings.block_ms)
    path = Path(text).expanduser()
    maker = FolderSource if path.is_dir() else FileSource
    return maker(path, settings.block_ms, realtime=realtime, clock=clock)
