"""Heat maps as PNG pictures, and the colours of the studio.

Takes decibels. Gives ``data:`` addresses of pictures with a palette. Must hold: a colour bar made of ``HEAT`` shows the
very colours of the picture; nothing is needed but the standard library and numpy.
"""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Final

import numpy as np

from edge.records import Outcome
from edge.report import PEOPLE
from edge.studio.analysis import Picture

HEAT: Final = (
    "#000004", "#180f3e", "#451077", "#721f81", "#9f2f7f", "#cd4071", "#f1605d", "#fd9567", "#feca8d", "#fcfdbf",
)  # fmt: skip
"""Dark to bright, evenly spaced: ten of the colours of "magma" (S. van der Walt and N. Smith, CC0)."""

OUTCOMES: Final[dict[Outcome, str]] = {
    "identified": "#009e73", "unknown": "#7f8c9a", "uncertain": "#e69f00", "rejected": "#cc6677",
}  # fmt: skip
"""Readable on a light page and on a dark one."""

_LEVELS: Final = 256


def person_colours(names: list[str]) -> list[str]:
    """A colour for each name, repeated after the seventh."""
    return [PEOPLE[number % len(PEOPLE)] for number in range(len(names))]


def heat_map(picture: Picture) -> str:
    """The picture as a ``data:`` address, a pixel per value, the upper end of the vertical axis at the top."""
    low, high = picture.scale
    levels = np.clip((picture.values[::-1] - low) / (high - low), 0, 1) * (_LEVELS - 1)
    return "data:image/png;base64," + base64.b64encode(png(levels.astype(np.uint8), palette())).decode()


def palette() -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """``HEAT`` in 256 steps, uint8 ``(256, 3)``."""
    anchors = np.array([[int(text[i : i + 2], 16) for i in (1, 3, 5)] for text in HEAT], float)
    at = np.linspace(0, len(HEAT) - 1, _LEVELS)
    channels = [np.interp(at, np.arange(len(HEAT)), anchors[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=1).round().astype(np.uint8)


def icon() -> bytes:
    """The picture in a browser's tab, a PNG; Streamlit would fetch one of its own from the internet."""
    levels = np.zeros((32, 32), np.uint8)
    for column, height in zip(range(2, 30, 4), (3, 7, 12, 15, 10, 6, 3), strict=True):
        levels[16 - height : 16 + height, column : column + 3] = 1
    return png(levels, np.array([[255, 255, 255], [0, 114, 178]], np.uint8))


def png(
    levels: np.ndarray[tuple[int, int], np.dtype[np.uint8]], colours: np.ndarray[tuple[int, int], np.dtype[np.uint8]]
) -> bytes:
    """A PNG file of palette numbers ``(height, width)`` (PNG specification, third edition, colour type 3)."""
    height, width = levels.shape
    rows = np.zeros((height, width + 1), np.uint8)  # the first byte of each row: no filter
    rows[:, 1:] = levels
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"PLTE", colours.tobytes()),
        (b"IDAT", zlib.compress(rows.tobytes(), 6)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
