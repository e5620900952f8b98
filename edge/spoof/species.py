"""The kinds of attack that ``earmark spooftest`` tries, and how each one's sound is made.

Takes a recording of the person (or of somebody else); gives what the microphone would hear. Must hold: each kind says
in words what it is; the same generator gives the same sound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from edge.audio import resample
from edge.records import SAMPLE_RATE, Float32
from edge.spoof import simulate

Sound = Callable[[Float32, np.random.Generator], Float32]
Whose = Literal["own", "other", "synthetic"]


@dataclass(frozen=True, slots=True)
class Species:
    """``name``: for programs. ``words``: for people. ``whose``: the recording that it is made of. ``make``: samples
    float32 ``(n,)`` at 16 kHz and a generator -> samples. ``live``: no attack but the person, for comparison.
    """

    name: str
    words: str
    whose: Whose
    make: Sound
    live: bool = False


def _as_it_is(samples: Float32, _rng: np.random.Generator) -> Float32:
    return samples


def _copy(samples: Float32, rng: np.random.Generator) -> Float32:
    """Shifted, at another level, by way of 44.1 kHz and eight bits."""
    begin = int(rng.integers(1, 1600))
    over = resample(resample(samples[begin:], SAMPLE_RATE, 44_100), 44_100, SAMPLE_RATE)
    scaled = np.clip(over / (float(np.max(np.abs(over), initial=0.0)) + 1e-9), -1, 1)
    coded = np.round(np.sign(scaled) * np.log1p(255 * np.abs(scaled)) / np.log(256) * 127) / 127
    decoded = np.sign(coded) * (256 ** np.abs(coded) - 1) / 255
    return simulate.at_level_of(np.asarray(decoded, np.float32), samples) * np.float32(rng.uniform(0.3, 1.0))


def _small_loudspeaker(samples: Float32, rng: np.random.Generator) -> Float32:
    played = simulate.loudspeaker(samples, rng, small=True)
    return _heard(played, rng, (0.1, 0.5))


def _large_loudspeaker(samples: Float32, rng: np.random.Generator) -> Float32:
    played = simulate.loudspeaker(samples, rng, small=False)
    return _heard(played, rng, (0.3, 1.5))


def _telephone(samples: Float32, rng: np.random.Generator) -> Float32:
    played = simulate.loudspeaker(simulate.telephone(samples), rng, small=True)
    return _heard(played, rng, (0.1, 0.5))


def _heard(samples: Float32, rng: np.random.Generator, metres: tuple[float, float]) -> Float32:
    there = simulate.room(
        samples, rng, rt60_seconds=float(rng.uniform(0.2, 0.5)), distance_metres=float(rng.uniform(*metres))
    )
    return simulate.noise(there, rng, snr_db=float(rng.uniform(25, 40)))


def _pitched(samples: Float32, rng: np.random.Generator) -> Float32:
    return simulate.pitch(samples, float(rng.choice([-4.0, -2.0, 2.0, 4.0])))


ALL: Final = (
    Species("live", "the person, other recordings (no attack)", "own", _as_it_is, live=True),
    Species("stranger", "somebody else, as they speak", "other", _as_it_is),
    Species("stranger_pitched", "somebody else, pitch moved by 2 or 4 semitones", "other", _pitched),
    Species("same", "the very same recording", "own", _as_it_is),
    Species("copy", "a copy: shifted, softer, by 44.1 kHz and 8 bits", "own", _copy),
    Species("loudspeaker_small", "by a phone's loudspeaker in a room (simulated)", "own", _small_loudspeaker),
    Species("loudspeaker_large", "by a good loudspeaker in a room (simulated)", "own", _large_loudspeaker),
    Species("telephone", "by telephone and a loudspeaker (simulated)", "own", _telephone),
    Species("pitched", "pitch moved by 2 or 4 semitones", "own", _pitched),
    Species("synthetic", "synthetic voices, of nobody in particular", "synthetic", _as_it_is),
)
BY_NAME: Final = {species.name: species for species in ALL}
