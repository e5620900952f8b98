"""Who enrols with what, and who then tries.

Takes the rows of a corpus. Gives ``Condition``s: people with enrolment and attempts, as sides that can be embedded.
Must hold: deterministic per seed; nothing of an enrolment is in an attempt; only people of the split asked for.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from edge.errors import UsageError
from training.corpus import Recording
from training.trials import Clip, Noise, Side

ENROL_CLIPS: Final = 5
ENROL_SECONDS: Final = 4.0
ATTEMPT_SECONDS: Final = 3.0
ATTEMPTS: Final = 24
"""Attempts of a person at most; a multiple of three, so that tries of three come out even."""
LEAD_SECONDS: Final = 0.5
"""Recordings often begin with silence."""
CALM: Final = ("neutral", "calm", "")
"""What people enrol with: nobody shouts at an enrolment."""
_LEAST_ATTEMPTS: Final = 3
_PARTS_OF_A_NAME: Final = 3
"""speaker-session-number, as LibriSpeech names its recordings."""

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
    read = [row for row in rows if row.split == split and row.set == "librispeech" and row.speaker]
    acted = [row for row in rows if row.split == split and row.speaker and row.emotion]
    noises = [row for row in rows if row.split == "noise"]
    found = [_of("read, 3 s", _people(read), seed, enrol=_first_session, attempts=_all)]
    if noises:
        for snr_db in (10, 5):
            found.append(_noisy(found[0], f"read, 3 s, {snr_db} dB", noises, float(snr_db), seed))
    found.append(_of("read, another session", _people(read), seed, enrol=_first_session, attempts=_other_sessions))
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


def session(row: Recording) -> str:
    """What a recording was made in one go with: the chapter of a reading, "" where the name doesn't tell."""
    parts = PurePosixPath(row.path).stem.split("-")
    return parts[1] if len(parts) == _PARTS_OF_A_NAME else ""


def _all(rows: list[Recording]) -> list[Recording]:
    return rows


def _first_session(rows: list[Recording]) -> list[Recording]:
    first = min(session(row) for row in rows)
    return [row for row in rows if session(row) == first]


def _other_sessions(rows: list[Recording]) -> list[Recording]:
    first = min(session(row) for row in rows)
    return [row for row in rows if session(row) != first]


def _calm(rows: list[Recording]) -> list[Recording]:
    return [row for row in rows if row.emotion in CALM]


def _moved(rows: list[Recording]) -> list[Recording]:
    return [row for row in rows if row.emotion not in CALM]


def _people(rows: Iterable[Recording]) -> dict[str, list[Recording]]:
    found: dict[str, list[Recording]] = defaultdict(list)
    for row in rows:
        if row.seconds >= LEAD_SECONDS + ATTEMPT_SECONDS - 1:
            found[row.speaker].append(row)
    return dict(found)


def _of(name: str, people: dict[str, list[Recording]], seed: int, *, enrol: Choice, attempts: Choice) -> Condition:
    found = []
    for person, rows in sorted(people.items()):
        mixed = sorted(rows, key=lambda row: _drawn(seed, row.path))
        first = enrol(mixed)[:ENROL_CLIPS]
        used = {row.path for row in first}
        tries = [row for row in attempts(mixed) if row.path not in used][:ATTEMPTS]
        if len(first) == ENROL_CLIPS and len(tries) >= _LEAST_ATTEMPTS:
            side = Side(tuple((_clip(row, ENROL_SECONDS),) for row in first))
            sides = tuple(Side(((_clip(row, ATTEMPT_SECONDS),),)) for row in tries)
            found.append(Claimant(person, rows[0].gender, side, sides))
    return Condition(name, tuple(found))


def _clip(row: Recording, seconds: float) -> Clip:
    start = LEAD_SECONDS if row.seconds >= LEAD_SECONDS + seconds else 0.0
    return Clip(row.path, start, seconds)


def _noisy(clean: Condition, name: str, noises: Sequence[Recording], snr_db: float, seed: int) -> Condition:
    def mixed(side: Side) -> Side:
        path = side.utterances[0][0].path
        place = int(_drawn(seed, f"{path} {snr_db}"), 16)
        return Side(side.utterances, Noise(noises[place % len(noises)].path, 0.0, snr_db))

    people = tuple(
        Claimant(one.person, one.gender, one.enrol, tuple(mixed(side) for side in one.attempts)) for one in clean.people
    )
    return Condition(name, people)


def _drawn(seed: int, text: str) -> str:
    return hashlib.sha256(f"{seed} {text}".encode()).hexdigest()
