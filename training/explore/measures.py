"""Plain figures of one clip: level, pitch, zero crossings, the shape of its spectrum.

Takes float32 mono samples at 16 kHz; gives one number per row of ``MEASURES``. Must hold: every number is finite or
NaN (no voice: no pitch); only the parts that are loud enough to be speech count, except for the background and the
peak.

Sources: spectral centroid, bandwidth, roll-off and flatness as in G. Peeters, "A large set of audio features for sound
description", IRCAM 2004.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edge.features import FrontEnd
from edge.records import SAMPLE_RATE, FeatureSpec, Float32
from training.explore import pitch

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measure:
    """``name``: short, as in figures and JSON. ``unit``: empty for a ratio. ``words``: what it is."""

    name: str
    unit: str
    words: str


MEASURES: Final = (
    Measure("length", "s", "length of the file"),
    Measure("level", "dBFS", "RMS of the parts that are speech"),
    Measure("peak", "dBFS", "highest sample"),
    Measure("background", "dB", "quietest tenth of the clip, below the level"),
    Measure("pitch", "Hz", "median fundamental frequency of voiced frames"),
    Measure("melody", "semitones", "standard deviation of the pitch"),
    Measure("voiced", "", "share of the loud frames that have a pitch"),
    Measure("crossings", "1/ms", "zero crossings per millisecond"),
    Measure("centroid", "kHz", "centre of gravity of the spectrum"),
    Measure("bandwidth", "kHz", "standard deviation of the spectrum around its centroid"),
    Measure("roll-off", "kHz", "frequency below which 85 % of the power lies"),
    Measure("flatness", "dB", "geometric over arithmetic mean of the power: 0 is white noise"),
)
NAMES: Final = tuple(measure.name for measure in MEASURES)

MFCC_SPEC: Final = FeatureSpec(n_mels=40, n_ceps=20, normalise="none")
"""The front-end's cepstra that are looked at: its own frames and mel scale, 20 coefficients of 40 bands."""

DB_PER_NEPER: Final = 10 / np.log(10)
"""The front-end gives natural logarithms of energies; people read decibels."""

_FRAME: Final = 400
_HOP: Final = 160
_QUIET_DB: Final = 30.0
"""Frames that far below the loudest are pauses."""
_FLOOR: Final = 1e-10


def measure(samples: Float32, seconds: float) -> Float64:
    """Return float64 ``(len(MEASURES),)``. ``samples``: at least one frame (25 ms). ``seconds``: of the whole file."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FRAME)[::_HOP].astype(np.float64)
    power = np.mean(frames**2, axis=1)
    loud = power >= power.max() * 10 ** (-_QUIET_DB / 10)
    level = _decibels(float(power[loud].mean()))
    heard = frames[loud]
    spectrum = np.square(np.abs(np.fft.rfft(heard * np.hanning(_FRAME), 512)))
    hertz = pitch.track(samples)
    voiced = hertz[np.isfinite(hertz)]
    median = float(np.median(voiced)) if len(voiced) else np.nan
    return np.array(
        [
            seconds,
            level,
            2 * _decibels(float(np.abs(samples).max())),
            _decibels(float(np.percentile(power, 10))) - level,
            median,
            12 * float(np.std(np.log2(voiced / median))) if len(voiced) > 1 else np.nan,
            min(1.0, len(voiced) * pitch.HOP_SECONDS * SAMPLE_RATE / (_HOP * int(loud.sum())))
            if len(hertz)
            else np.nan,
            float(np.mean(np.diff(np.signbit(heard), axis=1))) * SAMPLE_RATE / 1000,
            *_shape(spectrum),
        ]
    )


def mfcc_db(front_end: FrontEnd, samples: Float32) -> Float32:
    """Return the cepstra of a ``FrontEnd(MFCC_SPEC)`` in decibels, float32 ``(frames, 20)``."""
    cepstra: Float32 = (front_end.features(samples) * DB_PER_NEPER).astype(np.float32)
    return cepstra


def _shape(spectrum: Float64) -> tuple[float, float, float, float]:
    """Centroid, bandwidth and roll-off in kHz and flatness in dB of the mean of ``(frames, bins)``."""
    kilohertz = np.linspace(0, SAMPLE_RATE / 2000, spectrum.shape[1])
    mean = spectrum.mean(axis=0) + _FLOOR
    share = mean / mean.sum()
    centroid = float(share @ kilohertz)
    bandwidth = float(np.sqrt(share @ (kilohertz - centroid) ** 2))
    rolloff = float(kilohertz[int(np.searchsorted(np.cumsum(share), 0.85))])
    flatness = _decibels(float(np.exp(np.log(mean).mean()))) - _decibels(float(mean.mean()))
    return centroid, bandwidth, rolloff, flatness


def _decibels(power: float) -> float:
    return float(10 * np.log10(max(power, _FLOOR)))
