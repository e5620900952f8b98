"""Who enrols with which recordings.

Takes rows of a corpus. Gives the recordings of each person in a drawn order, and what an enrolment is made of. Must
hold: the draw follows from seed and path alone, not from the order of the rows.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Final

from training.corpus import Recording
from training.trials import Clip, Side

ENROL_CLIPS: Final = 5
ENROL_SECONDS: Final = 4.0
LEAD_SECONDS: Final = 0.5
"""Recordings often begin with silence."""
READ_SET: Final = "librispeech"
"""The set whose people read at length, in sessions."""
_PARTS_OF_A_NAME: Final = 3
"""speaker-session-number, as LibriSpeech names its recordings."""


def by_person(rows: Iterable[Recording], least_seconds: float) -> dict[str, list[Recording]]:
    """The recordings of each person that are at least so long, in order of the rows."""
    found: dict[str, list[Recording]] = defaultdict(list)
    for row in rows:
        if row.seconds >= least_seconds:
            found[row.speaker].append(row)
    return dict(found)


def mixed(rows: Sequence[Recording], seed: int) -> list[Recording]:
    """The recordings in a drawn order."""
    return sorted(rows, key=lambda row: drawn(seed, row.path))


def session(row: Recording) -> str:
    """What a recording was made in one go with: the chapter of a reading, "" where the name doesn't tell."""
    parts = PurePosixPath(row.path).stem.split("-")
    return parts[1] if len(parts) == _PARTS_OF_A_NAME else ""


def first_session(rows: Sequence[Recording]) -> list[Recording]:
    """The recordings of a person's first session: people enrol in one go."""
    first = min(session(row) for row in rows)
    return [row for row in rows if session(row) == first]


def enrolment(rows: Sequence[Recording]) -> Side:
    """The side that an enrolment with these recordings is."""
    return Side(tuple((clip(row, ENROL_SECONDS),) for row in rows))


def clip(row: Recording, seconds: float) -> Clip:
    """So many seconds of a recording, after the silence at its beginning where it is long enough."""
    start = LEAD_SECONDS if row.seconds >= LEAD_SECONDS + seconds else 0.0
    return Clip(row.path, start, seconds)


def drawn(seed: int, text: str) -> str:
    """A number in hexadecimal digits that a seed and a text stand for."""
    return hashlib.sha256(f"{seed} {text}".encode()).hexdigest()
