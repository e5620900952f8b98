"""Streaming sample-rate conversion by a polyphase windowed-sinc filter.

Takes: mono float samples at any whole rate between 4 and 192 kHz, in pieces of any size. Gives: float32 samples at the
output rate, aligned with the input (the filter's delay is removed). Must hold: the output does not depend on how the
input was cut into pieces; its length is ``round(n * rate_out / rate_in)``; flat within 0.1 dB up to 90 % of the lower
Nyquist frequency, at least 70 dB down from that Nyquist frequency on.

The filter is a sinc of the lower band width under a Kaiser window; length and shape parameter follow Kaiser's formulas
(J. F. Kaiser, "Nonrecursive digital filter design using the I0-sinh window function", ISCAS 1974; also Oppenheim and
Schafer, "Discrete-Time Signal Processing", section 7.5.3).
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil, gcd, pi
from typing import Final

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from edge.records import SAMPLE_RATE, Float32

LOWEST_RATE: Final = 4_000
HIGHEST_RATE: Final = 192_000
"""Hertz. What is converted; telephones are above the lower bound, studio converters below the upper one."""

_ATTENUATION_DB: Final = 76.0
"""Designed stop-band attenuation; a few dB above what is promised, since Kaiser's formulas are estimates."""
_PASS_SHARE: Final = 0.9
"""Where the transition begins, as a share of the lower Nyquist frequency (7.2 kHz for 16 kHz)."""
_COLUMNS: Final = 32
"""Outputs that share one matrix product: fewer waste less on zeros, more give BLAS more to do at once."""
_MOST_PHASES: Final = 640
"""Ratios with more phases than this (11025 Hz has 640) use the interpolated table: bounded memory, bounded delay."""
_TABLE_PHASES: Final = 512
"""Rows of the interpolated table; linear interpolation between them errs by less than -110 dB."""
_ROWS: Final = 64
_GATHER: Final = 512
"""Rows of a banded product, or outputs of the interpolated path, gathered at once: what stays in the cache."""

Float64 = npt.NDArray[np.float64]


class Resampler:
    """Converts one mono stream from ``rate_in`` to ``rate_out`` (hertz, whole numbers, 4000 to 192000).

    ``push`` gives what can be computed so far, ``finish`` the rest; after ``finish`` the object is ready for a new
    stream. Sums are in float64, so that different cuts of the input agree to one unit in the last place of float32.
    Raises ``ValueError`` for a rate outside the range.
    """

    def __init__(self, rate_in: int, rate_out: int = SAMPLE_RATE) -> None:
        for rate in (rate_in, rate_out):
            if not LOWEST_RATE <= rate <= HIGHEST_RATE:
                raise ValueError(f"sample rate {rate} Hz is outside {LOWEST_RATE} to {HIGHEST_RATE} Hz")
        divisor = gcd(rate_in, rate_out)
        self._up, self._down = rate_out // divisor, rate_in // divisor
        self._kernel: _Banded | _Interpolated | None = None
        if rate_in != rate_out:
            maker = _Banded if self._up <= _MOST_PHASES else _Interpolated
            self._kernel = maker(rate_in, rate_out, self._up, self._down)
        self._start()

    def push(self, samples: npt.ArrayLike) -> Float32:
        """Take the next samples ``(n,)``; give float32 ``(m,)``, as many outputs as are certain by now."""
        if self._kernel is None:
            return np.asarray(samples, dtype=np.float32)
        piece = np.asarray(samples, dtype=np.float64)
        self._taken += len(piece)
        return self._advance(piece)

    def finish(self) -> Float32:
        """Give the remaining outputs as if silence followed, and start afresh."""
        if self._kernel is None:
            return np.zeros(0, dtype=np.float32)
        missing = _rounded(self._taken * self._up, self._down) - self._given
        rest = self._advance(np.zeros(self._kernel.lookahead))[:missing]
        self._start()
        return rest

    def _start(self) -> None:
        self._taken = 0
        self._given = 0
        history = self._kernel.half - 1 if self._kernel else 0
        self._buffer: Float64 = np.zeros(history)
        self._origin = -history  # index in the input stream of the buffer's first sample

    def _advance(self, piece: Float64) -> Float32:
        assert self._kernel is not None
        self._buffer = np.concatenate((self._buffer, piece))
        outputs = self._kernel.apply(self._buffer, self._origin, self._given)
        self._given += len(outputs)
        keep_from = self._given * self._down // self._up - self._kernel.half + 1
        if keep_from > self._origin:
            self._buffer = self._buffer[keep_from - self._origin :]
            self._origin = keep_from
        return outputs


def resample(samples: npt.ArrayLike, rate_in: int, rate_out: int = SAMPLE_RATE) -> Float32:
    """Convert a whole mono signal ``(n,)`` at once; float32 ``(round(n * rate_out / rate_in),)``."""
    converter = Resampler(rate_in, rate_out)
    return np.concatenate((converter.push(samples), converter.finish()))


def _rounded(numerator: int, denominator: int) -> int:
    """Quotient rounded to the nearest whole number, halves to even as Python's ``round`` does, without overflow."""
    quotient, rest = divmod(numerator, denominator)
    return quotient + (2 * rest > denominator or (2 * rest == denominator and quotient % 2 == 1))


