"""Samples -> a small fingerprint of the fine structure of a recording.

Takes float32 mono at 16 kHz and the secret of one store; gives traces (what is asked with) and prints (what is kept).
Must hold: the same at any gain; a shift, another sampling rate or a lossy codec changes little; two takes of the same
words differ, because no voice repeats its pitch and timing to a few hertz and milliseconds; a print holds 160 bits per
second of projections that only the store's secret gives a meaning: no speech can be made of it again.

How: power spectra of 64 ms (15.6 Hz apart) between 250 and 3400 Hz, which a telephone passes too; logarithms less their
mean over the neighbouring bins, which leaves the harmonics and takes the colour of microphone and room; 16 random
projections of those; of them the print keeps the signs, ten times a second. (Signs of random projections: M. Charikar,
"Similarity estimation techniques from rounding algorithms", STOC 2002; bits of spectral differences against lossy
copies: J. Haitsma and T. Kalker, "A highly robust audio fingerprinting system", ISMIR 2002.)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edge.records import SAMPLE_RATE, Float32

FRAME: Final = 1024
"""Samples of one spectrum: 64 ms."""
STEP: Final = 320
"""Samples between the frames of a trace: 20 ms, so that some frame of it lies within 10 ms of each kept one."""
PHASES: Final = 5
"""A print keeps every fifth frame: ten a second."""
BITS: Final = 16
"""Projections per frame."""
LOUD_DB: Final = 30.0
"""Frames further than this below the loudest one count for nothing: they are background."""

_BINS: Final = (16, 218)
"""First bin and the one after the last: 250 to 3400 Hz."""
_POOL: Final = 2
"""Bins per channel, which are then 31 Hz wide."""
_NEIGHBOURS: Final = 8
"""Channels on each side whose mean is taken off."""
_SILENCE: Final = 1e-9
"""Power of a frame below which it is silence at any gain."""
_FLOOR_DB: Final = 45.0
"""Below the loudest channel of its frame everything counts as equally silent."""

Bits = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """``rows``: float32 ``(frames, 16)`` every 20 ms, each of unit length (or all zero, in digital silence). ``loud``:
    bool ``(frames,)``, false for background.
    """

    rows: Float32
    loud: npt.NDArray[np.bool_]


def trace(samples: Float32, secret: bytes) -> Trace:
    """The projections of a recording; no frames for less than 64 ms."""
    if len(samples) < FRAME or not np.all(np.isfinite(samples)):
        return Trace(np.zeros((0, BITS), np.float32), np.zeros(0, np.bool_))
    frames = np.lib.stride_tricks.sliding_window_view(np.asarray(samples, np.float32), FRAME)[::STEP]
    spectra = np.abs(np.fft.rfft(frames * _WINDOW, axis=1)[:, _BINS[0] : _BINS[1]]) ** 2
    power = spectra.reshape(len(frames), -1, _POOL).sum(axis=2)
    loudness = power.sum(axis=1)
    loud = loudness > max(float(loudness.max()) * 10 ** (-LOUD_DB / 10), _SILENCE)
    floor = power.max(axis=1, keepdims=True) * 10 ** (-_FLOOR_DB / 10)
    fine = _without_envelope(np.log(np.maximum(power, floor) + 1e-30))
    found = fine @ _projection(secret, fine.shape[1])
    length = np.linalg.norm(found, axis=1, keepdims=True)
    rows = np.where(length > 1e-9, found / np.maximum(length, 1e-9), 0).astype(np.float32)
    return Trace(rows, loud)


def kept(traced: Trace) -> Bits:
    """What a store keeps of a trace: signs int8 ``(frames // 5, 16)``, -1 or 1; nothing where all is background."""
    every = traced.rows[::PHASES] if traced.loud.any() else traced.rows[:0]
    signs: Bits = np.where(every < 0, -1, 1).astype(np.int8)
    return signs


def packed(signs: Bits) -> bytes:
    """Two bytes per frame."""
    return np.packbits(signs > 0, axis=1).tobytes()


def unpacked(blob: bytes) -> Bits:
    """The inverse of ``packed``. Raises ``ValueError`` where the length doesn't fit."""
    if not blob or len(blob) % (BITS // 8):
        raise ValueError("a fingerprint has an impossible length")
    bits = np.unpackbits(np.frombuffer(blob, np.uint8).reshape(-1, BITS // 8), axis=1)
    signs: Bits = 2 * bits.astype(np.int8) - 1
    return signs


def _without_envelope(logs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    width = 2 * _NEIGHBOURS + 1
    sums = np.cumsum(np.pad(logs, ((0, 0), (_NEIGHBOURS + 1, _NEIGHBOURS)), mode="edge"), axis=1)
    result: npt.NDArray[np.float64] = logs - (sums[:, width:] - sums[:, :-width]) / width
    return result


def _projection(secret: bytes, channels: int) -> npt.NDArray[np.float64]:
    """Orthonormal ``(channels, 16)``, drawn by the secret: prints of two stores cannot be compared."""
    seed = int.from_bytes(hashlib.sha256(b"earmark repeats" + secret).digest()[:16])
    drawn = np.random.default_rng(seed).normal(size=(channels, BITS))
    basis, _ = np.linalg.qr(drawn)
    result: npt.NDArray[np.float64] = basis
    return result


_WINDOW: Final = np.hanning(FRAME + 1)[:-1].astype(np.float32)
SECONDS_PER_PRINT: Final = STEP * PHASES / SAMPLE_RATE
"""Time between two kept frames."""
