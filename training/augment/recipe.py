"""What an augmenter does how often and how strongly: one frozen set of probabilities and ranges.

Takes and gives plain values (JSON). Must hold: a recipe that exists makes sense; nonsense is refused in one sentence
that names the field. docs/augmentation.md says why each range is what it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from edge.errors import UsageError

Range = tuple[float, float]

_LIMITS: Final[Mapping[str, Range]] = {
    "speed_ratio": (0.5, 2.0),
    "pitch_semitones": (-12.0, 12.0),
    "formant_ratio": (0.6, 1.6),
    "tempo_ratio": (0.5, 2.0),
    "prosody_semitones": (0.0, 6.0),
    "prosody_loudness_db": (0.0, 12.0),
    "rt60_seconds": (0.08, 2.0),
    "distance_metres": (0.1, 10.0),
    "noise_snr_db": (-20.0, 60.0),
    "babble_snr_db": (-20.0, 60.0),
    "coloured_snr_db": (-20.0, 60.0),
    "coloured_slope": (-2.0, 3.0),
    "microphone_db": (0.0, 24.0),
    "hum_dbfs": (-96.0, -20.0),
    "dc_offset": (0.0, 0.5),
    "clipped_share": (0.0, 0.5),
    "gain_db": (-60.0, 40.0),
}
"""What the values of a range may be, lowest and highest."""

_COUNTS: Final[Mapping[str, tuple[int, int]]] = {
    "rooms": (1, 10_000),
    "room_seed": (0, 2**63),
    "babble_voices_least": (2, 50),
    "babble_voices_most": (2, 50),
    "time_masks": (0, 20),
    "time_mask_frames": (0, 1000),
    "band_masks": (0, 20),
    "band_mask_bands": (0, 1000),
}


@dataclass(frozen=True, slots=True)
class AugmentRecipe:
    """Probabilities (0 to 1) and ranges (lowest, highest).

    ``voice_kept`` and ``place_kept`` are the shares that ``voice`` and ``degrade`` give back unchanged; the other
    probabilities apply to the rest, each drawn for itself, so that several changes may meet in one clip.
    """

    voice_kept: float = 0.15
    speed: float = 0.35
    speed_ratio: Range = (0.85, 1.18)
    pitch: float = 0.5
    pitch_semitones: Range = (-5.0, 5.0)
    formant: float = 0.5
    formant_ratio: Range = (0.87, 1.15)
    tempo: float = 0.4
    tempo_ratio: Range = (0.8, 1.25)
    prosody: float = 0.25
    prosody_semitones: Range = (0.5, 2.0)
    prosody_loudness_db: Range = (0.0, 4.0)

    place_kept: float = 0.15
    room: float = 0.5
    measured_room: float = 0.1
    rooms: int = 64
    room_seed: int = 1
    rt60_seconds: Range = (0.15, 0.9)
    distance_metres: Range = (0.3, 5.0)
    noise: float = 0.4
    noise_snr_db: Range = (0.0, 25.0)
    noise_in_part: float = 0.3
    babble: float = 0.2
    babble_snr_db: Range = (3.0, 25.0)
    babble_voices_least: int = 3
    babble_voices_most: int = 8
    coloured: float = 0.25
    coloured_snr_db: Range = (5.0, 35.0)
    coloured_slope: Range = (-0.5, 2.5)
    microphone: float = 0.4
    microphone_db: Range = (2.0, 9.0)
    hum: float = 0.05
    hum_dbfs: Range = (-65.0, -40.0)
    dc: float = 0.05
    dc_offset: Range = (0.001, 0.02)
    clipping: float = 0.07
    clipped_share: Range = (0.001, 0.03)
    gain: float = 0.6
    gain_db: Range = (-30.0, 12.0)
    band_limit: float = 0.15
    codec: float = 0.2

    time_masks: int = 2
    time_mask_frames: int = 30
    band_masks: int = 2
    band_mask_bands: int = 10

    def __post_init__(self) -> None:
        """Refuse nonsense. Raises ``UsageError``."""
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in _LIMITS:
                object.__setattr__(self, field.name, _range(field.name, value))
            elif field.name in _COUNTS:
                low, high = _COUNTS[field.name]
                if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                    raise _refusal(field.name, value, f"a whole number from {low} to {high}")
            elif not _number(value) or not 0.0 <= value <= 1.0:
                raise _refusal(field.name, value, "a probability from 0 to 1")
        if self.babble_voices_most < self.babble_voices_least:
            raise _refusal("babble_voices_most", self.babble_voices_most, "at least babble_voices_least")

    def to_json(self) -> dict[str, Any]:
        """Plain values; ranges as lists of two."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> AugmentRecipe:
        """Make a recipe of plain values; what is not named keeps its default. Raises ``UsageError``."""
        known = {field.name for field in fields(cls)}
        for name in values:
            if name not in known:
                raise UsageError(f"An augmentation recipe has no value {name}", f"It knows {', '.join(sorted(known))}.")
        return cls(**values)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _range(name: str, value: Any) -> Range:
    low, high = _LIMITS[name]
    wanted = f"two numbers from {low:g} to {high:g}, the lower first"
    if not isinstance(value, list | tuple) or len(value) != 2 or not all(_number(end) for end in value):
        raise _refusal(name, value, wanted)
    first, last = float(value[0]), float(value[1])
    if not low <= first <= last <= high:
        raise _refusal(name, value, wanted)
    return first, last


def _refusal(name: str, value: object, wanted: str) -> UsageError:
    return UsageError(f"{name} of the augmentation recipe is {value!r}", f"It must be {wanted}.")
