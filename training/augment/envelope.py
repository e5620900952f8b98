"""Moves the formants of a voice and leaves its pitch: stretches the spectral envelope of every frame.

Takes float32 mono 16 kHz samples, gives as many. Must hold: harmonics stay where they are, only their strengths change.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft

from edge.records import Float32

_FRAME: Final = 512
_HOP: Final = 128
"""32 ms every 8 ms."""
_BINS: Final = _FRAME // 2 + 1
_QUEFRENCIES: Final = (32, 112)
"""Fewest and most cepstral coefficients of an envelope, in samples: 2 to 7 ms."""
_PERIODS: Final = (32, 200)
"""Where a voice's period is looked for, in samples: 500 to 80 Hz."""
_PERIOD_SHARE: Final = 0.9
"""An envelope keeps the cepstrum up to this share of the period; beyond it lie the harmonics."""
_FLOOR: Final = 1e-11
"""Added to a bin's power before the logarithm: some 130 dB below a loud voice."""
_MOST_DB: Final = 30.0
"""Largest change of a bin: an envelope's deep valley must not become a peak of amplified noise."""


@lru_cache(maxsize=16)
def _basis(count: int) -> tuple[Float32, Float32]:
    """Cosines that take a log spectrum ``(frames, bins)`` to ``count`` coefficients and back to a smooth one."""
    bins = np.arange(_BINS)
    cosines = np.cos(np.pi * np.outer(bins, np.arange(count)) / (_BINS - 1))
    weights = np.full(_BINS, 2.0)
    weights[[0, -1]] = 1.0
    forward = cosines * weights[:, None] / (2 * (_BINS - 1))
    fade = np.ones(count)
    half = count // 2
    fade[half:] = 0.5 + 0.5 * np.cos(np.pi * np.arange(count - half) / (count - half))
    back = (cosines * np.where(np.arange(count) == 0, 1.0, 2.0) * fade).T
    return forward.astype(np.float32), back.astype(np.float32)


_WINDOW: Final[Float32] = np.hanning(_FRAME + 1)[:_FRAME].astype(np.float32)


def warp_envelope(samples: Float32, ratios: npt.NDArray[np.float64], band: npt.NDArray[np.float64]) -> Float32:
    """Give each frequency ``f`` the envelope that now is at ``f * ratio``.

    ``ratios``: one, or one per moment at even distances over the signal; above 1 moves formants down. ``band``: as
    many; the share of the spectrum that carries sound. Above it the excitation is mirrored from below, so that a
    lowered voice isn't muffled.
    """
    pad = _FRAME
    frames_count = (len(samples) + 2 * pad - _FRAME) // _HOP + 1
    padded = np.zeros(frames_count * _HOP + _FRAME, np.float32)
    padded[pad : pad + len(samples)] = samples[: len(padded) - pad]
    frames = sliding_window_view(padded, _FRAME)[::_HOP]
    spectra = fft.rfft(frames * _WINDOW, axis=1)
    power = spectra.real**2 + spectra.imag**2
    logarithms = np.log(power + np.float32(_FLOOR)) * np.float32(0.5)
    moment = np.clip((np.arange(len(frames)) * _HOP + _FRAME / 2 - pad) / max(1, len(samples)), 0, 1)
    ratio, share = (np.interp(moment, np.linspace(0, 1, len(v)), v) for v in (ratios, band))
    if share.min() < 0.995:
        _mirror(spectra, logarithms, share)
    count = _quefrencies(power)
    forward, back = _basis(count)
    cepstra = logarithms @ forward
    if len(ratios) == 1:
        change = cepstra @ (_stretched_basis(count, float(ratios[0])) - back)
    else:
        envelope = cepstra @ back
        change = _read_between(envelope, ratio) - envelope
    most = np.float32(_MOST_DB / 20 * np.log(10))
    spectra *= np.exp(np.clip(change, -most, most))
    pieces = fft.irfft(spectra, axis=1) * _WINDOW
    return _overlap_add(pieces)[pad : pad + len(samples)]


def _stretched_basis(count: int, ratio: float) -> Float32:
    """Cosines that give the envelope of ``count`` coefficients at ``ratio`` times each bin."""
    _, back = _basis(count)
    place = np.minimum(np.arange(_BINS) * ratio, _BINS - 1)
    low = np.minimum(place.astype(np.int64), _BINS - 2)
    part = (place - low).astype(np.float32)
    stretched: Float32 = back[:, low] * (1 - part) + back[:, low + 1] * part
    return stretched


def _read_between(envelope: Float32, ratio: npt.NDArray[np.float64]) -> Float32:
    """The envelope of each frame at its own ``ratio`` times each bin."""
    place = np.minimum(np.arange(_BINS, dtype=np.float32) * ratio[:, None].astype(np.float32), _BINS - 1.001)
    low = place.astype(np.int32)
    part = place - low
    low += np.arange(len(envelope), dtype=np.int32)[:, None] * _BINS
    flat = envelope.ravel()
    below = flat[low]
    read: Float32 = below + part * (flat[low + 1] - below)
    return read


def _quefrencies(power: Float32) -> int:
    """How many coefficients describe the envelope without the harmonics: from the mean autocorrelation's peak."""
    autocorrelation = np.fft.irfft(np.mean(power, axis=0))
    first, last = _PERIODS
    period = first + int(np.argmax(autocorrelation[first:last]))
    fewest, most = _QUEFRENCIES
    return min(most, max(fewest, int(period * _PERIOD_SHARE) // 8 * 8))


def _mirror(spectra: npt.NDArray[np.complex64], logarithms: Float32, share: npt.NDArray[np.float64]) -> None:
    """Fill the empty top of each spectrum with what lies as far below the edge; in place."""
    edge = np.maximum(np.floor(share * (_BINS - 1) * 0.97), _BINS // 2).astype(np.int64)[:, None]
    lowest = int(edge.min())
    bins = np.arange(lowest, _BINS)
    source = np.where(bins > edge, 2 * edge - bins, bins)
    rows = np.arange(len(spectra))[:, None]
    spectra[:, lowest:] = np.where(bins > edge, np.conj(spectra[rows, source]), spectra[:, lowest:])
    logarithms[:, lowest:] = logarithms[rows, source]


def _overlap_add(pieces: Float32) -> Float32:
    """Sum pieces ``(frames, _FRAME)`` at distances of ``_HOP``; the squared Hann windows of four add up to 1.5."""
    parts = _FRAME // _HOP
    total = np.zeros((len(pieces) + parts - 1, _HOP), np.float32)
    for part in range(parts):
        total[part : part + len(pieces)] += pieces[:, part * _HOP : (part + 1) * _HOP]
    return total.reshape(-1) * np.float32(1 / 1.5)
