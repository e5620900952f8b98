"""What the containers of audio files say about their own completeness.

Takes: an open file. Gives: how much a WAV header promises and how much is there; whether an Ogg stream has its end.
Must hold: never raises for damaged content, that is what it is for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import BinaryIO, Final

from edge.audio.pcm import PcmFormat, WavHeaderError, read_wav_header

_OGG_TAIL: Final = 1 << 17
"""Bytes at the end of an Ogg file that certainly hold the start of its last page (a page has at most 65,307)."""


@dataclass(frozen=True, slots=True)
class WavLayout:
    """Where the samples of a WAV file lie.

    ``begin``: byte of the first one. ``promised``: frames by the header, None where it does not say. ``there``: frames
    in the file. ``unclosed``: the sizes were never filled in, because the recording program was stopped.
    """

    format: PcmFormat
    begin: int
    promised: int | None
    there: int
    unclosed: bool


def wav_layout(raw: BinaryIO) -> WavLayout | None:
    """Layout of a WAV file of plain samples; None where the header is damaged or the encoding is another."""
    raw.seek(0)
    try:
        header = read_wav_header(raw.read)
    except WavHeaderError:
        return None
    begin, frame = raw.tell(), header.format.frame_bytes
    there = (os.fstat(raw.fileno()).st_size - begin) // frame
    promised = None if header.data_bytes is None else header.data_bytes // frame
    raw.seek(4)
    riff_size = int.from_bytes(raw.read(4), "little")
    return WavLayout(header.format, begin, promised, there, unclosed=there > 0 and riff_size < begin)


def ogg_is_whole(raw: BinaryIO) -> bool:
    """Whether the last page is complete and carries the end-of-stream flag (RFC 3533, section 6)."""
    raw.seek(max(0, os.fstat(raw.fileno()).st_size - _OGG_TAIL))
    tail = raw.read()
    page = tail[max(0, tail.rfind(b"OggS")) :]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return False
    body = sum(page[27 : 27 + page[26]])
    return bool(page[5] & 4) and len(page) >= 27 + page[26] + body
