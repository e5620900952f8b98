"""Raw samples or WAV from standard input, or any other byte stream.

Takes: a binary stream. Gives: blocks, as soon as samples arrive. Must hold: a WAV header, where there is one, overrules
what was said about the samples; a sample cut in two by the end is left out and counted; ``close`` ends a waiting read.
"""

from __future__ import annotations

import logging
import select
import sys
import threading
from collections.abc import Iterator
from typing import BinaryIO, Final

from edge.audio.blocks import BlockMaker
from edge.audio.pcm import ENCODINGS, Encoding, PcmFormat, read_wav_header
from edge.audio.sniff import sniff
from edge.errors import AudioFileError, UsageError
from edge.records import SAMPLE_RATE, AudioBlock

_log = logging.getLogger(__name__)

_HEAD_BYTES: Final = 12
_LOOK_SECONDS: Final = 0.2
"""How long a read waits before it looks whether the source was closed."""
_SURE: Final = frozenset({"WAV", "big-endian WAV", "FLAC", "Ogg", "M4A or MP4", "WebM or Matroska", "CAF", "W64"})
"""Formats whose mark raw samples do not begin with by chance; that of MP3 without a tag is just eleven bits."""


class PcmSource:
    """Samples from ``stream`` (standard input where None), interleaved, in ``encoding`` at ``rate`` hertz.

    ``live``: whether somebody is speaking into the other end, such as ``arecord -t raw | earmark ...``. Raises
    ``UsageError`` for a rate, channel count or encoding that makes no sense.
    """

    def __init__(
        self,
        stream: BinaryIO | None = None,
        rate: int = SAMPLE_RATE,
        channels: int = 1,
        encoding: Encoding = "s16le",
        *,
        block_ms: int = 100,
        live: bool = False,
    ) -> None:
        if encoding not in ENCODINGS:
            raise UsageError(f"unknown encoding {encoding}", f"Known: {', '.join(ENCODINGS)}.")
        if channels < 1:
            raise UsageError(f"{channels} channels make no sound", "Give at least one.")
        self._stream = stream if stream is not None else sys.stdin.buffer
        self._format = PcmFormat(rate, channels, encoding)
        try:
            self._maker(self._format)
        except ValueError as error:
            raise UsageError(f"raw samples cannot be read: {error}") from None
        self._block_ms = block_ms
        self._live = live
        self._closed = threading.Event()
        self._ahead = b""  # read already, not yet used
        self.repaired = 0
        """How many samples were NaN or infinite and became zero; complete when ``blocks`` has ended."""
        self.cut_bytes = 0
        """Bytes of a last sample that did not arrive whole."""

    @property
    def name(self) -> str:
        """``stdin``."""
        return "stdin"

    @property
    def live(self) -> bool:
        """What the constructor was told."""
        return self._live

    def blocks(self) -> Iterator[AudioBlock]:
        """Yield blocks until the stream ends. Raises ``AudioFileError`` where it carries no samples."""
        remaining = self._read_header()
        pcm = self._format
        maker = self._maker(pcm)
        wanted = max(1, pcm.rate * self._block_ms // 1000) * pcm.frame_bytes
        pending = b""
        while not self._closed.is_set() and (data := self._some(wanted - len(pending))):
            if remaining is not None:
                data = data[:remaining]
                remaining -= len(data)
            pending += data
            if len(pending) < wanted and remaining != 0:
                continue
            whole = len(pending) // pcm.frame_bytes * pcm.frame_bytes
            if block := maker.push(pcm.decode(pending[:whole])):
                yield block
            pending = pending[whole:]
            if remaining == 0:
                break
        if self._closed.is_set():
            return
        whole = len(pending) // pcm.frame_bytes * pcm.frame_bytes
        last = [maker.push(pcm.decode(pending[:whole])), maker.finish()]
        yield from (block for block in last if block)
        self._conclude(maker, len(pending) - whole)

    def close(self) -> None:
        """End ``blocks``. The stream itself belongs to whoever opened it and stays open."""
        self._closed.set()

    def _read_header(self) -> int | None:
        """Look for a WAV header; give the bytes of samples that it promises, None for "until the end"."""
        self._ahead = self._exactly(_HEAD_BYTES)
        kind = sniff(self._ahead)
        if kind is None or not (kind.name in _SURE or self._ahead[:3] == b"ID3"):
            return None
        if self._ahead[:4] not in (b"RIFF", b"RF64"):
            raise AudioFileError(
                f"standard input carries {kind.name}, not WAV or raw samples",
                "Convert it on the way: ffmpeg -i - -f wav - | earmark ...",
            )
        try:
            header = read_wav_header(self._exactly)
            self._maker(header.format)
        except ValueError as error:  # WavHeaderError is one
            raise AudioFileError(f"standard input cannot be read: {error}") from None
        self._format = header.format
        return header.data_bytes

    def _conclude(self, maker: BlockMaker, cut_bytes: int) -> None:
        self.repaired = maker.repaired
        self.cut_bytes = cut_bytes
        if maker.repaired:
            _log.warning("standard input had %d samples that are no numbers; they became silence", maker.repaired)
        if cut_bytes:
            _log.warning("standard input ended in the middle of a sample; its %d bytes were left out", cut_bytes)
        if not maker.position:
            raise AudioFileError("standard input carried no sound: it ended before the first sample")

    @staticmethod
    def _maker(pcm: PcmFormat) -> BlockMaker:
        return BlockMaker(pcm.rate, pcm.channels, pcm.full_scale)

    def _exactly(self, count: int) -> bytes:
        """``count`` bytes, fewer only at the end or when closed."""
        data = b""
        while len(data) < count and (more := self._some(count - len(data))):
            data += more
        return data

    def _some(self, most: int) -> bytes:
        """What is there, at most ``most`` bytes, after waiting for the first; nothing at the end or when closed."""
        if self._ahead:
            data, self._ahead = self._ahead[:most], self._ahead[most:]
            return data
        while not self._closed.is_set():
            if self._readable():
                read = getattr(self._stream, "read1", self._stream.read)
                return bytes(read(most) or b"")
        return b""

    def _readable(self) -> bool:
        try:
            ready, _, _ = select.select([self._stream], [], [], _LOOK_SECONDS)
        except (OSError, TypeError, ValueError):  # not backed by a descriptor, as io.BytesIO is not
            return True
        return bool(ready)
