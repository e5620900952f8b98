"""What came from a microphone or a recording, besides utterances: how much, and why nothing could be used.

Takes blocks; gives seconds and, where there was no utterance, the reason. Must hold: "nothing was heard" always comes
with why.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from edge.records import SAMPLE_RATE, AudioBlock, QualityReason
from edge.settings import Settings

_CLIPPED_SHARE: Final = 0.1
_STEADY_DB: Final = 6.0
"""A source whose loud and quiet moments differ by less than this holds no speech that stands out."""


@dataclass(slots=True)
class Hearing:
    """What came from one source. ``levels_dbfs``: of each block."""

    samples: int = 0
    clipped: int = 0
    levels_dbfs: list[float] = field(default_factory=list)
    utterances: int = 0

    @property
    def seconds(self) -> float:
        """Audio that came."""
        return self.samples / SAMPLE_RATE

    def take(self, block: AudioBlock) -> None:
        """Note a block."""
        self.samples += len(block.samples)
        self.clipped += block.clipped
        if len(block.samples):
            power = float(np.mean(np.square(block.samples, dtype=np.float64)))
            self.levels_dbfs.append(10 * math.log10(power) if power > 1e-12 else -120.0)

    def why_nothing(self, settings: Settings) -> QualityReason:
        """Why no utterance was found."""
        loudest = max(self.levels_dbfs, default=-120.0)
        if loudest < settings.segment.floor_dbfs:
            return "silent"
        if self.clipped > _CLIPPED_SHARE * max(1, self.samples):
            return "clipped"
        if self.seconds < settings.decide.min_speech_seconds:
            return "too_short"
        quietest = float(np.percentile(self.levels_dbfs, 10))
        if loudest - quietest < _STEADY_DB and loudest > settings.segment.floor_dbfs + _STEADY_DB:
            return "too_noisy"
        return "not_speech"
