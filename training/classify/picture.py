"""Spectrograms as small pictures, and PNG files of them.

Takes float32 mono 16 kHz samples. Gives uint8 ``(SIDE, SIDE, 3)``, time to the right, frequency upwards, in the colours
of decibels. Must hold: a picture read back is the picture written.
"""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from edge.records import Float32
from training.report import canvas

Pixels = npt.NDArray[np.uint8]

SIDE: Final = 64
RANGE_DB: Final = 80.0
"""From the loudest point down to black."""
_N_FFT: Final = 512
_COLOURS: Final = "viridis"


def picture(samples: Float32) -> Pixels:
    """Power by time and linear frequency, averaged into ``SIDE`` x ``SIDE`` cells, in dB below the loudest cell."""
    hop = _N_FFT // 2
    frames = np.lib.stride_tricks.sliding_window_view(np.asarray(samples, np.float64), _N_FFT)[::hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(_N_FFT), axis=1)[:, 1:]) ** 2
    by_band = power.reshape(len(power), SIDE, -1).mean(axis=2)
    # Every cell covers at least one frame, also where there are fewer frames than cells.
    edges = np.linspace(0, len(by_band), SIDE + 1)
    first = np.minimum(edges[:-1].astype(int), len(by_band) - 1)
    last = np.maximum(edges[1:].astype(int), first + 1)
    cells = np.stack([by_band[start:end].mean(axis=0) for start, end in zip(first, last, strict=True)])
    decibels = 10 * np.log10(np.maximum(cells / max(float(cells.max()), 1e-20), 10 ** (-RANGE_DB / 10)))
    level = np.round(255 * (1 + decibels / RANGE_DB)).astype(np.uint8)
    return np.asarray(_colours()[level.T[::-1]])


@lru_cache(maxsize=1)
def _colours() -> Pixels:
    """Colour of each of 256 levels: uint8 (256, 3)."""
    canvas.require()
    from matplotlib import colormaps

    return np.asarray(np.round(255 * colormaps[_COLOURS](np.arange(256))[:, :3]), np.uint8)


def write_png(path: Path, pixels: Pixels) -> None:
    """Write a picture of this size, as it is."""
    canvas.require()
    from matplotlib.image import imsave

    out = io.BytesIO()
    imsave(out, pixels, format="png")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(out.getvalue())


def read_png(path: Path) -> Pixels:
    """Read it back: uint8 ``(SIDE, SIDE, 3)``."""
    canvas.require()
    from matplotlib.image import imread

    return np.asarray(np.round(255 * imread(path)[:, :, :3]), np.uint8)