def _half_length(rate_in: int, rate_out: int) -> int:
    """Half the number of taps, in input samples, that Kaiser's formula asks for."""
    nyquist = min(rate_in, rate_out) / 2
    width = 2 * pi * nyquist * (1 - _PASS_SHARE) / rate_in
    return ceil((_ATTENUATION_DB - 7.95) / (2.285 * width) / 2) + 1


def _rows(fractions: Float64, half: int, rate_in: int, rate_out: int) -> Float64:
    """Filter taps ``(len(fractions), 2 * half)`` for outputs that lie ``fractions`` of an input sample after one.

    Tap ``k`` belongs to the input sample at ``k - half + 1`` relative to the one before the output. Each row is scaled
    to a sum of one, so that a constant passes unchanged at every phase.
    """
    nyquist = min(rate_in, rate_out) / 2
    cutoff = nyquist * (1 + _PASS_SHARE) / 2 / rate_in  # middle of the transition, in cycles per input sample
    beta = 0.1102 * (_ATTENUATION_DB - 8.7)
    at = np.arange(1 - half, half + 1)[None, :] - fractions[:, None]
    window = np.i0(beta * np.sqrt(np.maximum(0.0, 1 - (at / half) ** 2))) / np.i0(beta)
    taps = np.sinc(2 * cutoff * at) * window
    scaled: Float64 = taps / taps.sum(axis=1, keepdims=True)
    return scaled


class _Banded:
    """Exact phases: a period of outputs is one row of a strided view of the input times the taps in banded form."""

    def __init__(self, rate_in: int, rate_out: int, up: int, down: int) -> None:
        self.half = _half_length(rate_in, rate_out)
        repeats = ceil(_COLUMNS / up)
        self._inputs, self._outputs = repeats * down, repeats * up
        phases = _rows(np.arange(up) / up, self.half, rate_in, rate_out)
        edges = np.linspace(0, self._outputs, max(1, self._outputs // _COLUMNS) + 1).astype(int).tolist()
        self._blocks = [
            (slice(first, end), first * down // up, self._matrix(phases, first, end, up, down))
            for first, end in pairwise(edges)
        ]
        self._reach = max(offset + len(matrix) for _, offset, matrix in self._blocks)
        self.lookahead = self._inputs + self._reach

    def _matrix(self, phases: Float64, first: int, end: int, up: int, down: int) -> Float64:
        """Taps of the outputs from ``first`` to ``end`` of a period, each shifted to its place: (inputs, outputs)."""
        taps = 2 * self.half
        offset = first * down // up
        matrix = np.zeros((taps + (end - 1) * down // up - offset, end - first))
        for column in range(end - first):
            begin, phase = divmod((first + column) * down, up)
            matrix[begin - offset : begin - offset + taps, column] = phases[phase]
        return matrix

    def apply(self, buffer: Float64, origin: int, given: int) -> Float32:
        """Whole periods that the buffer allows; ``given`` is always a whole number of periods."""
        start = given // self._outputs * self._inputs - self.half + 1 - origin
        rows = max(0, (len(buffer) - start - self._reach) // self._inputs + 1)
        result = np.empty((rows, self._outputs), dtype=np.float32)
        step = buffer.itemsize
        for columns, offset, matrix in self._blocks if rows else ():
            shape, strides = (rows, len(matrix)), (self._inputs * step, step)
            view = as_strided(buffer[start + offset :], shape, strides, writeable=False)
            for top in range(0, rows, _ROWS):  # copied piecewise: BLAS takes no rows that overlap
                result[top : top + _ROWS, columns] = view[top : top + _ROWS].copy() @ matrix
        return result.reshape(-1)


class _Interpolated:
    """Any ratio, with one table of phases and linear interpolation between its rows; slower, but of bounded size."""

    def __init__(self, rate_in: int, rate_out: int, up: int, down: int) -> None:
        self.half = _half_length(rate_in, rate_out)
        self.lookahead = self.half + ceil(down / up)
        self._up, self._down = up, down
        self._table = _rows(np.arange(_TABLE_PHASES + 1) / _TABLE_PHASES, self.half, rate_in, rate_out)

    def apply(self, buffer: Float64, origin: int, given: int) -> Float32:
        """Every output whose taps lie inside the buffer."""
        last_begin = origin + len(buffer) - 1 - self.half  # highest input index that an output may follow
        end = (last_begin * self._up + self._up - 1) // self._down + 1 if last_begin >= 0 else given
        pieces = [
            self._gather(buffer, origin, np.arange(first, min(first + _GATHER, end), dtype=np.int64))
            for first in range(given, end, _GATHER)
        ]
        return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.float32)

    def _gather(self, buffer: Float64, origin: int, outputs: npt.NDArray[np.int64]) -> Float32:
        begin, phase = np.divmod(outputs * self._down, self._up)
        windows = sliding_window_view(buffer, 2 * self.half)[begin - self.half + 1 - origin]
        row, fraction = np.divmod(phase * _TABLE_PHASES, self._up)
        share = fraction / self._up
        low = np.einsum("nk,nk->n", windows, self._table[row])
        high = np.einsum("nk,nk->n", windows, self._table[row + 1])
        outputs_at: Float32 = (low + share * (high - low)).astype(np.float32)
        return outputs_at
