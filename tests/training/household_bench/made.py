"""A small corpus of made-up voices, and what a device might have heard, for the tests of the household bench."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from edge.records import Embedding, Float32, Utterance
from tests.edge.synthetic import at_level, speech_like
from training.corpus import COLUMNS, Recording
from training.household_bench.hearing import Heard

NONE = np.zeros(0, np.float32)


def reading(person: str, number: int, seconds: float = 9.0) -> Recording:
    path = f"dev/{person}/{person}-{10 + number // 12}-{number:04d}.wav"
    return Recording(path, "dev", "librispeech", person, "f", "", "en", seconds, "", "")


def acting(person: str, number: int, of: str = "acted") -> Recording:
    return Recording(f"dev/{person}/{number}.wav", "dev", of, person, "m", "sad", "en", 3.5, "", "")


def noise(number: int) -> Recording:
    return Recording(f"noise/{number}.wav", "noise", "noise", "", "", "", "", 5.0, "", "")


PEOPLE = ("ls1", "ls2", "ls3", "ls4")
ROWS = [
    *(reading(person, n) for person in PEOPLE for n in range(16)),
    *(acting(person, n) for person in ("a1", "a2", "a3") for n in range(9)),
    *(acting(person, n, "played") for person in ("b1", "b2") for n in range(9)),
    *(noise(n) for n in range(4)),
    replace(reading("ls9", 1), split="train"),
]


def corpus(folder: Path) -> Path:
    """Three people of ten short recordings, two actors, a noise; real files."""
    rng = np.random.default_rng(5)
    voices: dict[str, Float32] = {}
    rows = [reading(f"ls{place}", n, 5.6) for place in range(3) for n in range(9)]
    rows += [acting(f"a{place}", n) for place in range(2) for n in range(3)]
    for row in rows:
        (folder / row.path).parent.mkdir(parents=True, exist_ok=True)
        if row.speaker not in voices:
            voices[row.speaker] = at_level(speech_like(5.6, seed=sum(map(ord, row.speaker))), -22)
        voice = voices[row.speaker][: round(row.seconds * 16_000)]
        samples = voice + 5e-4 * rng.standard_normal(len(voice))
        soundfile.write(folder / row.path, samples, 16_000)
    rows.append(noise(0))
    (folder / "noise").mkdir()
    soundfile.write(folder / noise(0).path, 0.05 * rng.standard_normal(80_000), 16_000)
    lines = ["\t".join(COLUMNS), *("\t".join(str(getattr(row, name)) for name in COLUMNS) for row in rows)]
    (folder / "manifest.tsv").write_text("\n".join(lines) + "\n")
    return folder


def heard(vector: Float32, start_seconds: float, seconds: float = 3.0) -> Heard:
    """An utterance with this embedding."""
    start, end = round(16_000 * start_seconds), round(16_000 * (start_seconds + seconds))
    utterance = Utterance(NONE, start, end, seconds, 25.0, -20.0, -6.0, 0.0, "silence")
    return Heard(utterance, Embedding(vector, vector[None], seconds, "made", None))
