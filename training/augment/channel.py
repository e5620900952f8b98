"""What microphones and wires do: colour, band limits, hum, offset, clipping.

Takes float32 mono 16 kHz samples, gives as many. Must hold: nothing here delays the signal; filters have zero phase.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import fft

from edge.records import SAMPLE_RATE, Float32

_LOWEST_HZ: Final = 50.0
_PAD: Final = 1024


@dataclass(frozen=True, slots=True)
class Band:
    """Frequencies that pass, in hertz, and the width in hertz over which the edges fall off."""

    words: str
    low_hz: float
    high_hz: float
    width_hz: float


BANDS: Final = (
    Band("telephone band 300 to 3400 Hz", 300.0, 3400.0, 200.0),
    Band("8 kHz recording, up to 4 kHz", 0.0, 3850.0, 150.0),
    Band("small loudspeaker or microphone 200 to 6000 Hz", 200.0, 6000.0, 800.0),
    Band("11 kHz recording, up to 5.5 kHz", 0.0, 5300.0, 200.0),
)


def colour(samples: Float32, points_db: npt.NDArray[np.float64]) -> Float32:
    """Filter with a smooth curve through ``points_db``, decibels at even distances in log frequency, 50 Hz to 8 kHz."""
    size, hertz = _frequencies(len(samples))
    # The curve is computed at 256 places of log frequency and read between them.
    place = np.linspace(0.0, len(points_db) - 1.0, 256)
    low = np.minimum(place.astype(np.int64), len(points_db) - 2)
    smooth = (1 - np.cos(np.pi * (place - low))) / 2
    gains = 10.0 ** ((points_db[low] * (1 - smooth) + points_db[low + 1] * smooth) / 20)
    at = _LOWEST_HZ * (SAMPLE_RATE / 2 / _LOWEST_HZ) ** np.linspace(0.0, 1.0, 256)
    return _filtered(samples, size, np.interp(hertz, at, gains))


def limit_band(samples: Float32, band: Band) -> Float32:
    """Keep the frequencies of ``band``; 60 dB below outside, as a filter of a real device leaves."""
    size, hertz = _frequencies(len(samples))
    gain = _edge((band.high_hz - hertz) / band.width_hz)
    if band.low_hz > 0:
        gain = gain * _edge((hertz - band.low_hz) / min(band.width_hz, band.low_hz))
    return _filtered(samples, size, np.maximum(gain, 1e-3))


def hum(length: int, rng: np.random.Generator) -> Float32:
    """Mains hum of 50 or 60 Hz with falling harmonics, RMS 1."""
    base = float(rng.choice([50.0, 60.0]))
    seconds = np.arange(length) / SAMPLE_RATE
    total = np.zeros(length)
    for harmonic in range(1, 7):
        strength = float(rng.uniform(0.2, 1.0)) / harmonic
        total += strength * np.sin(2 * np.pi * base * harmonic * seconds + float(rng.uniform(0, 2 * np.pi)))
    return np.asarray(total / np.sqrt(np.mean(total**2) + 1e-12), np.float32)


def clip(samples: Float32, share: float) -> Float32:
    """Cut off the loudest ``share`` of the samples, as an input that is turned up too far does."""
    if not len(samples):
        return samples
    magnitude = np.abs(samples)
    place = min(len(samples) - 1, int(len(samples) * (1 - share)))
    limit = np.partition(magnitude, place)[place]
    return np.asarray(np.clip(samples, -limit, limit), np.float32)


def _frequencies(length: int) -> tuple[int, npt.NDArray[np.float64]]:
    size = fft.next_fast_len(length + _PAD, real=True)
    return size, np.arange(size // 2 + 1) * (SAMPLE_RATE / size)


def _edge(distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """From 0 at -1 to 1 at 0, in half a cosine."""
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * np.clip(distance + 1, 0, 1)), np.float64)


def _filtered(samples: Float32, size: int, gain: npt.NDArray[np.float64]) -> Float32:
    spectrum = fft.rfft(samples, size)
    spectrum *= gain.astype(np.float32)
    filtered: Float32 = fft.irfft(spectrum, size)
    return filtered[: len(samples)]
