"""Spectral features by frame: what a voice sounds like in a handful of numbers.

Takes float32 mono samples at 16 kHz. Gives a dict of float64 arrays ``(values, frames)``. Must hold: equal to the
definitions in librosa 0.11 (``librosa.feature``) for the same frames: Hann window, ``n_fft`` samples, hop a quarter of
it, no padding; a golden file made with librosa says so.

Sources: roll-off, flatness, centroid, bandwidth and zero crossings as in G. Peeters, "A large set of audio features for
sound description", IRCAM 2004; contrast: D.-N. Jiang et al., "Music type classification by spectral contrast feature",
ICME 2002; chroma: D. Ellis, "Chroma feature analysis and synthesis", 2007; tonnetz: C. Harte et al., "Detecting
harmonic change in musical audio", ACM MM 2006.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from edge.records import SAMPLE_RATE, Float32

Float64 = npt.NDArray[np.float64]

N_FFT: Final = 1024
HOP: Final = N_FFT // 4
ROLL_OFF: Final = 0.85
CONTRAST_BANDS: Final = 5
"""Octaves above the lowest band; the highest one reaches to half the sample rate."""
CONTRAST_F_MIN: Final = 200.0
_QUANTILE: Final = 0.02
_POWER_FLOOR: Final = 1e-10
_LOWEST_A_HZ: Final = 440.0 / 16
"""Octaves of the chroma are counted from this A."""

NAMES: Final = ("zero_crossings", "tonnetz", "roll_off", "flatness", "contrast", "bandwidth", "centroid", "rms")
"""The eight of the statistics table, in its order."""


def spectral(samples: Float32) -> dict[str, Float64]:
    """All features of a signal of at least ``N_FFT`` samples: the eight ``NAMES`` and ``chroma``.

    Zero crossings: share of sign changes. Roll-off, bandwidth, centroid: Hz. Contrast: dB, six rows. Chroma: twelve
    rows from 0 to 1. Tonnetz: six rows. RMS: full scale 1.
    """
    frames = np.lib.stride_tricks.sliding_window_view(np.asarray(samples, np.float64), N_FFT)[::HOP]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)
    magnitude = np.abs(np.fft.rfft(frames * window, axis=1)).T
    power = np.square(magnitude)
    hertz = np.fft.rfftfreq(N_FFT, 1 / SAMPLE_RATE)
    share = magnitude / np.maximum(magnitude.sum(axis=0), np.finfo(np.float32).tiny)
    centroid = hertz @ share
    chroma = chroma_of(power)
    return {
        "zero_crossings": _zero_crossings(frames),
        "tonnetz": tonnetz_of(chroma),
        "roll_off": _roll_off(magnitude, hertz),
        "flatness": _flatness(power),
        "contrast": contrast_of(magnitude, hertz),
        "bandwidth": np.sqrt(np.sum(share * (hertz[:, None] - centroid) ** 2, axis=0))[None],
        "centroid": centroid[None],
        "rms": np.sqrt(np.mean(frames**2, axis=1))[None],
        "chroma": chroma,
    }


def _zero_crossings(frames: Float64) -> Float64:
    negative = np.signbit(np.where(np.abs(frames) <= 1e-10, 0.0, frames))
    return np.asarray((negative[:, 1:] != negative[:, :-1]).sum(axis=1) / frames.shape[1], np.float64)[None]


def _roll_off(magnitude: Float64, hertz: Float64) -> Float64:
    """The lowest frequency below which ``ROLL_OFF`` of the magnitude lies."""
    summed = np.cumsum(magnitude, axis=0)
    return np.asarray(hertz[np.argmax(summed >= ROLL_OFF * summed[-1], axis=0)][None])


def _flatness(power: Float64) -> Float64:
    """Geometric over arithmetic mean of the power: 1 for white noise, near 0 for a tone."""
    floored = np.maximum(power, _POWER_FLOOR)
    return np.asarray(np.exp(np.log(floored).mean(axis=0)) / floored.mean(axis=0))[None]


def contrast_of(magnitude: Float64, hertz: Float64) -> Float64:
    """Peaks over valleys in dB, by octave: float64 ``(CONTRAST_BANDS + 1, frames)``.

    Peak and valley: the mean of the largest and smallest 2 % of the bins of an octave.
    """
    edges = np.concatenate(([0.0], CONTRAST_F_MIN * 2.0 ** np.arange(CONTRAST_BANDS + 1)))
    bands = len(edges) - 1
    peaks, valleys = np.zeros((2, bands, magnitude.shape[1]))
    for band, (low, high) in enumerate(pairwise(edges)):
        inside = (hertz >= low) & (hertz <= high)
        places = np.flatnonzero(inside)
        if band > 0:
            inside[places[0] - 1] = True
        if band == bands - 1:
            inside[places[-1] + 1 :] = True
        part = magnitude[inside]
        if band < bands - 1:
            part = part[:-1]
        count = max(1, round(_QUANTILE * int(inside.sum())))
        ordered = np.sort(part, axis=0)
        valleys[band], peaks[band] = ordered[:count].mean(axis=0), ordered[-count:].mean(axis=0)
    return np.asarray(_db(peaks) - _db(valleys))


def _db(values: Float64) -> Float64:
    """Of power, floored and no lower than 80 dB below the loudest."""
    found = 10 * np.log10(np.maximum(values, _POWER_FLOOR))
    return np.asarray(np.maximum(found, found.max() - 80.0))


@lru_cache(maxsize=1)
def chroma_filters() -> Float64:
    """From bins to the twelve semitones from C: float64 ``(12, N_FFT // 2 + 1)``.

    Each bin is spread over the semitones by a Gaussian as wide as the bin itself, and octaves far from the fifth one
    weigh less (Ellis).
    """
    hertz = np.linspace(0, SAMPLE_RATE, N_FFT, endpoint=False)[1:]
    semitones = 12 * np.log2(hertz / _LOWEST_A_HZ)
    semitones = np.concatenate(([semitones[0] - 18.0], semitones))
    width = np.concatenate((np.maximum(np.diff(semitones), 1.0), [1.0]))
    distance = np.remainder(semitones[None, :] - np.arange(12)[:, None] + 6 + 120, 12) - 6
    weights = np.exp(-0.5 * (2 * distance / width) ** 2)
    weights /= np.sqrt((weights**2).sum(axis=0))
    weights *= np.exp(-0.5 * ((semitones / 12 - 5.0) / 2.0) ** 2)
    return np.ascontiguousarray(np.roll(weights, -3, axis=0)[:, : N_FFT // 2 + 1])


def chroma_of(power: Float64) -> Float64:
    """Energy by semitone, each frame's largest 1: float64 ``(12, frames)``."""
    raw = chroma_filters() @ power
    largest = raw.max(axis=0)
    return np.asarray(raw / np.where(largest < np.finfo(np.float32).tiny, 1.0, largest))


def tonnetz_of(chroma: Float64) -> Float64:
    """Tonal centroid on the circles of fifths, minor and major thirds: float64 ``(6, frames)``."""
    steps = np.arange(12)
    turns = np.array([7 / 6, 7 / 6, 3 / 2, 3 / 2, 2 / 3, 2 / 3])
    phases = np.outer(turns, steps)
    phases[::2] -= 0.5  # sine beside cosine
    basis = np.array([1, 1, 1, 1, 0.5, 0.5])[:, None] * np.cos(np.pi * phases)
    total = np.abs(chroma).sum(axis=0)
    return np.asarray(basis @ (chroma / np.where(total < np.finfo(np.float32).tiny, 1.0, total)))
