"""Who is learnt from, who says when to stop, and who is tested on.

Takes examples and a recipe's ``Split``. Gives ``Fold`` rows. Must hold: an original and its changed copies are never on
two sides; changed ones are never tested on; apart means that no speaker (of a closed set: no recording) of the test
was learnt from; the folds of a speaker depend on his name and set, not on what model is made.

The forerunners drew test rows at random from all: from the same people, of a closed set from the same recordings.
That split is here as ``same``, because the difference is the lesson.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from edge.errors import UsageError
from training.classify.examples import Example
from training.classify.recipe import Split

Protocol = Literal["same", "apart"]
Indices = npt.NDArray[np.int64]

PROTOCOLS: Final[tuple[Protocol, ...]] = ("same", "apart")
_JUDGES: Final = 7
"""Of the groups that are not tested on, every seventh says when to stop."""
_VERIFYING_JUDGES: Final = 3
"""A threshold between people needs several of them: every third."""


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Places of examples. ``learn`` holds changed copies too, ``judge`` and ``test`` originals alone."""

    learn: Indices
    judge: Indices
    test: Indices


def folds(examples: Sequence[Example], task: str, split: Split, protocol: Protocol, seed: int) -> list[Fold]:
    """As many folds as the split asks of ``protocol``. Raises ``UsageError`` where a side would be empty."""
    group = grouping(task, protocol)
    groups = np.array([group(example) for example in examples])
    part = _parts(examples, groups, (task, protocol), split.parts, seed)
    turns = max(2, min(_VERIFYING_JUDGES if task == "verify" else _JUDGES, len(part) // split.parts))
    original = np.array([not example.change for example in examples])
    made = []
    for number in range(split.apart if protocol == "apart" else split.same):
        tested = np.array([part[name] % split.parts == number for name in groups])
        judging = ~tested & np.array([(part[name] // split.parts) % turns == number % turns for name in groups])
        learning = ~tested & ~judging
        fold = Fold(
            np.flatnonzero(learning), np.flatnonzero(judging & original), np.flatnonzero(tested & original)
        )  # fmt: skip
        if not all(map(len, (fold.learn, fold.judge, fold.test))):
            raise UsageError(
                f"There is too little speech to split it in {split.parts} parts", "Give more, or lower split.parts."
            )
        made.append(fold)
    return made


def grouping(task: str, protocol: Protocol) -> Callable[[Example], str]:
    """What must stay on one side. ``same``: a recording, or of a closed set a mere segment, as the forerunners did."""
    if task in {"speaker", "transfer"}:
        return (lambda one: f"{one.path} {one.start}") if protocol == "same" else (lambda one: one.path)
    if protocol == "same":
        return lambda one: one.path
    return lambda one: one.speaker


def _parts(
    examples: Sequence[Example], groups: npt.NDArray[np.str_], what: tuple[str, Protocol], parts: int, seed: int
) -> dict[str, int]:
    """A running number for every group: ``number % parts`` is its part. Dealt so that each part gets its share of each
    set, gender and, where speakers stay together on both sides, of each speaker.
    """
    task, protocol = what
    first: dict[str, Example] = {}
    for example, name in zip(examples, groups, strict=True):
        first.setdefault(str(name), example)
    closed = task in {"speaker", "transfer"}
    if closed and protocol == "apart":
        # Neighbouring recordings often share a chapter, a room and a day: blocks, not turns.
        return _blocks(first, parts)
    together = protocol == "apart"

    def stratum(example: Example) -> tuple[str, ...]:
        return (example.set, example.gender) if together else (example.speaker, example.emotion)

    order = sorted(first, key=lambda name: (stratum(first[name]), _hash(seed, name)))
    return {name: place for place, name in enumerate(order)}


def _blocks(first: dict[str, Example], parts: int) -> dict[str, int]:
    """Each speaker's recordings in the order of their names, in ``parts`` blocks."""
    by_speaker: dict[str, list[str]] = {}
    for name, example in first.items():
        by_speaker.setdefault(example.speaker, []).append(name)
    numbers, turn = {}, 0
    for names in by_speaker.values():
        for place, name in enumerate(sorted(names)):
            block = place * parts // len(names)
            numbers[name] = turn * parts + block
            turn += 1
    return numbers


def _hash(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()
