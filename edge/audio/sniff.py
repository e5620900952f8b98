"""What a file is, from its first bytes.

Takes: the first bytes of a file or stream. Gives: the name of the format and whether Earmark reads it. Must hold: the
content decides, never the suffix; plain text and pictures are no audio.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

HEAD_BYTES: Final = 64
"""How many bytes to hand to ``sniff``."""

AUDIO_SUFFIXES: Final = frozenset(
    {".aac", ".aif", ".aifc", ".aiff", ".amr", ".au", ".caf", ".flac", ".m4a", ".mka", ".mp3", ".mp4"}
    | {".oga", ".ogg", ".opus", ".rf64", ".w64", ".wav", ".wave", ".webm", ".wma"}
)
"""Lower-case suffixes by which people mean audio: a file that has one and is none is worth a message."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A format: what people call it, and whether Earmark reads it."""

    name: str
    readable: bool


_WAV: Final = Kind("WAV", True)
_MP3: Final = Kind("MP3", True)
_MARKS: Final[tuple[tuple[int, bytes, Kind], ...]] = (
    (0, b"RIFX", Kind("big-endian WAV", True)),
    (0, b"RF64", _WAV),
    (0, b"riff", Kind("W64", True)),
    (0, b"fLaC", Kind("FLAC", True)),
    (0, b"OggS", Kind("Ogg", True)),
    (0, b"ID3", _MP3),
    (0, b"FORM", Kind("AIFF", True)),
    (0, b".snd", Kind("AU", True)),
    (0, b"caff", Kind("CAF", True)),
    (4, b"ftyp", Kind("M4A or MP4", False)),
    (0, b"\x1a\x45\xdf\xa3", Kind("WebM or Matroska", False)),
    (0, b"#!AMR", Kind("AMR", False)),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Kind("WMA", False)),
    (0, b"ADIF", Kind("AAC", False)),
)


def sniff(head: bytes) -> Kind | None:
    """The format that begins with ``head`` (at least 12 bytes of it), or None where it is no known audio."""
    if head[:4] == b"RIFF":  # pictures (WebP) and videos (AVI) are RIFF files too
        return _WAV if head[8:12] == b"WAVE" else None
    for at, mark, kind in _MARKS:
        if head[at : at + len(mark)] == mark:
            return kind
    return _sniff_mpeg(head)


def _sniff_mpeg(head: bytes) -> Kind | None:
    """MPEG audio without a tag: eleven set bits, then a version, layer, bit rate and rate that exist (ISO 11172-3)."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer, bit_rate, rate = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    if layer == 0:  # the ADTS framing of AAC leaves the layer at zero
        return Kind("AAC", False) if head[1] & 0xF6 == 0xF0 else None
    return _MP3 if version != 1 and bit_rate != 15 and rate != 3 else None
