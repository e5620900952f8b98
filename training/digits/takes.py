"""Recordings of words and of strings of words, and who says them.

Takes a folder of recordings and a word list. Gives ``Take`` rows and reads their samples without the silence around
them. Must hold: everybody who is recorded under one name is one speaker; a recording of none of the words is a filler,
which teaches what is not a digit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from edge.audio import audio_files, read_samples
from edge.errors import UsageError
from edge.records import SAMPLE_RATE, Float32
from training.augment import generator
from training.corpus import MANIFEST, read_manifest
from training.digits.words import WordList

_FRAME: Final = SAMPLE_RATE // 100
_QUIET_DB: Final = 35.0
"""Below its loudest 10 ms by so much, the beginning and end of a recording count as silence."""
_KEPT_SECONDS: Final = 0.03


@dataclass(frozen=True, slots=True)
class Take:
    """``digits``: what is said, empty for a filler. ``sex``: ``f``, ``m`` or "". ``source``: corpus or synthesiser."""

    path: Path
    digits: tuple[int, ...]
    speaker: str
    sex: str
    source: str


def find_takes(folder: Path, words: WordList, language: str, fillers: int, seed: int) -> tuple[list[Take], list[Take]]:
    """Takes of the words below ``folder``, and up to ``fillers`` other recordings of speech, from all its sets alike.

    A ``manifest.tsv`` tells speakers, sex and language, and fillers come from its split ``train``; without one, names
    of files and folders tell what is said and by whom (see ``WordList.said``). Raises ``UsageError`` where a word is
    missing.
    """
    takes: list[Take] = []
    others: dict[str, list[Take]] = {}
    for take, is_speech, spoken in _rows(folder):
        said = words.said(take.path) if spoken in ("", language) else None
        if said:
            takes.append(replace(take, digits=said[0], speaker=take.speaker or said[1] or take.path.name))
        elif is_speech:
            others.setdefault(take.source, []).append(replace(take, speaker=take.speaker or take.path.name))
    missing = set(range(len(words.words))) - {digit for take in takes for digit in take.digits}
    if missing:
        raise UsageError(
            f"{folder} has no recording of {words.words[min(missing)]!r}",
            "Name recordings WORD_SPEAKER_NUMBER.wav, or put them in a folder per word (docs/digits.md).",
        )
    chosen: list[Take] = []
    for source, rows in sorted(others.items()):
        order = generator(seed, f"fillers {source}").permutation(len(rows))
        chosen += [rows[int(index)] for index in order[: -(-fillers // max(1, len(others)))]]
    return takes, chosen


def _rows(folder: Path) -> list[tuple[Take, bool, str]]:
    if (folder / MANIFEST).exists():
        return [
            (
                Take(folder / row.path, (), row.speaker, row.gender, row.set),
                row.split == "train",
                row.language,
            )
            for row in read_manifest(folder)
        ]
    return [(Take(path, (), "", "", folder.name), True, "") for path in audio_files(folder).files]


def samples_of(take: Take, most_seconds: float = 1.5) -> Float32:
    """Samples float32 ``(n,)`` without the silence at both ends; of a filler a stretch of ``most_seconds``."""
    samples = trimmed(read_samples(take.path))
    most = int(most_seconds * SAMPLE_RATE)
    if not take.digits and len(samples) > most:
        start = int(generator(0, str(take.path.name)).integers(0, len(samples) - most))
        samples = samples[start : start + most]
    return samples


def trimmed(samples: Float32) -> Float32:
    """Without what is 35 dB below the loudest frame at the ends; 30 ms of it stay."""
    frames = len(samples) // _FRAME
    if frames < 3:
        return samples
    energies = np.sqrt(np.mean(samples[: frames * _FRAME].reshape(frames, _FRAME).astype(np.float64) ** 2, axis=1))
    loud = np.flatnonzero(energies > energies.max() * 10 ** (-_QUIET_DB / 20))
    if not len(loud):
        return samples
    kept = int(_KEPT_SECONDS * SAMPLE_RATE)
    return samples[max(0, int(loud[0]) * _FRAME - kept) : (int(loud[-1]) + 1) * _FRAME + kept]
