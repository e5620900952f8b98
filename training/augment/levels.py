"""Levels: power ratios, gain, peaks. Takes and gives float32 ``(n,)``, full scale 1.0.

Must hold: a ratio of speech to noise is that of their powers over the whole utterance, as in ``training/trials.py``.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from edge.records import Float32

HIGHEST_PEAK: Final = 0.99
"""Where a signal that would leave full scale is brought to, unless clipping is wanted."""


def rms(samples: Float32) -> float:
    """Root of the mean square; 0 for no samples."""
    return float(np.sqrt(np.dot(samples, samples) / len(samples))) if len(samples) else 0.0


def to_rms(samples: Float32, wanted: float) -> Float32:
    """Scale to the RMS ``wanted``; silence stays silence."""
    have = rms(samples)
    return samples * np.float32(wanted / have) if have > 1e-9 else samples


def under_full_scale(samples: Float32) -> Float32:
    """Turn down what would leave full scale; everything else stays as it is."""
    peak = float(np.max(np.abs(samples), initial=0.0))
    return samples * np.float32(HIGHEST_PEAK / peak) if peak > 1.0 else samples


def add_noise(speech: Float32, noise: Float32, snr_db: float) -> Float32:
    """Speech plus noise of the same length at ``snr_db``; silent noise adds nothing."""
    under = rms(noise)
    if under < 1e-7:
        return speech
    return speech + noise * np.float32(rms(speech) / under * 10.0 ** (-snr_db / 20.0))
