"""Who lives in the house, and what is heard there.

Takes the rows of a corpus. Gives a ``Plan``: people who can be enrolled, what each of them says to be named, and
streams of other voices. Must hold: deterministic per seed; a stream is the same however many hours are asked for;
nothing of an enrolment is heard again; only people of the split asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Final, Literal

import numpy as np

from edge.errors import UsageError
from training.augment.seeding import generator
from training.bench.people import (
    ENROL_CLIPS,
    LEAD_SECONDS,
    READ_SET,
    by_person,
    clip,
    enrolment,
    first_session,
    mixed,
)
from training.corpus import Recording
from training.trials import Clip, Side

Scene = Literal["monologue", "dialogue", "television", "film", "noise"]
SCENES: Final[dict[Scene, str]] = {
    "monologue": "one person talks",
    "dialogue": "two people talk",
    "television": "readers on television",
    "film": "actors on television",
    "noise": "no voice",
}

ATTEMPT_SECONDS: Final = (1.0, 2.0, 3.0, 5.0)
SNRS_DB: Final[tuple[float | None, ...]] = (None, 20.0, 15.0, 10.0, 5.0)
"""None: as recorded."""
STREAM_SECONDS: Final = 120.0
"""About so long is a stream: a call, a programme."""
_LEAST_SECONDS: Final = LEAD_SECONDS + max(ATTEMPT_SECONDS)
_LEAST_RECORDINGS: Final = ENROL_CLIPS + 3
_TURN_SECONDS: Final = (2.0, 8.0)
"""How long somebody talks in a dialogue before the other one does."""
_PAUSES: Final[dict[Scene, tuple[float, float]]] = {
    "monologue": (0.2, 2.0),
    "dialogue": (0.1, 1.5),
    "television": (0.1, 1.0),
    "film": (0.1, 1.5),
    "noise": (0.0, 0.0),
}
"""Seconds between two recordings; within them people pause as they did."""


@dataclass(frozen=True, slots=True)
class Take:
    """A stretch of a stream: after ``pause_seconds``, ``who`` ("" where there is no voice) says ``clip``."""

    who: str
    clip: Clip
    pause_seconds: float


@dataclass(frozen=True, slots=True)
class Stream:
    """What is heard in one go."""

    name: str
    scene: Scene
    takes: tuple[Take, ...]

    @property
    def people(self) -> frozenset[str]:
        """Who speaks in it."""
        return frozenset(take.who for take in self.takes if take.who)


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who can be enrolled. ``says``: recordings that attempts are cut from."""

    person: str
    gender: str
    enrol: Side
    says: tuple[Recording, ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One utterance of a member by itself. ``snr_db`` None: without added noise."""

    person: str
    clip: Clip
    seconds: float
    snr_db: float | None


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is listened to once."""

    members: tuple[Member, ...]
    attempts: tuple[Attempt, ...]
    streams: tuple[Stream, ...]


def make_plan(
    rows: Sequence[Recording],
    split: str,
    seed: int,
    *,
    hours: float,
    attempts: int,
    scenes: Sequence[str] = tuple(SCENES),
    lengths: Sequence[float] = ATTEMPT_SECONDS,
) -> Plan:
    """The plan of a corpus.

    Args:
        rows: of the manifest.
        split: whose people are taken.
        seed: of every choice.
        hours: of each scene at most.
        attempts: of each member, length and ratio, at most.
        scenes: which of ``SCENES`` are heard.
        lengths: which of ``ATTEMPT_SECONDS`` are said.

    Raises:
        UsageError: fewer than two people with enough recordings.
    """
    spoken = [row for row in rows if row.split == split and row.speaker]
    reading = by_person((row for row in spoken if row.set == READ_SET), _LEAST_SECONDS)
    members, later = [], dict[str, list[Recording]]()
    for person, own in sorted(reading.items()):
        shuffled = mixed(own, seed)
        enrolled = first_session(shuffled)[:ENROL_CLIPS]
        rest = [row for row in shuffled if row not in enrolled]
        if len(enrolled) == ENROL_CLIPS and len(rest) + ENROL_CLIPS >= _LEAST_RECORDINGS:
            members.append(Member(person, own[0].gender, enrolment(enrolled), tuple(rest)))
            later[person] = sorted(rest, key=lambda row: row.path)
    if len(members) < 2:
        raise UsageError(
            f"The speech has no two people of the split {split!r} with enough recordings",
            f"Each needs {_LEAST_RECORDINGS} of {_LEAST_SECONDS:g} s or more; or name another --split.",
        )
    actors = by_person(sorted((row for row in spoken if row.emotion), key=lambda row: row.path), 1.0)
    noises = [row for row in rows if row.split == "noise"]
    found: list[Stream] = []
    for scene, streams in (
        ("monologue", _monologues("monologue", later, seed)),
        ("dialogue", _dialogues("dialogue", {m.person: m.says for m in members}, seed, _pairs(members, seed))),
        ("television", _monologues("television", later, seed)),
        ("film", _dialogues("film", actors, seed, _casts(spoken, actors, seed))),
        ("noise", _noise(noises, seed)),
    ):
        if scene in scenes:
            found += _first_hours(streams, hours)
    said = tuple(
        Attempt(member.person, clip(row, seconds), seconds, snr_db)
        for member in members
        for row in member.says[:attempts]
        for seconds in lengths
        for snr_db in SNRS_DB
    )
    return Plan(tuple(members), said, tuple(found))


def _first_hours(streams: Iterable[Stream], hours: float) -> list[Stream]:
    """As many of the streams as the hours hold."""
    found: list[Stream] = []
    left = 3600 * hours
    for stream in streams:
        if left <= 0:
            break
        found.append(stream)
        left -= sum((take.clip.seconds or 0.0) + take.pause_seconds for take in stream.takes)
    return found


def _monologues(scene: Scene, later: dict[str, list[Recording]], seed: int) -> list[Stream]:
    """Each person's recordings in order, cut into streams; everybody's first stream comes first."""
    found: list[tuple[int, Stream]] = []
    for person, rows in later.items():
        rng = generator(seed, f"{scene} {person}")
        takes: list[Take] = []
        number = 0
        for place, row in enumerate(rows):
            takes.append(Take(person, Clip(row.path, 0.0, row.seconds), _pause(scene, rng)))
            long = sum(take.clip.seconds or 0.0 for take in takes) >= STREAM_SECONDS
            if long or place == len(rows) - 1:
                found.append((number, Stream(f"{scene} {person} {number}", scene, tuple(takes))))
                takes, number = [], number + 1
    return [stream for _, stream in sorted(found, key=lambda pair: pair[0])]


def _dialogues(
    scene: Scene, rows: dict[str, list[Recording]] | dict[str, tuple[Recording, ...]], seed: int,
    pairs: Iterable[tuple[str, str]],
) -> list[Stream]:  # fmt: skip
    """Two people who take turns; each begins somewhere else in what is there of him."""
    found = []
    for number, pair in enumerate(pairs):
        rng = generator(seed, f"{scene} {number} {pair}")
        sources = {one: cycle(rng.permutation(len(rows[one])).tolist()) for one in pair}
        takes: list[Take] = []
        seconds = 0.0
        used: set[tuple[str, int]] = set()
        while seconds < STREAM_SECONDS:
            who = pair[len(takes) % 2]
            index = next(sources[who])
            if (who, index) in used:
                break
            used.add((who, index))
            row = rows[who][index]
            length = min(row.seconds, float(rng.uniform(*_TURN_SECONDS)))
            start = float(rng.uniform(0.0, row.seconds - length)) if row.set == READ_SET else 0.0
            takes.append(Take(who, Clip(row.path, round(start, 3), round(length, 3)), _pause(scene, rng)))
            seconds += length
        found.append(Stream(f"{scene} {number} {'+'.join(pair)}", scene, tuple(takes)))
    return found


def _pairs(members: Sequence[Member], seed: int) -> list[tuple[str, str]]:
    """Each member with each other one, in a drawn order in which everybody comes up about equally soon."""
    names = [member.person for member in members]
    rng = generator(seed, "pairs")
    order = [names[index] for index in rng.permutation(len(names))]
    # Neighbours at distance 1, 2, ... of a circle: each round has everybody twice.
    rounds = [
        [(order[place], order[(place + apart) % len(order)]) for place in range(len(order))]
        for apart in range(1, len(order) // 2 + 1)
    ]
    found = dict.fromkeys((min(pair), max(pair)) for one in rounds for pair in one)
    return list(found)


def _casts(spoken: Sequence[Recording], actors: dict[str, list[Recording]], seed: int) -> list[tuple[str, str]]:
    """Actors of one set in pairs, sets in turn."""
    set_of = {row.speaker: row.set for row in spoken}
    rng = generator(seed, "casts")
    names = [sorted(actors)[index] for index in rng.permutation(len(actors))]
    by_set: dict[str, list[str]] = {}
    for name in names:
        by_set.setdefault(set_of[name], []).append(name)
    casts = [[(one[place], one[place + 1]) for place in range(0, len(one) - 1, 2)] for _, one in sorted(by_set.items())]
    longest = max(map(len, casts), default=0)
    return [pair for turn in range(longest) for pairs in casts for pair in islice(pairs, turn, turn + 1)]


def _noise(rows: Sequence[Recording], seed: int) -> list[Stream]:
    """The noises one after the other, in a drawn order."""
    found: list[Stream] = []
    takes: list[Take] = []
    shuffled = mixed(rows, seed)
    for place, row in enumerate(shuffled):
        takes.append(Take("", Clip(row.path, 0.0, row.seconds), 0.0))
        if sum(take.clip.seconds or 0.0 for take in takes) >= STREAM_SECONDS or place == len(shuffled) - 1:
            found.append(Stream(f"noise {len(found)}", "noise", tuple(takes)))
            takes = []
    return found


def _pause(scene: Scene, rng: np.random.Generator) -> float:
    low, high = _PAUSES[scene]
    return round(float(rng.uniform(low, high)), 3)
