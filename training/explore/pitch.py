"""Fundamental frequency of a voice, frame by frame, from the autocorrelation.

Takes float32 mono samples at 16 kHz; gives hertz per frame, NaN where there is no voice. Must hold: a periodic sound
between ``LOWEST_HZ`` and ``HIGHEST_HZ`` is found within 1 %; noise and silence have no pitch.

Source: P. Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a
sampled sound", IFA Proceedings 17, 1993: the autocorrelation is divided by that of the window, and of equal peaks the
shorter period wins. Frames are judged one by one, without his search for the best path.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from edge.records import SAMPLE_RATE, Float32

Float64 = npt.NDArray[np.float64]

LOWEST_HZ: Final = 65.0
HIGHEST_HZ: Final = 500.0
HOP_SECONDS: Final = 0.02

_FRAME: Final = 1024
"""64 ms: four periods of the lowest voice."""
_FFT: Final = 2048
_VOICED: Final = 0.5
"""Least autocorrelation of a voiced frame."""
_OCTAVE: Final = 0.03
"""What an octave down costs: a sound of period T repeats after 2 T, too."""
_QUIET_DB: Final = 30.0
"""Frames that far below the loudest are no voice."""


def track(samples: Float32) -> Float64:
    """Return hertz per ``HOP_SECONDS``, float64 ``(frames,)``, NaN where unvoiced; none for less than a frame."""
    frames = _frames(samples)
    if not len(frames):
        return np.zeros(0)
    window = np.hanning(_FRAME)
    frames -= frames.mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(frames * window, _FFT)) ** 2
    own = np.fft.irfft(np.abs(np.fft.rfft(window, _FFT)) ** 2)
    likeness = np.fft.irfft(power)
    energy = likeness[:, 0].copy()
    first, last = int(SAMPLE_RATE / HIGHEST_HZ), int(SAMPLE_RATE / LOWEST_HZ) + 1
    lags = np.arange(first - 1, last + 2)
    scaled = likeness[:, lags] / np.maximum(energy, 1e-12)[:, None] / (own[lags] / own[0])
    inner = scaled[:, 1:-1]
    peaks = (inner >= scaled[:, :-2]) & (inner > scaled[:, 2:])
    score = np.where(peaks, inner - _OCTAVE * np.log2(lags[1:-1] * LOWEST_HZ / SAMPLE_RATE), -np.inf)
    best = score.argmax(axis=1)
    rows = np.arange(len(best))
    before, here, after = (scaled[rows, best + step] for step in range(3))
    bend = before - 2 * here + after
    shift = np.divide(before - after, 2 * bend, out=np.zeros_like(bend), where=bend < 0)
    hertz = SAMPLE_RATE / (lags[best + 1] + shift)
    loud = energy > energy.max() * 10 ** (-_QUIET_DB / 10)
    voiced = loud & (energy > 1e-9) & peaks.any(axis=1) & (here >= _VOICED)
    return np.where(voiced, hertz, np.nan)


def _frames(samples: Float32) -> Float64:
    """Whole frames as float64 ``(frames, _FRAME)``, a copy."""
    if len(samples) < _FRAME:
        return np.zeros((0, _FRAME))
    views = np.lib.stride_tricks.sliding_window_view(samples, _FRAME)
    return views[:: round(HOP_SECONDS * SAMPLE_RATE)].astype(np.float64)
