"""The samples of a plan: streams of takes, and single utterances with something before and after them.

Takes the speech and a seed. Gives ``Sound``: float32 mono 16 kHz, and who speaks when. Must hold: the same seed gives
the same samples; what lies between recordings is noise like the quietest moment beside it, since digital silence is
heard nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from edge.records import SAMPLE_RATE, Float32
from training.augment.backgrounds import household
from training.augment.levels import rms, under_full_scale
from training.augment.materials import Materials
from training.augment.seeding import generator
from training.household_bench.plan import Attempt, Stream
from training.household_bench.television import broadcast
from training.listening import noise_like, quietest
from training.trials import Audio

LEAD_SECONDS: Final = 2.0
"""Before the first word: the device knows the background of a room in which it stands."""
TAIL_SECONDS: Final = 1.5
_TRIES: Final = 6
_LEAST_PART: Final = 0.3
"""A noise is taken where its level beneath the utterance is at least so much of that of the whole piece."""


@dataclass(frozen=True, slots=True)
class Span:
    """Samples ``start`` to ``end`` belong to ``who``: what he says and the silence before it."""

    who: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """``samples``: float32 ``(n,)``; ``spans`` cover all of them, in order."""

    samples: Float32
    spans: tuple[Span, ...]

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.samples) / SAMPLE_RATE


def stream_sound(stream: Stream, audio: Audio, materials: Materials, seed: int) -> Sound:
    """What a stream sounds like. ``materials``: what other voices on television are made of."""
    rng = generator(seed, f"sound {stream.name}")
    parts: list[Float32] = []
    spans: list[Span] = []
    at = 0
    for number, take in enumerate(stream.takes):
        said = audio.clip(take.clip)
        pause = LEAD_SECONDS if number == 0 else take.pause_seconds
        # The parts share one clock: each piece ends where the next one begins.
        piece = [_silence(said, pause, rng), said] if pause else [said]
        if number == len(stream.takes) - 1:
            piece.append(_silence(said, TAIL_SECONDS, rng))
        length = sum(map(len, piece))
        parts += piece
        spans.append(Span(take.who, at, at + length))
        at += length
    samples = np.concatenate(parts)
    if stream.scene in ("television", "film"):
        samples = broadcast(samples, materials.speech, rng)
    return Sound(samples, tuple(spans))


def attempt_sound(attempt: Attempt, audio: Audio, materials: Materials, seed: int) -> Sound:
    """One utterance between stretches of its own background; a noise goes on throughout.

    ``snr_db`` is the ratio of the powers of utterance and added noise over the utterance, as in ``training/trials.py``;
    the same noise is drawn for one utterance at every ratio.
    """
    said = audio.clip(attempt.clip)
    quiet = generator(seed, f"quiet {attempt.clip.path}")
    whole = np.concatenate([_silence(said, LEAD_SECONDS, quiet), said, _silence(said, TAIL_SECONDS, quiet)])
    if attempt.snr_db is not None and len(materials.noises):
        rng = generator(seed, f"noise {attempt.clip.path} {attempt.seconds}")
        start = round(LEAD_SECONDS * SAMPLE_RATE)
        noise, beneath = whole, 0.0
        for _ in range(_TRIES):
            noise, _ = household(materials.noises, len(whole), rng)
            beneath = rms(noise[start : start + len(said)])
            if beneath >= _LEAST_PART * rms(noise) > 0:
                break
        if beneath > 0:
            whole = whole + noise * np.float32(rms(said) / beneath * 10 ** (-attempt.snr_db / 20))
        whole = under_full_scale(whole)
    return Sound(whole, (Span(attempt.person, 0, len(whole)),))


def _silence(beside: Float32, seconds: float, rng: np.random.Generator) -> Float32:
    return noise_like(quietest(beside), seconds, int(rng.integers(1 << 31)))
