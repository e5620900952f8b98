"""Segments of recordings with labels: what a label model learns from and is tested on.

Takes a manifest's rows and a recipe. Gives frozen ``Example`` rows. Must hold: the same rows for the same manifest,
recipe and length, whatever the input, so that models see the same segments; nothing is drawn from an unlabelled row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from edge.errors import UsageError
from edge.records import SAMPLE_RATE, Float32
from training.classify.recipe import ClassifyRecipe
from training.corpus import Recording

GENDERS: Final = {"f": "female", "m": "male"}

_TRIM_DB: Final = 40.0
"""Silence at both ends, so far below the loudest moment, is cut off: an actor's pause says nothing."""
_TRIM_BLOCK: Final = 320
_REST: Final = 0.5
"""The rest of a recording counts as a segment if it is at least so much of one; a short recording always does."""


@dataclass(frozen=True, slots=True)
class Example:
    """One segment. ``start``: seconds into the recording without the silence at its beginning; ``seconds``: wanted
    length, repeated to fill it where the recording is shorter. ``speaker``: set and speaker. ``change``: "" or how it
    was changed (``white``, ``coloured``, ``pitch``); a changed one follows its original and serves training alone.
    """

    path: str
    start: float
    seconds: float
    set: str
    speaker: str
    gender: str
    emotion: str
    change: str = ""


def labels_of(task: str, example: Example) -> str:
    """What is to be told of an example."""
    if task == "gender":
        return example.gender
    if task == "emotion":
        return example.emotion
    if task == "gender-emotion":
        return f"{example.gender} {example.emotion}"
    return example.speaker


def draw(recipe: ClassifyRecipe, task: str, seconds: float, rows: Sequence[Recording]) -> tuple[Example, ...]:
    """The examples of a task, in the manifest's order. Raises ``UsageError`` where the sets hold none."""
    wanted = [row for row in rows if row.set in recipe.sets and row.speaker and _usable(recipe, task, row)]
    by_speaker: dict[str, list[Example]] = {}
    for row in wanted:
        name = f"{row.set}/{row.speaker}"
        by_speaker.setdefault(name, []).extend(_cut(recipe, row, name, seconds))
    found: list[Example] = []
    for cuts in by_speaker.values():
        # Evenly over all that there is, not the first minutes.
        keep = np.unique(np.linspace(0, len(cuts) - 1, min(len(cuts), recipe.most_per_speaker)).round().astype(int))
        for place in keep:
            found.append(cuts[place])
            found.extend(_changed(recipe, cuts[place]))
    if len(by_speaker) < 2:
        raise UsageError(
            f"The speech has fewer than two speakers for the task {task} in the sets {', '.join(recipe.sets)}",
            "Name sets that the manifest has in the recipe.",
        )
    return tuple(found)


def _usable(recipe: ClassifyRecipe, task: str, row: Recording) -> bool:
    if row.emotion in recipe.drop:
        return False
    needs_gender, needs_emotion = task in {"gender", "gender-emotion"}, task in {"emotion", "gender-emotion"}
    return (row.gender in GENDERS or not needs_gender) and (bool(row.emotion) or not needs_emotion)


def _cut(recipe: ClassifyRecipe, row: Recording, speaker: str, seconds: float) -> list[Example]:
    whole, rest = divmod(row.seconds, seconds)
    count = int(whole) + (rest >= _REST * seconds) or 1
    gender, emotion = GENDERS.get(row.gender, ""), recipe.merge.get(row.emotion, row.emotion)
    return [Example(row.path, k * seconds, seconds, row.set, speaker, gender, emotion) for k in range(count)]


def _changed(recipe: ClassifyRecipe, example: Example) -> list[Example]:
    """The example changed, for as many examples as the recipe's shares say: decided by its name, not by its place."""
    dice = generator(recipe.seed, example, "share").random(3)
    shares = {"white": recipe.augment.white, "coloured": recipe.augment.coloured, "pitch": recipe.augment.pitch}
    fields = (example.path, example.start, example.seconds, example.set, example.speaker, example.gender)
    return [
        Example(*fields, example.emotion, change)
        for (change, share), die in zip(shares.items(), dice, strict=True)
        if die < share
    ]


def generator(seed: int, example: Example, what: str) -> np.random.Generator:
    """Random numbers that belong to an example and a purpose."""
    text = f"{seed} {example.path} {example.start:.3f} {example.change} {what}"
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))


def trim(samples: Float32) -> Float32:
    """Without the silence at both ends; a signal without any sound stays as it is."""
    blocks = len(samples) // _TRIM_BLOCK
    if blocks < 2:
        return samples
    power = np.square(samples[: blocks * _TRIM_BLOCK].reshape(blocks, -1), dtype=np.float64).mean(axis=1)
    loud = np.flatnonzero(power > power.max() * 10 ** (-_TRIM_DB / 10))
    if not len(loud):
        return samples
    return samples[loud[0] * _TRIM_BLOCK : min(len(samples), (loud[-1] + 1) * _TRIM_BLOCK)]


def segment(speech: Float32, example: Example) -> Float32:
    """The example's samples float32 ``(seconds x 16000,)`` of trimmed ``speech``, before any change."""
    length = round(example.seconds * SAMPLE_RATE)
    # Trimming may have left less than the manifest's seconds promised: then the last stretch there is.
    start = min(round(example.start * SAMPLE_RATE), max(0, len(speech) - length))
    part = speech[start : start + length]
    return np.asarray(np.resize(part, length), np.float32)


def audio(
    examples: Iterable[Example],
    folder: Path,
    read: Callable[[Path], Float32 | None],
    change: Callable[[Float32, Example], Float32],
) -> Iterable[tuple[Example, Float32]]:
    """Each example with its samples. Recordings are read once as long as their examples follow each other.

    ``read``: gives None for what is to be left out.
    """
    name, speech = "", np.zeros(0, np.float32)
    for example in examples:
        if example.path != name:
            whole = read(folder / example.path)
            name, speech = example.path, np.zeros(0, np.float32) if whole is None else trim(whole)
        if not len(speech):
            continue
        samples = segment(speech, example)
        yield example, change(samples, example) if example.change else samples
