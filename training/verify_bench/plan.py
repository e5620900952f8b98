"""Who enrols with what, and who then tries.

Takes the rows of a corpus. Gives ``Condition``s: people with enrolment and attempts, as sides that can be embedded.
Must hold: deterministic per seed; nothing of an enrolment is in an attempt; only people of the split asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from edge.errors import UsageError
from training.bench.people import (
    ENROL_CLIPS,
    LEAD_SECONDS,
    READ_SET,
    by_person,
    clip,
    drawn,
    enrolment,
    first_session,
    mixed,
    session,
)
from training.corpus import Recording
from training.trials import Noise, Side

ATTEMPT_SECONDS: Final = 3.0
ATTEMPTS: Final = 24
"""Attempts of a person at most; a multiple of three, so that tries of three come out even."""
CALM: Final = ("neutral", "calm", "")
"""What people enrol with: nobody shouts at an enrolment."""
_LEAST_ATTEMPTS: Final = 3

Choice = Callable[[list[Recording]], list[Recording]]
"""Which of a person's recordings serve a purpose."""


@dataclass(frozen=True, slots=True)
class Claimant:
    """Somebody who enrols and tries. ``gender``: ``f``, ``m`` or "" where nobody noted it."""

    person: str
    gender: str
    enrol: Side
    attempts: tuple[Side, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """People who try under like circumstances; each is an impostor for all the others."""

    name: str
    people: tuple[Claimant, ...]


def conditions(rows: Sequence[Recording], split: str, seed: int) -> list[Condition]:
    """Every condition that the corpus allows. Raises ``UsageError`` where there is none."""
    read = [row for row in rows if row.split == split and row.set == READ_SET and row.speaker]
    acted = [row for row in rows if row.split == split and row.speaker and row.emotion]
    noises = [row for row in rows if row.split == "noise"]
    found = [_of("read, 3 s", _people(read), seed, enrol=first_session, attempts=_all)]
    if noises:
        for snr_db in (10, 5):
            found.append(_noisy(found[0], f"read, 3 s, {snr_db} dB", noises, float(snr_db), seed))
    found.append(_of("read, another session", _people(read), seed, enrol=first_session, attempts=_other_sessions))
    for name in sorted({row.set for row in acted}):
        people = _people(row for row in acted if row.set == name)
        found.append(_of(f"{name}, calm", people, seed, enrol=_calm, attempts=_calm))
        found.append(_of(f"{name}, after emotion", people, seed, enrol=_calm, attempts=_moved))
    found = [one for one in found if len(one.people) > 1]
    if not found:
        raise UsageError(
            f"The speech has no two people of the split {split!r} with enough recordings",
            f"Each needs {ENROL_CLIPS} recordings to enrol and {_LEAST_ATTEMPTS} to try; or name another --split.",
        )
    return found


def _all(rows: list[Recording]) -> list[Recording]:
    return rows


def _other_sessions(rows: list[Recording]) -> list[Recording]:
    first = min(session(row) for row in rows)
    return [row for row in rows if session(row) != first]


def _calm(rows: list[Recording]) -> list[Recording]:
    return [row for row in rows if row.emotion in CALM]


def _moved(rows: list[Recording]) -> list[Recording]:
    return [row for row in rows if row.emotion not in CALM]


def _people(rows: Iterable[Recording]) -> dict[str, list[Recording]]:
    return by_person(rows, LEAD_SECONDS + ATTEMPT_SECONDS - 1)


def _of(name: str, people: dict[str, list[Recording]], seed: int, *, enrol: Choice, attempts: Choice) -> Condition:
    found = []
    for person, rows in sorted(people.items()):
        shuffled = mixed(rows, seed)
        first = enrol(shuffled)[:ENROL_CLIPS]
        used = {row.path for row in first}
        tries = [row for row in attempts(shuffled) if row.path not in used][:ATTEMPTS]
        if len(first) == ENROL_CLIPS and len(tries) >= _LEAST_ATTEMPTS:
            side = enrolment(first)
            sides = tuple(Side(((clip(row, ATTEMPT_SECONDS),),)) for row in tries)
            found.append(Claimant(person, rows[0].gender, side, sides))
    return Condition(name, tuple(found))


def _noisy(clean: Condition, name: str, noises: Sequence[Recording], snr_db: float, seed: int) -> Condition:
    def noisy(side: Side) -> Side:
        path = side.utterances[0][0].path
        place = int(drawn(seed, f"{path} {snr_db}"), 16)
        return Side(side.utterances, Noise(noises[place % len(noises)].path, 0.0, snr_db))

    people = tuple(
        Claimant(one.person, one.gender, one.enrol, tuple(noisy(side) for side in one.attempts)) for one in clean.people
    )
    return Condition(name, people)
