"""Words that are tones, by people who differ in pitch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from edge.records import SAMPLE_RATE, Float32

WORDS = ("low", "mid", "high", "top")
HERTZ = (300.0, 700.0, 1400.0, 2600.0)


def tone(word: int, person: int, seconds: float = 0.3) -> Float32:
    """A tone between two short silences."""
    times = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    sound = 0.3 * np.sin(2 * np.pi * HERTZ[word] * (1 + 0.04 * person) * times) * np.hanning(len(times))
    return np.concatenate((np.zeros(3200), sound, np.zeros(3200))).astype(np.float32)


def write_speech(folder: Path, people: int = 3, takes: int = 2) -> None:
    """``WORD_PERSON_NUMBER.wav`` and, of each person, one recording of something else."""
    folder.mkdir(parents=True, exist_ok=True)
    for person in range(people):
        for word, name in enumerate(WORDS):
            for number in range(takes):
                soundfile.write(folder / f"{name}_p{person}_{number}.wav", tone(word, person), SAMPLE_RATE)
        noise = np.random.default_rng(person).normal(0, 0.1, SAMPLE_RATE * 2).astype(np.float32)
        soundfile.write(folder / f"other_p{person}_0.wav", noise, SAMPLE_RATE)
