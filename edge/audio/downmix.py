"""Many channels to one, the way a listener would expect.

Takes: float32 frames ``(n, channels)`` in pieces of any size. Gives: float32 ``(m,)``. Must hold: the mean of the
channels; but a dead channel does not halve the level, and channels in antiphase do not cancel (the loudest one is
taken); the output does not depend on how the input was cut.

The weights of each 50 ms come from the channels' covariance, remembered over about five seconds and including those
50 ms themselves; so the output is late by at most 50 ms, and a single channel passes untouched and at once.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from edge.records import Float32

MOST_CHANNELS: Final = 256
"""The memory that mixing takes grows with their square, and a header may say 65,535."""
_SEGMENT_SECONDS: Final = 0.05
_MEMORY: Final = 0.99
"""Share of the covariance kept from one segment to the next: a time constant of five seconds."""
_DEAD: Final = 1e-6
"""A channel 60 dB below the loudest is dead: a plug half in, or the unused side of a stereo input."""
_SILENT: Final = 1e-14
"""Power (full scale = 1) below which nothing can be said about any channel."""
_CANCELLED: Final = 0.4
"""The mean keeps 1/n of the channels' average power when they are unrelated; below this share of that, they cancel."""
_ABOUT_AS_LOUD: Final = 0.25
"""Within 6 dB."""

Float64 = npt.NDArray[np.float64]


class Downmix:
    """Mixes one stream of ``channels`` channels at ``rate`` hertz down to mono. Raises ``ValueError`` for too many."""

    def __init__(self, channels: int, rate: int) -> None:
        if channels > MOST_CHANNELS:
            raise ValueError(f"{channels} channels are more than {MOST_CHANNELS}")
        self._channels = channels
        self._segment = max(2, round(rate * _SEGMENT_SECONDS))
        self._held: Float32 = np.zeros((0, channels), dtype=np.float32)
        self._covariance: Float64 = np.zeros((channels, channels))
        self._weights: Float64 = np.full(channels, 1 / channels)

    def push(self, frames: Float32) -> Float32:
        """Take frames ``(n, channels)``; give mono ``(m,)``: the segments that are complete by now."""
        if self._channels == 1:
            return frames[:, 0]
        held = np.concatenate((self._held, frames))
        count = len(held) // self._segment
        self._held = held[count * self._segment :]
        return self._mix(held[: count * self._segment].reshape(count, self._segment, self._channels))

    def finish(self) -> Float32:
        """Give what is left and start afresh."""
        rest = self._held
        mixed = self._mix(rest[None]) if len(rest) else np.zeros(0, dtype=np.float32)
        self._held = self._held[:0]
        self._covariance = np.zeros_like(self._covariance)
        self._weights = np.full(self._channels, 1 / self._channels)
        return mixed

    def _mix(self, segments: Float32) -> Float32:
        moving = segments - segments.mean(axis=1, keepdims=True)  # a constant offset is no sound
        weights = np.empty((len(segments), self._channels), dtype=np.float32)
        for index, segment in enumerate(moving):
            exact = segment.astype(np.float64)
            self._covariance = _MEMORY * self._covariance + exact.T @ exact / self._segment
            weights[index] = self._weights = mixing_weights(self._covariance, prefer=int(self._weights.argmax()))
        mixed: Float32 = np.einsum("snc,sc->sn", segments, weights).reshape(-1)
        return mixed


def mixing_weights(covariance: Float64, prefer: int = 0) -> Float64:
    """Weight per channel ``(channels,)`` for a covariance ``(channels, channels)`` of the channels.

    Dead channels keep the weight of the living ones: they add nothing now, and when they come alive their first word is
    not lost. Where channels cancel, ``prefer`` is taken as long as it is about as loud as the loudest: changing between
    two that are equal but for their sign would turn the sound over each time.
    """
    channels = len(covariance)
    power = np.diag(covariance)
    loudest = int(power.argmax())
    if power[loudest] < _SILENT:
        return np.full(channels, 1 / channels)
    living = power > _DEAD * power[loudest]
    count = int(living.sum())
    kept = covariance[np.ix_(living, living)].sum() / count**2
    if count > 1 and kept < _CANCELLED / count * power[living].mean():
        chosen = prefer if power[prefer] >= _ABOUT_AS_LOUD * power[loudest] else loudest
        return np.where(np.arange(channels) == chosen, 1.0, 0.0)
    return np.full(channels, 1 / count)
