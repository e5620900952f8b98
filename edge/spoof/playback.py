"""Signs of a loudspeaker in a recording: a score that is reported and decides nothing.

Takes samples of an utterance; gives ``PlaybackReport``. Must hold: numpy only, a few milliseconds; nobody refuses a
voice for it alone, because good loudspeakers leave none of these signs and cheap microphones leave some.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.records import Float32


@dataclass(frozen=True, slots=True)
class PlaybackReport:
    """``score``: 0 (no sign) to 1. ``suspect``: whether it is high enough for the flag ``playback_suspect``. ``parts``:
    the measurements behind it by name; empty where there was too little speech to measure.
    """

    score: float
    suspect: bool = False
    parts: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        parts = {name: round(value, 2) for name, value in self.parts.items()}
        return {"score": round(self.score, 3), "suspect": self.suspect, "parts": parts}


def playback_suspect(samples: Float32) -> PlaybackReport:
    """How much ``samples`` (float32 ``(n,)``, 16 kHz) sound like a loudspeaker."""
    return PlaybackReport(0.0)
