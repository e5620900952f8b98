"""The front-end: samples to log-mel or MFCC frames, equal to python_speech_features 0.6 but faster.

Takes float32 mono samples (full scale 1.0) and a ``FeatureSpec``; gives float32 ``(frames, coefficients)``. Must hold:
equal to python_speech_features within 1e-3 once its energies are raised to the spec's floor; a stream, however it is
cut, gives bit for bit the features of the whole signal; a spec that this code can't compute exactly is refused.

Whole signals are computed as a stream that is pushed once, and a stream works in pieces of a fixed number of frames.
So every matrix product has the same shape at the same place of the signal, and its rounding can't depend on how the
audio arrived. A piece is long enough to make numpy's cost per call small, and short enough not to leave the caches.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from edge.errors import BundleError, UsageError
from edge.records import SAMPLE_RATE, FeatureSpec, Float32
from edge.spectrum import PowerSpectrum

Float64 = npt.NDArray[np.float64]

PIECE_FRAMES: Final = 100
"""Frames computed together: a second, 1.5 MB of working memory. A stream gives its frames in such portions."""

_FULL_SCALE: Final = 32768.0
"""python_speech_features is fed 16-bit samples; ours are +-1.0."""

_LONGEST_FRAME: Final = 4000
_MOST_POINTS: Final = 8192
_MOST_BANDS: Final = 512
_LARGEST_LIFTER: Final = 1000
"""Bounds of what a bundle may ask for: far above anything of use, and computed in little memory."""

_BANDS_PER_BLOCK: Final = 16
"""Mel filters are narrow and sorted: multiplying 16 of them with only the bins they touch skips most of the zeros."""

_WINDOWS: Final[dict[str, Callable[[int], Float64]]] = {
    "hamming": np.hamming,
    "hann": np.hanning,
    "rectangular": np.ones,
}


def frame_count(spec: FeatureSpec, samples: int) -> int:
    """How many frames ``samples`` samples give: the last is zero-padded, so 16000 samples at 25/10 ms are 99 frames.

    Python_speech_features gives one frame for anything up to a frame's length; nothing at all gives no frame here.
    """
    if samples <= 0:
        return 0
    return 1 + max(0, math.ceil((samples - spec.frame_samples) / spec.hop_samples))


def normalise(spec: FeatureSpec, frames: Float32) -> Float32:
    """Bring ``frames`` that enter the network together to its input scale.

    ``frames``: float32 ``(n, coefficients)``, left as it is; returns a new array of that shape. ``window_mean``
    subtracts the mean over these frames; then comes ``(x - spec.mean) / spec.scale`` where those are given.
    """
    result: Float32 = np.array(frames, dtype=np.float32)
    if spec.normalise == "window_mean" and len(result):
        result -= result.mean(axis=0, dtype=np.float64).astype(np.float32)
    if spec.mean:
        result -= np.asarray(spec.mean, np.float32)
    if spec.scale:
        result /= np.asarray(spec.scale, np.float32)
    return result


class FrontEnd:
    """Computes the features of one ``FeatureSpec``. Threads may share it, each stream belongs to one thread at a time.

    Raises ``BundleError``, naming the field, for a spec that can't be computed exactly.
    """

    def __init__(self, spec: FeatureSpec) -> None:
        _check(spec)
        self.spec = spec
        self._floor = np.float32(spec.log_floor)
        self._dct = _dct(spec)
        self._scratch = _Scratch(spec)

    def features(self, samples: Float32) -> Float32:
        """Features of a whole signal, before normalisation.

        ``samples``: float32 ``(n,)``, 16 kHz mono, full scale 1.0. Returns float32
        ``(frame_count(spec, n), coefficients)``. Raises ``UsageError`` for another shape or for integer samples.
        """
        stream = self.stream()
        return np.concatenate((stream.push(samples), stream.finish()))

    def stream(self) -> FeatureStream:
        """A fresh stream over one signal; pre-emphasis starts with its first sample."""
        return FeatureStream(self)

    def compute(self, frames: Float32) -> Float32:
        """Features of the pre-emphasised ``frames`` float32 ``(PIECE_FRAMES, frame_samples)``.

        Returns a new float32 array of ``PIECE_FRAMES`` rows: the products always have their full size, see above.
        """
        scratch = self._scratch
        scratch.spectrum.compute(frames)
        for weights, power, mel in scratch.products:
            np.matmul(weights, power, out=mel)
        np.maximum(scratch.mel, self._floor, out=scratch.mel)
        if self._dct is None:
            logarithms: Float32 = np.log(scratch.mel.T, order="C")
            return logarithms
        np.log(scratch.mel, out=scratch.mel)
        cepstra: Float32 = np.matmul(scratch.mel.T, self._dct)
        return cepstra


class FeatureStream:
    """Features of a signal that arrives in parts; made by ``FrontEnd.stream``. Not for several threads at once."""

    def __init__(self, front_end: FrontEnd) -> None:
        self._front_end, self._spec = front_end, front_end.spec
        frame, hop = self._spec.frame_samples, self._spec.hop_samples
        self._emphasised: Float32 = np.zeros((PIECE_FRAMES - 1) * hop + frame, np.float32)
        self._overlap = len(self._emphasised) - PIECE_FRAMES * hop
        # Overlapping frames as a view: the rows start a hop apart.
        strides = (hop * self._emphasised.itemsize, self._emphasised.itemsize)
        self._frames: Float32 = np.ndarray((PIECE_FRAMES, frame), np.float32, self._emphasised, 0, strides)
        self._filled = 0  # samples now in _emphasised
        self._previous = 0.0  # last sample seen, for pre-emphasis; 0 keeps the first sample as it is
        self._received = 0
        self._emitted = 0
        self._finished = False

    def push(self, samples: Float32) -> Float32:
        """Take the next samples float32 ``(n,)``; give the frames that became due, float32 ``(k, coefficients)``.

        Frames come in portions of ``PIECE_FRAMES``; what remains comes from ``finish``. Raises ``UsageError`` for
        another shape, for integer samples, and after ``finish``.
        """
        self._accept(samples)
        pieces: list[Float32] = []
        position, total = 0, len(samples)
        while position < total:
            taken = min(total - position, len(self._emphasised) - self._filled)
            self._emphasise(samples[position : position + taken])
            position += taken
            if self._filled == len(self._emphasised):
                pieces.append(self._front_end.compute(self._frames))
                self._emphasised[: self._overlap] = self._emphasised[len(self._emphasised) - self._overlap :]
                self._filled = self._overlap
        self._received += total
        self._emitted += PIECE_FRAMES * len(pieces)
        if not pieces:
            return np.empty((0, self._spec.coefficients), np.float32)
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def finish(self) -> Float32:
        """End the signal: give the frames still owed, the last one zero-padded, float32 ``(k, coefficients)``.

        A second call gives nothing.
        """
        owed = 0 if self._finished else frame_count(self._spec, self._received) - self._emitted
        self._finished = True
        if not owed:
            return np.empty((0, self._spec.coefficients), np.float32)
        self._emphasised[self._filled :] = 0.0
        return self._front_end.compute(self._frames)[:owed].copy()

    def _accept(self, samples: Float32) -> None:
        if self._finished:
            raise UsageError("The feature stream has been finished", "Make a new one with FrontEnd.stream().")
        if samples.ndim != 1:
            raise UsageError(f"Samples have the shape {samples.shape}", "Pass mono audio as a one-dimensional array.")
        if not np.issubdtype(samples.dtype, np.floating):
            raise UsageError(
                f"Samples are {samples.dtype}, not float32 with full scale 1.0", "Divide 16-bit samples by 32768."
            )

    def _emphasise(self, samples: Float32) -> None:
        """Append ``x[n] - preemphasis * x[n-1]`` of ``samples`` (at least one, and no more than fit)."""
        new = self._emphasised[self._filled : self._filled + len(samples)]
        # In float64, because the difference of loud neighbours loses the digits that quiet high bands are made of.
        difference = samples.astype(np.float64)
        difference[1:] -= self._spec.preemphasis * difference[:-1]
        difference[0] -= self._spec.preemphasis * self._previous
        new[:] = difference
        self._previous = float(samples[-1])
        self._filled += len(samples)


class _Scratch(threading.local):
    """Working memory of a front-end, one set per thread; nothing in it outlives a call of ``compute``."""

    def __init__(self, spec: FeatureSpec) -> None:
        # |FFT|^2 / n_fft on the 16-bit scale: both constants ride on the window.
        window = _WINDOWS[spec.window](spec.frame_samples) * (_FULL_SCALE / math.sqrt(spec.n_fft))
        self.spectrum = PowerSpectrum(window, spec.n_fft, PIECE_FRAMES)
        self.mel: Float32 = np.empty((spec.n_mels, PIECE_FRAMES), np.float32)
        self.products = [
            (weights, self.spectrum.power[touched], self.mel[bands])
            for touched, bands, weights in _mel_blocks(mel_filters(spec))
        ]


def mel_filters(spec: FeatureSpec) -> Float64:
    """Triangular filters float64 ``(n_mels, n_fft // 2 + 1)`` on the HTK mel scale, edges rounded down to bins.

    As ``python_speech_features.get_filterbanks``: mel = 2595 log10(1 + f / 700), and an edge is
    floor((n_fft + 1) f / sample_rate).
    """
    low, high = (2595 * math.log10(1 + hz / 700) for hz in (spec.f_min, spec.f_max))
    hertz = 700 * (10 ** (np.linspace(low, high, spec.n_mels + 2) / 2595) - 1)
    edges = np.floor((spec.n_fft + 1) * hertz / spec.sample_rate)
    bins = np.arange(spec.n_fft // 2 + 1)
    filters = np.zeros((spec.n_mels, len(bins)))
    for row, left, centre, right in zip(filters, edges, edges[1:], edges[2:], strict=False):
        rising = (bins >= left) & (bins < centre)
        falling = (bins >= centre) & (bins < right)
        row[rising] = (bins[rising] - left) / (centre - left)
        row[falling] = (right - bins[falling]) / (right - centre)
    return filters


def _mel_blocks(filters: Float64) -> tuple[tuple[slice, slice, Float32], ...]:
    """Cut the filters into blocks of neighbours: (bins touched, bands, weights float32 ``(bands, bins)``)."""
    blocks = []
    for first in range(0, len(filters), _BANDS_PER_BLOCK):
        rows = filters[first : first + _BANDS_PER_BLOCK]
        touched = np.flatnonzero(rows.any(axis=0))
        bins = slice(int(touched[0]), int(touched[-1]) + 1) if len(touched) else slice(0, 1)
        weights = np.ascontiguousarray(rows[:, bins], np.float32)
        blocks.append((bins, slice(first, first + len(rows)), weights))
    return tuple(blocks)


def _dct(spec: FeatureSpec) -> Float32 | None:
    """Orthonormal DCT-II with the lifter on it, float32 ``(n_mels, n_ceps)``; None where log-mel is asked for.

    Lifter: 1 + L/2 sin(pi n / L), from python_speech_features (HTK's).
    """
    if spec.n_ceps == 0:
        return None
    band, order = np.arange(spec.n_mels)[:, None], np.arange(spec.n_ceps)
    matrix = np.sqrt(2 / spec.n_mels) * np.cos(np.pi * order * (2 * band + 1) / (2 * spec.n_mels))
    matrix[:, 0] /= math.sqrt(2)
    if spec.lifter:
        matrix *= 1 + spec.lifter / 2 * np.sin(np.pi * order / spec.lifter)
    return np.ascontiguousarray(matrix, np.float32)


def _check(spec: FeatureSpec) -> None:
    """Raise ``BundleError`` for the first field that this front-end can't compute exactly."""
    frame, hop = (spec.sample_rate * length / 1000 for length in (spec.frame_ms, spec.hop_ms))
    tests = (
        ("version", spec.version == 1, "only version 1 is known"),
        ("sample_rate", spec.sample_rate == SAMPLE_RATE, f"all audio here has {SAMPLE_RATE} Hz"),
        (
            "frame_ms",
            1 <= frame <= _LONGEST_FRAME and frame == round(frame),
            f"a frame must be a whole number of samples, at most {_LONGEST_FRAME}",
        ),
        ("hop_ms", 1 <= hop <= frame and hop == round(hop), "a hop must be whole samples and no longer than a frame"),
        ("n_fft", frame <= spec.n_fft <= _MOST_POINTS, f"it must have a frame's length to {_MOST_POINTS} points"),
        ("n_mels", 1 <= spec.n_mels <= _MOST_BANDS, f"there must be 1 to {_MOST_BANDS} bands"),
        (
            "n_ceps",
            0 <= spec.n_ceps <= spec.n_mels,
            "there are at most as many coefficients as bands; 0 asks for log-mel",
        ),
        ("f_max", 0 < spec.f_max <= spec.sample_rate / 2, "it must lie between 0 and half the sample rate"),
        ("f_min", 0 <= spec.f_min < spec.f_max, "it must lie between 0 and f_max"),
        ("preemphasis", -1 <= spec.preemphasis <= 1, "it must lie between -1 and 1"),
        ("window", spec.window in _WINDOWS, f"known are {', '.join(_WINDOWS)}"),
        ("log_floor", 1e-30 <= spec.log_floor <= 1e30, "the logarithm needs a positive floor"),
        (
            "lifter",
            0 <= spec.lifter <= _LARGEST_LIFTER and (spec.n_ceps > 0 or spec.lifter == 0),
            f"it must lie between 0 and {_LARGEST_LIFTER}, and log-mel energies have none",
        ),
        ("normalise", spec.normalise in ("none", "window_mean"), "known are none, window_mean"),
        (
            "mean",
            len(spec.mean) in (0, spec.coefficients) and all(map(math.isfinite, spec.mean)),
            "one per coefficient",
        ),
        (
            "scale",
            len(spec.scale) in (0, spec.coefficients) and all(1e-30 <= value < math.inf for value in spec.scale),
            "one positive number per coefficient",
        ),
    )
    for field, good, why in tests:
        if not good:
            value = getattr(spec, field)
            shown = f"{len(value)} values" if isinstance(value, tuple) else repr(value)[:80]
            raise BundleError(
                f"The bundle's feature field {field} is {shown}, which this program can't compute: {why}",
                "Use a bundle made for this version of Earmark.",
            )
