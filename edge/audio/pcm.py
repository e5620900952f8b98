"""Raw samples as bytes: how they are encoded, and the WAV header that describes them.

Takes: bytes. Gives: float32 frames, or the format that a WAV header names. Must hold: full scale is 1.0 whatever the
encoding; a header is understood from a stream that cannot seek, and sizes that nobody filled in mean "until the end".
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np

from edge.records import Float32

Encoding = Literal["u8", "s16le", "s24le", "s32le", "f32le", "f64le"]
ENCODINGS: Final[tuple[Encoding, ...]] = get_args(Encoding)

_BYTES: Final[dict[Encoding, int]] = {"u8": 1, "s16le": 2, "s24le": 3, "s32le": 4, "f32le": 4, "f64le": 8}
_WAV_INTEGER: Final[dict[int, Encoding]] = {8: "u8", 16: "s16le", 24: "s24le", 32: "s32le"}
_WAV_FLOAT: Final[dict[int, Encoding]] = {32: "f32le", 64: "f64le"}
_FORMAT_INTEGER, _FORMAT_FLOAT, _FORMAT_EXTENSIBLE = 1, 3, 0xFFFE
_OPEN_ENDED: Final = 0x7FFFFF00
"""Programs that write WAV into a pipe cannot know the size and write something near 2 or 4 GB instead."""
_LONGEST_CHUNK: Final = 1 << 20
"""Bytes of a chunk before the samples that are still believed; real ones are text of a few kilobytes."""


@dataclass(frozen=True, slots=True)
class PcmFormat:
    """How samples lie in a byte stream. ``rate`` in hertz; channels are interleaved."""

    rate: int
    channels: int
    encoding: Encoding

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return _BYTES[self.encoding] * self.channels

    @property
    def full_scale(self) -> float:
        """Magnitude from which on a sample is taken as clipped: the highest step of the encoding, with rounding."""
        return 0.99 if self.encoding == "u8" else 0.9999

    def decode(self, data: bytes) -> Float32:
        """Whole frames as float32 ``(n, channels)``; ``data`` must be a multiple of ``frame_bytes`` long."""
        return _decode(data, self.encoding).reshape(-1, self.channels)


@dataclass(frozen=True, slots=True)
class WavHeader:
    """What the header of a WAV stream says. ``data_bytes`` is None where the size is not known (a pipe)."""

    format: PcmFormat
    data_bytes: int | None


class WavHeaderError(ValueError):
    """A WAV header that is cut short or names an encoding that is not plain samples; the text says which."""


def read_wav_header(read: Callable[[int], bytes]) -> WavHeader:
    """Read the header of a WAV stream up to the first sample; ``read(n)`` gives exactly n bytes, fewer only at the end.

    Layout: RIFF chunks as in the "Multimedia Programming Interface and Data Specifications 1.0" (1991); the extensible
    format keeps the real format in the first two bytes of its GUID. Raises ``WavHeaderError``.
    """
    riff = _exactly(read, 12)
    if riff[:4] not in (b"RIFF", b"RF64") or riff[8:] != b"WAVE":
        raise WavHeaderError("it does not begin with a WAV header")
    found: PcmFormat | None = None
    while True:
        name, size = struct.unpack("<4sI", _exactly(read, 8))
        if name == b"data":
            if found is None:
                raise WavHeaderError("its WAV header does not say how the samples are encoded")
            unknown = riff[:4] == b"RF64" or size >= _OPEN_ENDED or size == 0
            return WavHeader(found, None if unknown else size)
        if size > _LONGEST_CHUNK:
            raise WavHeaderError("its WAV header is damaged")
        content = _exactly(read, size + size % 2)  # chunks are padded to an even length
        if name == b"fmt ":
            found = _parse_format(content)


def _exactly(read: Callable[[int], bytes], count: int) -> bytes:
    data = read(count)
    if len(data) < count:
        raise WavHeaderError("it ends within its WAV header")
    return data


def _parse_format(content: bytes) -> PcmFormat:
    if len(content) < 16:
        raise WavHeaderError("its WAV header is damaged")
    kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", content[:16])
    if kind == _FORMAT_EXTENSIBLE and len(content) >= 26:
        (kind,) = struct.unpack("<H", content[24:26])
    encodings = {_FORMAT_INTEGER: _WAV_INTEGER, _FORMAT_FLOAT: _WAV_FLOAT}.get(kind, {})
    if bits not in encodings:
        raise WavHeaderError(f"its WAV encoding (format {kind}, {bits} bits) is not plain samples")
    if not channels or not rate:
        raise WavHeaderError("its WAV header is damaged")
    return PcmFormat(rate, channels, encodings[bits])


def _decode(data: bytes, encoding: Encoding) -> Float32:
    if encoding == "u8":
        return (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / np.float32(128)
    if encoding == "s16le":
        return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)
    if encoding == "s24le":
        wide = np.zeros((len(data) // 3, 4), np.uint8)  # the three bytes become the upper ones of 32 bits
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        return wide.view("<i4")[:, 0].astype(np.float32) / np.float32(2**31)
    if encoding == "s32le":
        return np.frombuffer(data, "<i4").astype(np.float32) / np.float32(2**31)
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit becomes infinite, and is repaired later
        return np.frombuffer(data, "<f4" if encoding == "f32le" else "<f8").astype(np.float32)
