"""Lets a person of the training speech speak otherwise than they did when they enrolled: raised, hurried, pressed.

Takes clean float32 mono 16 kHz samples and a ``Mood``, gives samples. Must hold: the same mood gives the same samples;
nothing is learnt from acted speech.

No training set holds one person in several moods, and scores that were calibrated on calm speech alone are far too sure
of themselves when somebody is not calm. What changes then is mostly the larynx and the effort, hardly the vocal tract:
fundamental frequency up by some semitones and livelier, tempo by a sixth, more or less energy in the upper octaves,
formants by a few percent (K. R. Scherer, "Vocal communication of emotion: a review of research paradigms", Speech
Communication 40, 2003). A computed mood is not a real one; it stands for speech that calibration never met.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from edge.records import Float32

_OCTAVES: Final = np.linspace(-4.3, 3.0, 8)
"""From 50 Hz to 8 kHz, against 1 kHz: where ``training.augment.channel.colour`` wants its points."""


@dataclass(frozen=True, slots=True)
class Mood:
    """Ratios of pitch, formants and tempo; RMS of the melody laid over, in semitones, and of its loudness in dB.

    ``tilt_db``: decibels per octave that the upper octaves gain. ``seed``: of the melody.
    """

    pitch: float
    formant: float
    tempo: float
    melody_semitones: float
    loudness_db: float
    tilt_db: float
    seed: int

    def apply(self, samples: Float32) -> Float32:
        """Change the voice, float32 ``(about n / tempo,)``, within full scale."""
        from training.augment.channel import colour
        from training.augment.levels import under_full_scale
        from training.augment.voices import Prosody, change

        melody = Prosody.drawn(self.melody_semitones, self.loudness_db, np.random.default_rng(self.seed))
        moved = change(samples, pitch=self.pitch, formant=self.formant, tempo=self.tempo, prosody=melody)
        return under_full_scale(colour(moved, self.tilt_db * _OCTAVES).astype(np.float32))


def draw(rng: np.random.Generator) -> Mood:
    """Draw a mood; how far it is from calm is drawn first, evenly from not at all to extreme."""
    strength = 1.5 * float(rng.uniform())
    semitones = strength * float(rng.normal(1.5, 3.0))
    return Mood(
        pitch=round(float(np.clip(2.0 ** (semitones / 12), 0.6, 1.8)), 3),
        formant=round(float(np.clip(np.exp(strength * rng.normal(0.0, 0.04)), 0.85, 1.18)), 3),
        tempo=round(float(np.clip(np.exp(strength * rng.normal(0.0, 0.15)), 0.65, 1.55)), 3),
        melody_semitones=round(strength * float(rng.uniform(0.0, 2.0)) + 0.01, 2),
        loudness_db=round(strength * float(rng.uniform(0.0, 2.7)), 2),
        tilt_db=round(strength * float(rng.normal(0.0, 3.0)), 2),
        seed=int(rng.integers(2**31)),
    )
