"""The front-end that ECAPA-TDNN of SpeechBrain was trained behind.

Takes float32 mono samples at 16 kHz. Gives float32 ``(frames, 80)``: mel energies in decibel, without their mean.
Must hold: equal to SpeechBrain's ``Fbank`` and ``InputNormalization`` (norm_type "sentence", std_norm False) within
5e-3 dB; what differs is mostly the original's rounding, which computes in float32 where this computes in float64.
It serves the teacher alone; nothing on the device uses it.

Formulas, from ``speechbrain/processing/features.py`` 1.1.2 and the checkpoint's ``hyperparams.yaml``:
frames of 25 ms, centred every 10 ms on the signal with zeros around it; periodic Hamming window
0.54 - 0.46 cos(2 pi n / N); power |FFT|^2 of as many points as a frame has samples; HTK mel scale
2595 log10(1 + f / 700) from 0 to 8000 Hz; filters that rise over the distance to the filter before and fall over
the same distance (not over the one to the next, as textbooks have it); 10 log10 of at least 1e-10, raised to at
least 80 dB below the utterance's highest value.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edge.records import SAMPLE_RATE, Float32

Float64 = npt.NDArray[np.float64]

BANDS: Final = 80
FRAME_SAMPLES: Final = 400
HOP_SAMPLES: Final = 160
LEAST_ENERGY: Final = 1e-10
RANGE_DB: Final = 80.0
"""How far below the highest value of the utterance the lowest may lie."""

FRONT_END: Final[dict[str, Any]] = {
    "kind": "speechbrain fbank",
    "bands": BANDS,
    "frame_samples": FRAME_SAMPLES,
    "hop_samples": HOP_SAMPLES,
    "least_energy": LEAST_ENERGY,
    "range_db": RANGE_DB,
    "version": 1,
}
"""What names this front-end in a digest; ``version`` grows with any change of what it computes."""


def frame_count(samples: int) -> int:
    """Frames that ``samples`` samples give: one is centred on the first sample and on every 160th after it."""
    return 1 + samples // HOP_SAMPLES


def ecapa_features(samples: Float32) -> Float32:
    """Features float32 ``(frame_count(n), 80)`` of a whole utterance, float32 ``(n,)``, full scale 1.0."""
    padded = np.pad(np.asarray(samples, np.float64), FRAME_SAMPLES // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME_SAMPLES)[::HOP_SAMPLES]
    spectrum = np.fft.rfft(frames * _window(), axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    decibel = 10 * np.log10(np.maximum(power @ mel_filters(), LEAST_ENERGY))
    decibel = np.maximum(decibel, decibel.max() - RANGE_DB)
    return np.asarray(decibel - decibel.mean(axis=0), np.float32)


@lru_cache(maxsize=1)
def _window() -> Float64:
    """Periodic Hamming: a symmetric one of one sample more, without its last."""
    return np.hamming(FRAME_SAMPLES + 1)[:-1]


@lru_cache(maxsize=1)
def mel_filters() -> Float64:
    """Triangles float64 ``(bins, 80)``, each as wide on the right as on the left."""
    top = 2595 * math.log10(1 + SAMPLE_RATE / 2 / 700)
    hertz = 700 * (10 ** (np.linspace(0, top, BANDS + 2) / 2595) - 1)
    centre, width = hertz[1:-1], np.diff(hertz)[:-1]
    bins = np.linspace(0, SAMPLE_RATE / 2, FRAME_SAMPLES // 2 + 1)
    filters: Float64 = np.maximum(0.0, 1 - np.abs(bins[:, np.newaxis] - centre) / width)
    return filters
