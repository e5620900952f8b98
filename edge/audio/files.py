"""Audio files as a source.

Takes: the path of a WAV, FLAC, Ogg (Vorbis, Opus), MP3 or AIFF file. Gives: blocks, and whole clips for enrolment. Must
hold: read piece by piece, never the whole file in memory; the content decides, not the suffix; whatever cannot be read
is an ``AudioFileError`` of one sentence with the file's name, and what is damaged in part is used as far as it goes and
said so in ``notes``. The only place that imports soundfile.
"""

from __future__ import annotations

import logging
import os
import shlex
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from edge.audio.blocks import BlockMaker
from edge.audio.damage import WavLayout, ogg_is_whole, wav_layout
from edge.audio.sniff import HEAD_BYTES, Kind, sniff
from edge.errors import AudioFileError, ExtraMissingError
from edge.quiet import quiet_stderr
from edge.records import SAMPLE_RATE, AudioBlock, Clock, Float32

_log = logging.getLogger(__name__)

_NOT_MISSED_SECONDS: Final = 0.1
_NOT_MISSED_SHARE: Final = 0.01
"""What may be missing at the end without a note: encoders round their frame counts, and MP3 headers estimate them."""


class FileSource:
    """One audio file, from start to end.

    ``block_ms``: how much is read at a time. ``realtime``: give each block when its last sample would have been heard,
    by ``clock`` (the system's where None). ``blocks`` may be iterated again, always from the start, until ``close``.
    """

    def __init__(
        self, path: str | Path, block_ms: int = 100, *, realtime: bool = False, clock: Clock | None = None
    ) -> None:
        self.path = Path(path)
        self.notes: list[str] = []
        """What was wrong with the file without making it useless; complete when ``blocks`` has ended."""
        self.repaired = 0
        """How many samples were NaN or infinite and became zero; complete when ``blocks`` has ended."""
        self._block_ms = block_ms
        self._realtime = realtime
        self._monotonic = clock.monotonic if clock else time.monotonic
        self._closed = threading.Event()
        self._lock = threading.Lock()  # nobody may close the file while somebody reads it
        self._reader: _Reader | None = None

    @property
    def name(self) -> str:
        """``file:`` and the file's name without its folder."""
        return f"file:{self.path.name}"

    @property
    def live(self) -> bool:
        """False: a file waits."""
        return False

    def blocks(self) -> Iterator[AudioBlock]:
        """Yield the file's blocks. Raises ``AudioFileError``."""
        self.notes, self.repaired = [], 0
        try:
            with self._lock:
                if self._closed.is_set():
                    return
                self._reader = reader = _Reader(self.path)
            began = self._monotonic()
            for block in self._read(reader):
                if self._realtime and not self._wait_until(began + (block.start + len(block.samples)) / SAMPLE_RATE):
                    return
                yield block
        finally:
            self._release()

    def close(self) -> None:
        """End ``blocks`` and release the file."""
        self._closed.set()
        self._release()

    def _read(self, reader: _Reader) -> Iterator[AudioBlock]:
        try:
            maker = BlockMaker(reader.rate, reader.channels, reader.full_scale)
        except ValueError as error:
            raise AudioFileError(f"{self.path} cannot be used: {error}") from None
        count = max(1, reader.rate * self._block_ms // 1000)
        while True:
            with self._lock:
                if self._closed.is_set():
                    return
                frames = reader.read(count)
            if not len(frames):
                break
            if block := maker.push(frames):
                yield block
        if block := maker.finish():
            yield block
        self._conclude(reader, maker)

    def _conclude(self, reader: _Reader, maker: BlockMaker) -> None:
        if not maker.position:
            raise AudioFileError(f"{self.path} contains no sound: it has a header and no samples")
        self.repaired = maker.repaired
        self.notes = reader.notes
        if maker.repaired:
            self.notes.append(f"{self.path} has {maker.repaired} samples that are no numbers; they became silence")
        for note in self.notes:
            _log.warning("%s", note)

    def _wait_until(self, due: float) -> bool:
        while (early := due - self._monotonic()) > 0:
            if self._closed.wait(min(early, 0.5)):
                return False
        return True

    def _release(self) -> None:
        with self._lock:
            if self._reader:
                self._reader.close()
            self._reader = None


def read_samples(path: str | Path, limit_seconds: float = 600.0) -> Float32:
    """The clip, at most its first ``limit_seconds``: float32 ``(n,)``, mono, 16 kHz. Raises ``AudioFileError``."""
    limit = round(limit_seconds * SAMPLE_RATE)
    pieces: list[Float32] = []
    source = FileSource(path, block_ms=1000)
    for block in source.blocks():
        pieces.append(block.samples)
        if block.start + len(block.samples) >= limit:
            break
    source.close()
    return np.concatenate(pieces)[:limit]


class _Reader:
    """An open file. ``notes`` collects what is wrong with it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.notes: list[str] = []
        self._given = 0
        self._unclosed: WavLayout | None = None
        self._raw = _open_regular(path)
        try:
            head = self._raw.read(HEAD_BYTES)
            kind = sniff(head)
            if not head:
                raise AudioFileError(f"{path} is empty")
            if kind and not kind.readable:
                raise AudioFileError(f"{path} is {kind.name}, which is not supported", _conversion(path))
            self._sound = _open_sound(path, kind)
        except BaseException:
            self._raw.close()
            raise
        self.rate, self.channels = int(self._sound.samplerate), int(self._sound.channels)
        self.full_scale = 0.99 if self._sound.subtype in {"PCM_U8", "PCM_S8"} else 0.9999
        self._frames = int(self._sound.frames)
        self._guard = quiet_stderr if self._sound.format == "MP3" else nullcontext
        if kind and kind.name == "WAV":
            self._look_at_wav()
        elif kind and kind.name == "Ogg" and not ogg_is_whole(self._raw):
            self.notes.append(f"{path} is cut short: its Ogg stream has no end; what is there is used")

    def read(self, count: int) -> Float32:
        """The next frames ``(n, channels)``, at most ``count``, none at the end.

        Raises ``AudioFileError`` where not even the first can be read; later damage is a note and the end.
        """
        if self._unclosed:
            frame_bytes = self._unclosed.format.frame_bytes
            data = self._raw.read(count * frame_bytes)
            return self._unclosed.format.decode(data[: len(data) // frame_bytes * frame_bytes])
        try:
            with self._guard():
                frames: Float32 = self._sound.read(count, dtype="float32", always_2d=True)
        except RuntimeError as error:  # LibsndfileError
            if not self._given:
                raise AudioFileError(f"{self._path} is damaged from the start on and cannot be read") from error
            frames = np.zeros((0, self.channels), dtype=np.float32)
        self._given += len(frames)
        if not len(frames):
            self._note_missing(self._given, self._frames)
        return frames

    def close(self) -> None:
        """Release both handles."""
        self._sound.close()
        self._raw.close()

    def _note_missing(self, there: int, promised: int) -> None:
        if promised - there > max(_NOT_MISSED_SECONDS * self.rate, _NOT_MISSED_SHARE * promised):
            amounts = f"only {there / self.rate:.1f} of {promised / self.rate:.1f} seconds can be read"
            self.notes.append(f"{self._path} is damaged or cut short: {amounts}; what is there is used")

    def _look_at_wav(self) -> None:
        """Compare what the header promises with what is there; take over where the header was never filled in."""
        layout = wav_layout(self._raw)
        if layout and layout.promised is not None:
            self._note_missing(min(layout.there, layout.promised), layout.promised)
        if layout and layout.unclosed and not self._frames:
            self._unclosed = layout
            self._raw.seek(layout.begin)
            self.notes.append(f"{self._path} was not closed by the program that recorded it; it is read to its end")


def _open_regular(path: Path) -> BinaryIO:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise AudioFileError(f"{path} is a folder, not an audio file")
        if not stat.S_ISREG(mode):
            raise AudioFileError(f"{path} is not a regular file", "Pipe WAV or raw samples into `-` instead.")
        return path.open("rb")
    except FileNotFoundError:
        raise AudioFileError(f"{path} does not exist") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise AudioFileError(f"{path} cannot be opened: {reason.lower()}") from None


def readable_formats() -> tuple[str, ...]:
    """Which of the kinds of files that Earmark knows the installed sound library reads, such as ``MP3``. Raises
    ``ExtraMissingError`` where there is none.
    """
    soundfile = _soundfile("recordings")
    containers, codecs = soundfile.available_formats(), soundfile.available_subtypes("OGG")
    inside = {"Ogg Vorbis": ("OGG", "VORBIS"), "Opus": ("OGG", "OPUS")}
    return tuple(
        name
        for name in ("WAV", "FLAC", "Ogg Vorbis", "Opus", "MP3", "AIFF")
        if (inside[name][0] in containers and inside[name][1] in codecs if name in inside else name in containers)
    )


def _soundfile(what: object) -> Any:
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: soundfile is there, its library is not
        remedy = "Install it: pip install soundfile, and where that brings no library: apt-get install libsndfile1."
        raise ExtraMissingError(f"{what} cannot be read without soundfile ({error})", remedy) from None
    return soundfile


def _open_sound(path: Path, kind: Kind | None) -> Any:
    soundfile = _soundfile(path)
    try:
        with quiet_stderr():
            return soundfile.SoundFile(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except (OSError, RuntimeError, TypeError, ValueError):  # by descriptor: a suffix such as .raw must not matter
        if kind:
            cause = f"{path} is damaged or an unknown kind of {kind.name} and cannot be read"
            raise AudioFileError(cause, _conversion(path)) from None
        cause = f"{path} is not audio that Earmark can read"
        raise AudioFileError(cause, "It reads WAV, FLAC, Ogg, Opus, MP3 and AIFF.") from None


def _conversion(path: Path) -> str:
    target = path.with_suffix(".wav") if path.suffix.lower() != ".wav" else path.with_name(f"{path.stem}-pcm.wav")
    return f"Convert it first: ffmpeg -i {shlex.quote(str(path))} {shlex.quote(str(target))}"
