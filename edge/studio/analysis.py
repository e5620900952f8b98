"""What a clip looks like: spectrogram and cepstra, small enough to draw.

Takes float32 samples at 16 kHz. Gives ``Picture``: decibels with the extent of both axes. Must hold: cepstra come from
the front-end of the device; however long the clip, a picture has at most ``MOST_COLUMNS`` columns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from edge.features import FrontEnd
from edge.records import SAMPLE_RATE, FeatureSpec, Float32

MOST_COLUMNS: Final = 1000
CEPSTRA: Final = 20
"""Coefficients shown where the bundle itself works with log-mel energies; the first, loudness, is left out."""
RANGE_DB: Final = 70.0
"""Of a spectrogram: from its loudest point down."""
_N_FFT: Final = 512
_FRAME: Final = 400
_HOP: Final = 160
_DB_PER_NEPER: Final = 10 / math.log(10)
"""Front-end energies are natural logarithms of power."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """``values``: decibels, float32 ``(rows, columns)``, row 0 at the lower end of the vertical axis, time to the
    right. ``seconds``: length of the horizontal axis. ``low``, ``high``: ends of the vertical axis. ``scale``: decibels
    that get the darkest and the brightest colour.
    """

    values: Float32
    seconds: float
    low: float
    high: float
    scale: tuple[float, float]


def spectrogram(samples: Float32) -> Picture:
    """Power of 25 ms Hamming frames every 10 ms, in decibels below full scale, 0 to 8 kHz."""
    padded = np.pad(np.asarray(samples, np.float32), (0, max(0, _FRAME - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_HOP]
    window = np.hamming(_FRAME).astype(np.float32)
    # A sine at full scale is 0 dB.
    power = np.abs(np.fft.rfft(frames * window, _N_FFT)) ** 2 * (2 / window.sum()) ** 2
    values = _fewer(np.asarray(10 * np.log10(np.maximum(power, 1e-12)).T, np.float32))
    top = 10 * math.ceil(float(values.max()) / 10)
    return Picture(values, len(padded) / SAMPLE_RATE, 0.0, SAMPLE_RATE / 2, (top - RANGE_DB, float(top)))


def cepstra(samples: Float32, spec: FeatureSpec) -> Picture:
    """Mel-frequency cepstral coefficients 1 to ``CEPSTRA - 1`` by the front-end of ``spec``, in decibels."""
    front = FrontEnd(replace(spec, n_ceps=CEPSTRA, n_mels=max(spec.n_mels, CEPSTRA), mean=(), scale=()))
    found = front.features(np.asarray(samples, np.float32))[:, 1:].T * np.float32(_DB_PER_NEPER)
    values = _fewer(np.ascontiguousarray(found, np.float32))
    reach = max(1.0, float(np.percentile(np.abs(values), 98)))
    return Picture(values, len(samples) / SAMPLE_RATE, 0.5, CEPSTRA - 0.5, (-reach, reach))


def _fewer(values: Float32) -> Float32:
    """Means of neighbouring columns, so that at most ``MOST_COLUMNS`` are left."""
    columns = values.shape[1]
    if columns <= MOST_COLUMNS:
        return values
    edges = np.linspace(0, columns, MOST_COLUMNS + 1).astype(int)
    sums: Float32 = np.add.reduceat(values, edges[:-1], axis=1)
    return np.asarray(sums / np.diff(edges), np.float32)
