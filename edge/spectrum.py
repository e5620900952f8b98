"""Power spectra of many overlapping frames, by two matrix products instead of an FFT call per frame.

Takes float32 frames (a strided view is enough), gives |DFT|^2 as float32 ``(n_fft // 2 + 1, rows)``, bin by bin. Must
hold: equal to numpy's rfft of the windowed, zero-padded frames to a few float32 roundings of the frame's largest bin;
the same bits for the same frames, since every product always has the same shape.

An n_fft-point transform is split after Cooley and Tukey (Math. Comp. 19, 1965) into n_fft = N1 x N2: a DFT of N1 points
over every N2-th sample, then, for each of its N1 / 2 + 1 bins that a real signal needs, one of N2 points. Window, zero
padding and twiddle factors are constants of the two matrices. With 32 x 20 points that is 4.1 million multiplications
per second of audio, which a BLAS does faster than rfft does its fewer ones.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from edge.records import Float32

Float64 = npt.NDArray[np.float64]

_SPLITS = (20, 16, 10, 25, 32, 40, 8)
"""Second factors worth having, the best first: both products then have sides a BLAS likes."""


def split_of(frame_samples: int, n_fft: int) -> int:
    """The second factor N2 for this frame and transform, 0 where none fits and an FFT has to do it."""
    for second in _SPLITS:
        # The Nyquist bin and the mirrored half fall on whole rows only if both factors are even.
        if frame_samples % second == 0 and n_fft % (2 * second) == 0 and second % 2 == 0:
            return second
    return 0


class PowerSpectrum:
    """Spectra of ``rows`` frames at a time. Holds its working memory: one instance per thread.

    Args:
        window: float64 ``(frame_samples,)``, scale included.
        n_fft: transform length; the bins are ``n_fft // 2 + 1``.
        rows: frames per call.
    """

    def __init__(self, window: Float64, n_fft: int, rows: int) -> None:
        self.power: Float32 = np.zeros((n_fft // 2 + 1, rows), np.float32)
        """The result of the latest ``compute``."""
        second = split_of(len(window), n_fft)
        self._engine: _Split | _Fft = (
            _Split(window, n_fft, second, self.power) if second else _Fft(window, n_fft, self.power)
        )

    def compute(self, frames: Float32) -> Float32:
        """Spectra of ``frames``, float32 ``(rows, frame_samples)``; the array returned is reused by the next call."""
        self._engine.compute(frames)
        return self.power


class _Split:
    """Frames are the last axis everywhere: then each step writes long runs, and the second product reads the first
    one's result where it lies.
    """

    def __init__(self, window: Float64, n_fft: int, second: int, power: Float32) -> None:
        rows = power.shape[1]
        first = n_fft // second
        used = len(window) // second  # samples of each residue class; the zero padding beyond them costs nothing
        bins = first // 2 + 1
        self._inner = _inner_matrices(window, first, second, used, bins)
        self._outer = _outer_matrices(n_fft, first, second, bins)
        self._gathered: Float32 = np.empty((second, used, rows), np.float32)
        self._middle: Float32 = np.empty((second, 2 * bins, rows), np.float32)
        # (class, part, bin, row) -> (bin, class and part, row): a view that BLAS takes as it is
        self._middle_by_bin = self._middle.reshape(2 * second, bins, rows).transpose(1, 0, 2)
        self._last: Float32 = np.empty((bins, 2 * second, rows), np.float32)
        half = second // 2
        real, imaginary = self._last[:, :second], self._last[:, second:]
        grid = power[: first * half].reshape(half, first, rows).transpose(1, 0, 2)
        # Bin k1 + N1 k2: the lower half of k2 in order; the upper half is the mirror image of what is still missing.
        self._sums = [
            (real[:, :half], imaginary[:, :half], grid[:bins]),
            (
                real[1 : bins - 1, : half - 1 : -1],
                imaginary[1 : bins - 1, : half - 1 : -1],
                grid[: bins - 1 : -1],
            ),
            (real[0, half], imaginary[0, half], power[-1]),
        ]

    def compute(self, frames: Float32) -> None:
        step, item = frames.strides
        second = len(self._gathered)
        by_class = np.lib.stride_tricks.as_strided(
            frames, self._gathered.shape, (item, second * item, step), writeable=False
        )
        np.copyto(self._gathered, by_class)
        np.matmul(self._inner, self._gathered, out=self._middle)
        np.matmul(self._outer, self._middle_by_bin, out=self._last)
        np.square(self._last, out=self._last)
        for real, imaginary, out in self._sums:
            np.add(real, imaginary, out=out)


class _Fft:
    def __init__(self, window: Float64, n_fft: int, power: Float32) -> None:
        self._window = window
        self._padded: Float64 = np.zeros((power.shape[1], n_fft))
        self._power = power

    def compute(self, frames: Float32) -> None:
        np.multiply(frames, self._window, out=self._padded[:, : len(self._window)])
        spectrum = np.fft.rfft(self._padded)
        self._power[:] = (spectrum.real**2 + spectrum.imag**2).T


def _inner_matrices(window: Float64, first: int, second: int, used: int, bins: int) -> Float32:
    """For each residue class: DFT of ``first`` points times the window, (class, real then imaginary bins, used)."""
    angle = -2 * math.pi * np.outer(np.arange(bins), np.arange(used)) / first
    waves = np.concatenate((np.cos(angle), np.sin(angle)))
    return np.ascontiguousarray(waves[None] * window.reshape(used, second).T[:, None, :], np.float32)


def _outer_matrices(n_fft: int, first: int, second: int, bins: int) -> Float32:
    """For each bin of the first transform: DFT of ``second`` points times the twiddle factors, as a real matrix.

    Columns alternate between the real and the imaginary part of a class, as the first product leaves them.
    """
    k = np.arange(bins)[:, None, None] + first * np.arange(second)[None, :, None]
    angle = -2 * math.pi * np.arange(second)[None, None, :] * k / n_fft
    real, imaginary = np.cos(angle), np.sin(angle)
    matrices = np.empty((bins, 2 * second, second, 2))
    matrices[:, :second, :, 0], matrices[:, :second, :, 1] = real, -imaginary
    matrices[:, second:, :, 0], matrices[:, second:, :, 1] = imaginary, real
    return np.ascontiguousarray(matrices.reshape(bins, 2 * second, 2 * second), np.float32)
