"""What a CAM++ of given widths costs.

Takes the width of every group, and the pace. Gives multiply-adds per window and weights. Must hold: the formulas follow
the layers of ``training.teachers.campp``; context gates count once per chunk of frames, as the converted file computes
them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from training.teachers.pace import Pace

Widths = Mapping[str, int]
"""Channels by the name of their group (``training.slim.channels``)."""

BLOCK_TAPS: Final = 3
TDNN_TAPS: Final = 5
AS_THE_ORIGINAL: Final = Pace()


@dataclass(frozen=True, slots=True)
class Cost:
    """``macs``: multiply-adds per window. ``weights``: parameters of convolutions, which are bytes in int8."""

    macs: int
    weights: int

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.macs + other.macs, self.weights + other.weights)


def _conv(inputs: int, outputs: int, taps: int, places: int) -> Cost:
    weights = inputs * outputs * taps
    return Cost(weights * places, weights)


def front_cost(widths: Widths, frames: int, bands: int, pace: Pace) -> Cost:
    """The 2-D part up to the first 1-D convolution."""
    square = 9
    total = _conv(1, widths["front.in"], square, frames * bands)
    inputs, mel, frames = widths["front.in"], bands, frames // pace.front
    for stage in (1, 2):
        mel //= 2
        stream = widths[f"front.{stage}"]
        for block in (0, 1):
            inner = widths[f"front.{stage}.{block}"]
            total += _conv(inputs, inner, square, frames * mel) + _conv(inner, stream, square, frames * mel)
            if block == 0:
                total += _conv(inputs, stream, 1, frames * mel)
            inputs = stream
    return total + _conv(inputs, widths["front.out"], square, frames * (mel // 2))


def cost(widths: Widths, frames: int = 300, bands: int = 80, pace: Pace = AS_THE_ORIGINAL) -> Cost:
    """Everything up to the frame features. ``frames``, ``bands``: size of a window."""
    total = front_cost(widths, frames, bands, pace)
    places = frames // 2
    taps = -(-TDNN_TAPS // pace.front)
    total += _conv(widths["front.out"] * (bands // 8), widths["tdnn"], taps, places)
    stream = widths["tdnn"]
    for block in (1, 2, 3):
        layer = 1
        while f"block{block}.{layer}.growth" in widths:
            key = f"block{block}.{layer}"
            bottleneck, gate, growth = (widths[f"{key}.{part}"] for part in ("bottleneck", "gate", "growth"))
            total += _conv(stream, bottleneck, 1, places) + _conv(bottleneck, growth, BLOCK_TAPS, places)
            chunks = -(-places // math.gcd(places, pace.segment(block)))
            total += _conv(bottleneck, gate, 1, chunks) + _conv(gate, growth, 1, chunks)
            stream += growth
            layer += 1
        places //= pace.transit_stride(block)
        total += _conv(stream, widths[f"transit{block}"], 1, places)
        stream = widths[f"transit{block}"]
    return total
