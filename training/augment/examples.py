"""Examples to listen to: clips before and after, with what was done to them.

Takes clips and an augmenter, gives ``Example``s and writes their WAV files. Must hold: an example is drawn as
training draws it for that clip, view and seed (of a clip that is no longer than an example, it is the same).
"""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from edge.audio import audio_files, read_samples
from edge.errors import AudioFileError
from edge.records import SAMPLE_RATE, Float32
from training.augment.augmenter import Augmenter
from training.augment.seeding import generator
from training.corpus import Recording

MOST_SECONDS: Final = 8.0
"""Of an example; longer clips are cut."""


@dataclass(frozen=True, slots=True)
class Example:
    """One clip, before and after. ``voice``, ``place``: what was done, in words; empty where nothing was.

    ``key``: what the random numbers were drawn for.
    """

    number: int
    clip: Path
    key: str
    before: Float32
    after: Float32
    voice: tuple[str, ...]
    place: tuple[str, ...]


def clips_of(path: Path, recordings: Sequence[Recording], count: int, seed: int) -> list[Path]:
    """Up to ``count`` clips: the file itself, or files of the folder drawn by ``seed``.

    ``recordings``: the folder's manifest where it has one; then only its training speech is drawn from. Raises
    ``AudioFileError`` where there is no audio.
    """
    if path.is_file():
        return [path]
    if recordings:
        files = [path / row.path for row in recordings if row.split == "train" and row.seconds >= 1.0]
    else:
        files = list(audio_files(path).files)
    if not files:
        raise AudioFileError(f"{path} holds no speech", "Name a clip, or a folder of clips.")
    order = generator(seed, "clips").permutation(len(files))
    return [files[int(index)] for index in order[:count]]


def examples(clips: Sequence[Path], folder: Path, augmenter: Augmenter, count: int, seed: int) -> Iterator[Example]:
    """``count`` examples, the clips in turn; voice first, then place, as for training. Raises ``AudioFileError``.

    ``folder``: what the keys' paths are relative to.
    """
    for number in range(count):
        clip = clips[number % len(clips)]
        key = f"{clip.relative_to(folder).as_posix()}#{1 + number // len(clips)}"
        before = read_samples(clip, MOST_SECONDS)
        rng = generator(seed, key)
        spoken, voice = augmenter.voice_told(before, rng)
        after, place = augmenter.degrade_told(spoken, rng)
        yield Example(number + 1, clip, key, before, after, voice, place)


def wav_bytes(samples: Float32) -> bytes:
    """A 16-bit mono WAV file at 16 kHz."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(SAMPLE_RATE)
        writer.writeframes(np.clip(np.rint(samples * 32767), -32768, 32767).astype("<i2").tobytes())
    return file.getvalue()
