"""Which clips a folder has, and which of them are looked at.

Takes a folder of speech; gives ``Recording`` rows, and a draw of them. Must hold: a folder without a manifest is read
as one folder per speaker; a draw depends on the seed and the rows alone, and gives each set and each speaker its turn,
so that a large set hides no small one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.audio import audio_files
from edge.errors import AudioFileError, UsageError
from training.augment.seeding import generator
from training.corpus import MANIFEST, Recording, read_manifest

NO_SPEECH: Final = frozenset({"noise", "rir"})
"""Splits that hold no speech: they are counted and not listened to."""

TOGETHER: Final = 4
"""Clips that a speaker gives at a turn: a voice heard once can be compared with nothing."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that cannot be used. ``path``: relative to the folder."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What a folder has. ``manifest``: whether its rows come from one; without, lengths are 0 until a file is read."""

    rows: tuple[Recording, ...]
    problems: tuple[Problem, ...]
    manifest: bool


def contents(folder: Path, sets: Iterable[str] = (), splits: Iterable[str] = ()) -> Contents:
    """Read the manifest, or list the files; ``sets`` and ``splits``: only those, all where empty.

    Raises ``UsageError`` for a folder without recordings, a broken manifest, or a name that nothing has.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", "Name a folder of speech.")
    found = _from_manifest(folder) if (folder / MANIFEST).is_file() else _from_files(folder)
    if not found.rows:
        first = f"; the first problem: {found.problems[0].reason}" if found.problems else ""
        raise UsageError(f"{folder} holds no recordings{first}", "Name a folder of speech.")
    rows = found.rows
    for what, wanted in (("set", tuple(sets)), ("split", tuple(splits))):
        there = sorted({getattr(row, what) for row in rows})
        for name in wanted:
            if name not in there:
                raise UsageError(f"Nothing has the {what} {name!r}", f"There are: {', '.join(there)}.")
        rows = tuple(row for row in rows if not wanted or getattr(row, what) in wanted)
    if not rows:
        raise UsageError("No recording is of these sets and splits at once", "Name others, or fewer.")
    return Contents(rows, found.problems, found.manifest)


def draw(rows: Sequence[Recording], count: int, seed: int) -> tuple[Recording, ...]:
    """Give up to ``count`` rows of speech in the order of ``rows``; 0: all.

    Sets take turns, and within a set speakers do, ``TOGETHER`` clips each; clips without a speaker are each their own.
    """
    speech = [number for number, row in enumerate(rows) if row.split not in NO_SPEECH]
    if not count or count >= len(speech):
        return tuple(rows[number] for number in speech)
    order = generator(seed, "explore").permutation(len(speech))
    by_set: dict[str, dict[str, list[int]]] = {}
    for number in (speech[int(place)] for place in order):
        row = rows[number]
        by_set.setdefault(row.set, {}).setdefault(row.speaker or f"\0{number}", []).append(number)
    queues = [_in_turns(list(by_set[name].values())) for name in sorted(by_set)]
    chosen: list[int] = []
    while len(chosen) < count:
        for queue in queues:
            chosen += queue[:TOGETHER]
            del queue[:TOGETHER]
    return tuple(rows[number] for number in sorted(chosen[:count]))


def _in_turns(speakers: list[list[int]]) -> list[int]:
    """All clips, ``TOGETHER`` of a speaker, then of the next, and round again."""
    longest = max(map(len, speakers))
    return [
        clip for start in range(0, longest, TOGETHER) for clips in speakers for clip in clips[start : start + TOGETHER]
    ]


def _from_manifest(folder: Path) -> Contents:
    rows, problems = [], []
    for row in read_manifest(folder):
        # A path out of the folder would put somebody's file into a page that is passed on.
        if Path(row.path).is_absolute() or ".." in Path(row.path).parts:
            problems.append(Problem(row.path, "lies outside the folder"))
        else:
            rows.append(row)
    return Contents(tuple(rows), tuple(problems), manifest=True)


def _from_files(folder: Path) -> Contents:
    """One folder per speaker: the name of the folder that a file lies in is its speaker."""
    try:
        listing = audio_files(folder)
    except AudioFileError as error:
        raise UsageError(error.cause, error.remedy) from error
    rows = []
    for path in listing.files:
        place = path.relative_to(folder)
        speaker = place.parts[0] if len(place.parts) > 1 else ""
        rows.append(Recording(place.as_posix(), "", folder.resolve().name, speaker, "", "", "", 0.0, "", ""))
    problems = tuple(Problem("", error.cause) for error in listing.problems)
    return Contents(tuple(rows), problems, manifest=False)
