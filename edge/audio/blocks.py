"""From whatever a device or file delivers to the blocks that the rest of Earmark sees.

Takes: float32 frames ``(n, channels)`` at any rate, and notices of frames that were lost. Gives: ``AudioBlock``s,
mono, at 16 kHz, on one clock. Must hold: samples and clock do not depend on how the frames were cut; NaN and infinity
never get through; lost frames move the clock by exactly their duration, full-scale samples are counted.
"""

from __future__ import annotations

from math import ceil
from typing import Final

import numpy as np

from edge.audio.downmix import Downmix
from edge.audio.resample import Resampler
from edge.records import SAMPLE_RATE, AudioBlock, Float32

_LARGEST: Final = 1e6
"""120 dB above full scale: no sound, and sums over it would no longer be numbers."""


class BlockMaker:
    """Turns frames of one stream into blocks. Every source has one.

    ``full_scale`` is the magnitude from which on a sample counts as clipped. ``clipped`` of a block is given in samples
    of 16 kHz, so that it can be divided by the length of the block. ``repaired`` counts the samples (of all channels)
    that were no numbers (NaN, infinite or absurdly large) and became zero. Raises ``ValueError`` for a rate that cannot
    be converted, and for too many channels.
    """

    def __init__(self, rate: int, channels: int, full_scale: float = 0.9999) -> None:
        self._rate = rate
        self._downmix = Downmix(channels, rate)
        self._resampler = Resampler(rate)
        self._full_scale = full_scale
        self.repaired = 0
        self._clipped = 0.0  # in samples of 16 kHz, not yet told with a block
        self._frames = 0  # on the device's clock, lost ones included
        self._next = 0  # start of the next block
        self._dropped = 0  # samples of 16 kHz lost since the last block

    @property
    def position(self) -> int:
        """Where the next block will start, in samples of 16 kHz."""
        return self._next

    def push(self, frames: Float32) -> AudioBlock | None:
        """Take frames ``(n, channels)``; give a block, or None while the filters still hold everything back."""
        self._frames += len(frames)
        finite = np.abs(frames) <= _LARGEST  # false for NaN, too
        if not finite.all():
            self.repaired += int(finite.size - np.count_nonzero(finite))
            frames = np.where(finite, frames, np.float32(0))
        clipped = np.count_nonzero((np.abs(frames) >= self._full_scale).any(axis=1))
        self._clipped += float(clipped) * SAMPLE_RATE / self._rate
        return self._block(self._resampler.push(self._downmix.push(frames)))

    def lost(self, frames: int) -> AudioBlock | None:
        """Note that the device lost ``frames`` frames here; gives what had been held back before the gap."""
        block = self.finish()
        self._frames += frames
        after = max(self._next, round(self._frames * SAMPLE_RATE / self._rate))
        self._dropped += after - self._next
        self._next = after
        return block

    def finish(self) -> AudioBlock | None:
        """Give what the filters still hold; more may follow, as after a gap."""
        rest = self._resampler.push(self._downmix.finish())
        return self._block(np.concatenate((rest, self._resampler.finish())))

    def _block(self, samples: Float32) -> AudioBlock | None:
        if not len(samples):
            return None
        clipped = min(len(samples), ceil(self._clipped))
        block = AudioBlock(samples, start=self._next, dropped=self._dropped, clipped=clipped)
        self._next += len(samples)
        self._dropped = 0
        self._clipped = max(0.0, self._clipped - clipped)
        return block
