"""What models see: from samples to numbers, for every kind of input of the recipes.

Takes float32 mono 16 kHz samples of a segment and an ``Input``. Gives float32 arrays and, for tables, the names of
their columns. Must hold: one segment gives the same numbers alone as among others; MFCCs are those of the edge's
front-end.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import numpy as np

from edge.errors import UsageError
from edge.features import FrontEnd
from edge.records import SAMPLE_RATE, FeatureSpec, Float32
from training.classify.picture import SIDE, picture
from training.classify.recipe import Input
from training.classify.spectral import NAMES, Float64, spectral

TABLES: Final = ("spectral-statistics", "spectral-means", "mfcc-moments", "voice-table")
"""Kinds that are rows of a table, kept as CSV."""
PICTURES: Final = ("spectrogram-png",)

_STATISTICS: Final[dict[str, Callable[[Float64], Any]]] = {"mean": np.mean, "min": np.min, "max": np.max, "std": np.std}
_MEANS: Final = ("chroma", "rms", "centroid", "bandwidth", "roll_off", "zero_crossings")
_MEAN_MFCCS: Final = 20
_MOMENT_MFCCS: Final = 13


def columns(kind: str) -> tuple[str, ...]:
    """Names of a table's columns."""
    statistics = tuple(f"{name}_{statistic}" for name in NAMES for statistic in _STATISTICS)
    means, deviations = (tuple(f"mfcc{k}_{what}" for k in range(1, _MEAN_MFCCS + 1)) for what in ("mean", "std"))
    return {
        "spectral-statistics": statistics,
        "spectral-means": (*_MEANS, *means),
        "mfcc-moments": (*means[:_MOMENT_MFCCS], *deviations[:_MOMENT_MFCCS]),
        "voice-table": (*means, *deviations, *statistics),
    }[kind]


def shape(what: Input) -> tuple[int, ...]:
    """Shape of one example."""
    if what.kind in TABLES:
        return (len(columns(what.kind)),)
    if what.kind in PICTURES:
        return (SIDE, SIDE, 3)
    if what.coefficients < 1 or what.frames < 2:
        raise UsageError(f"The input {what.kind} lacks coefficients or frames", "Add both to the recipe.")
    return {
        "mfcc-column": (what.coefficients * what.frames, 1),
        "mfcc-image": (what.coefficients, what.frames, 1),
        "mfcc-sequence": (what.frames, what.coefficients),
        "mfcc-envelope": (what.frames, 1),
    }[what.kind]


def compute(what: Input, samples: Float32) -> Float32:
    """One example of ``shape(what)``; pictures from 0 to 255 as floats."""
    if what.kind in TABLES:
        return _row(what.kind, samples)
    if what.kind in PICTURES:
        return picture(samples).astype(np.float32)
    frames = mfcc(samples, what.coefficients, what.frames)
    if what.kind == "mfcc-envelope":
        return np.asarray(frames.mean(axis=1, dtype=np.float64)[:, None], np.float32)
    if what.kind == "mfcc-sequence":
        return frames
    return np.ascontiguousarray(frames.T).reshape(shape(what))


def mfcc(samples: Float32, coefficients: int, frames: int) -> Float32:
    """MFCCs of the edge's front-end, float32 ``(frames, coefficients)`` over the whole segment.

    The hop follows from the number of frames; a frame is two hops long.
    """
    hop = len(samples) // frames
    padded = np.zeros((frames + 1) * hop, np.float32)
    padded[: min(len(samples), len(padded))] = samples[: len(padded)]
    return _front_end(hop, coefficients).features(padded)


@lru_cache(maxsize=8)
def _front_end(hop: int, coefficients: int) -> FrontEnd:
    n_fft = 1 << (2 * hop - 1).bit_length()
    # As many bands as the lowest triangles still touch a bin of the FFT.
    bands = max(coefficients, 64 if n_fft >= 1024 else 40)
    milliseconds = 1000 * hop / SAMPLE_RATE
    return FrontEnd(
        FeatureSpec(
            frame_ms=2 * milliseconds, hop_ms=milliseconds, n_fft=n_fft, n_mels=bands, n_ceps=coefficients,
            normalise="none",
        )
    )  # fmt: skip


def _row(kind: str, samples: Float32) -> Float32:
    if kind == "mfcc-moments":
        cepstra = mfcc(samples, _MOMENT_MFCCS, len(samples) // 160)
        return np.concatenate((cepstra.mean(axis=0), cepstra.std(axis=0)))
    found = spectral(samples)
    statistics = [statistic(found[name]) for name in NAMES for statistic in _STATISTICS.values()]
    if kind == "spectral-statistics":
        return np.asarray(statistics, np.float32)
    cepstra = mfcc(samples, _MEAN_MFCCS, len(samples) // 256)
    means = cepstra.mean(axis=0).tolist()
    if kind == "spectral-means":
        return np.asarray([*(found[name].mean() for name in _MEANS), *means], np.float32)
    return np.asarray([*means, *cepstra.std(axis=0), *statistics], np.float32)
