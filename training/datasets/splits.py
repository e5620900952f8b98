"""Keeps people apart: who is trained on, and who is measured.

Takes ``Recording`` rows; gives rows with new splits, or folds of people. Must hold: a person is on one side only,
whatever the order of the rows; the same seed gives the same sides; both genders are shared out alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from edge.errors import UsageError
from training.corpus import Recording

Person = tuple[str, str]
"""Set and speaker."""


def hold_out(
    recordings: Sequence[Recording], share: float, seed: int = 1, *, split: str = "dev"
) -> tuple[Recording, ...]:
    """Give ``share`` of the people of each set and gender to ``split``; rows keep their order.

    Only people of ``train`` are shared out, in sets that have nobody in ``dev`` or ``test`` already; a gender of at
    least two people gives at least one. Rows without a speaker stay. Raises ``UsageError`` for a senseless share.
    """
    if not 0 <= share < 1:
        raise UsageError(f"A share of {share:g} of the people makes no sense", "Give 0.2 for a fifth.")
    settled = {row.set for row in recordings if row.split in ("dev", "test")}
    chosen: set[Person] = set()
    for people in _groups(row for row in recordings if row.split == "train" and row.set not in settled).values():
        count = round(share * len(people))
        if share and len(people) > 1:
            count = min(max(count, 1), len(people) - 1)
        chosen.update(_shuffled(people, seed)[:count])
    return tuple(
        replace(row, split=split) if row.split == "train" and (row.set, row.speaker) in chosen else row
        for row in recordings
    )


def speaker_folds(recordings: Sequence[Recording], count: int, seed: int = 1) -> tuple[frozenset[Person], ...]:
    """Share the people out over ``count`` folds, each gender as evenly as it goes.

    Raises ``UsageError`` where there are fewer people than folds.
    """
    groups = _groups(recordings)
    people = sum(len(group) for group in groups.values())
    if count < 2 or people < count:
        raise UsageError(f"{people} people can't be shared out over {count} folds", "Ask for 2 folds or more.")
    folds: list[set[Person]] = [set() for _ in range(count)]
    dealt = 0
    for key in sorted(groups):
        for person in _shuffled(groups[key], seed):
            folds[dealt % count].add(person)
            dealt += 1
    return tuple(frozenset(fold) for fold in folds)


def _groups(recordings: Iterable[Recording]) -> dict[tuple[str, str], list[Person]]:
    """People by set and gender; a person whom rows call both counts as neither."""
    genders: dict[Person, set[str]] = {}
    for row in recordings:
        if row.speaker:
            genders.setdefault((row.set, row.speaker), set()).add(row.gender)
    groups: dict[tuple[str, str], list[Person]] = {}
    for person, found in genders.items():
        groups.setdefault((person[0], found.pop() if len(found) == 1 else ""), []).append(person)
    return groups


def _shuffled(people: Iterable[Person], seed: int) -> list[Person]:
    """In an order of its own, which more people don't change among those who are there."""
    return sorted(people, key=lambda person: hashlib.sha256(f"{seed}\t{person[0]}\t{person[1]}".encode()).digest())
