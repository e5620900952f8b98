"""Convolutions as matrix products: the values that each output looks at.

Takes arrays (n, time, mel, channels). Gives patches, and outputs of convolutions. Must hold: kernels are
(taps in time, taps in mel, in, out) and padding is spelled out, as in ``training.teachers.campp``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Pads = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Shape:
    """How a convolution walks: ``taps`` and ``strides`` in time and mel, ``dilation`` in time, zeros around."""

    taps: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    dilation: int = 1
    pads: Pads = ((0, 0), (0, 0))


def _views(x: Float32, shape: Shape) -> list[Float32]:
    padded = np.pad(x, ((0, 0), *shape.pads, (0, 0))) if any(map(any, shape.pads)) else x
    reach = ((shape.taps[0] - 1) * shape.dilation, shape.taps[1] - 1)
    times, bands = padded.shape[1] - reach[0], padded.shape[2] - reach[1]
    return [
        padded[:, t * shape.dilation : t * shape.dilation + times : shape.strides[0], f : f + bands : shape.strides[1]]
        for t in range(shape.taps[0])
        for f in range(shape.taps[1])
    ]


def patches(x: Float32, shape: Shape, places: npt.NDArray[np.int64] | None = None) -> Float32:
    """What each output sees, (outputs, taps * channels), in the order of a kernel's memory. ``places``: only these
    outputs, numbered through (n, time, mel).
    """
    views = _views(x, shape)
    if places is None:
        return np.concatenate([view.reshape(-1, x.shape[3]) for view in views], axis=1)
    where = np.unravel_index(places, views[0].shape[:3])
    return np.concatenate([view[where] for view in views], axis=1)


def outputs(x: Float32, shape: Shape) -> tuple[int, int, int]:
    """Size of the result without its channels."""
    count, times, bands = _views(x[:1, ..., :1], shape)[0].shape[:3]
    return len(x) * count, times, bands


def convolve(x: Float32, kernel: Float32, bias: Float32 | None, shape: Shape) -> Float32:
    """The convolution, window by window, so that patches of one are in memory at a time."""
    matrix = kernel.reshape(-1, kernel.shape[3])
    found = []
    for window in x:
        size = outputs(window[None], shape)
        found.append((patches(window[None], shape) @ matrix).reshape(*size[1:], -1))
    result = np.stack(found)
    return result if bias is None else np.asarray(result + bias, np.float32)
