"""Compares a manifest with its files.

Takes a folder with ``manifest.tsv``; gives ``Problem`` rows. Must hold: every row is looked at; the manifest's own
faults (a file named twice, a speaker in several splits) and the files' faults are told apart by ``kind``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from edge.errors import AudioFileError
from edge.records import SAMPLE_RATE
from training.corpus import Recording
from training.data.clips import read_clip, read_head, refuse_form
from training.data.executors import run
from training.data.plan import shared_speakers
from training.data.shards import SetAside

_TOGETHER: Final = 64
"""Files per item of work."""

_LENGTH_TOLERANCE_SECONDS: Final = 0.1
_LENGTH_TOLERANCE_SHARE: Final = 0.02
"""A manifest may have been written before a codec padded its last packet."""

KINDS: Final = (
    "missing", "empty file", "unreadable", "wrong rate", "channels", "too short", "silent", "no numbers", "length",
    "twice in manifest", "speaker in several splits", "duplicate", "duplicate across splits", "crash",
    "not downloaded", "not labelled", "not cut", "not converted", "not validated", "second copy", "damaged",
)  # fmt: skip
"""What can be wrong."""


@dataclass(frozen=True, slots=True)
class Problem:
    """``kind``: one of ``KINDS``. ``what``: a path, or a speaker. ``detail``: the rest of the sentence."""

    kind: str
    what: str
    detail: str


@dataclass(frozen=True, slots=True)
class Checker:
    """The work of one worker. ``decode``: read every sample, not only the head. ``convert``: any rate is right."""

    folder: Path
    decode: bool
    convert: bool = False

    def __call__(self) -> Checker:
        """Itself: there is nothing to set up."""
        return self


Finding = tuple[str, str, list[Problem]]
"""Path, SHA-256 ("" where it can't be read) and what is wrong with it alone."""


def check(
    folder: Path,
    recordings: Sequence[Recording],
    *,
    how: str = "serial",
    decode: bool = False,
    convert: bool = False,
    progress: Callable[[int], None] | None = None,
) -> list[Problem]:
    """All problems, those of the manifest first, files in the manifest's order.

    Args:
        folder: of the manifest.
        recordings: its rows.
        how: see ``executors.run``.
        decode: read every sample: finds damage within files, and duplicates in another container or codec's wrapping.
        convert: files may be of any rate and channel count, as where there is no manifest.
        progress: told how many more files were looked at.
    """
    found: dict[str, Finding] = {}
    todo = _groups(dict.fromkeys(r.path for r in recordings), {r.path: r for r in recordings})
    for outcome in run(look, todo, how, setup=Checker(folder.absolute(), decode, convert)):
        for path, digest, problems in outcome.result or [_crash(r, outcome.problem) for r in outcome.item]:
            found[path] = (path, digest, problems)
        if progress:
            progress(len(outcome.item))
    problems = _of_manifest(recordings)
    for path in dict.fromkeys(r.path for r in recordings):
        problems.extend(found[path][2])
    return problems + _duplicates(recordings, {path: digest for path, digest, _ in found.values()})


def look(checker: Checker, group: Sequence[Recording]) -> list[Finding]:
    """Look at files; what a worker does."""
    return [_look(checker, recording) for recording in group]


def _look(checker: Checker, recording: Recording) -> Finding:
    path = checker.folder / recording.path
    try:
        head = read_head(path)
        if checker.convert:
            refuse_form(SAMPLE_RATE, 1, head.seconds)
        else:
            refuse_form(head.rate, head.channels, head.seconds)
        if checker.decode:
            samples = read_clip(path, convert=checker.convert)
            digest = hashlib.sha256(np.rint(samples * 32768).astype("<i4").tobytes()).hexdigest()
        else:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
    except AudioFileError as error:
        return recording.path, "", [Problem(_kind(error.cause), recording.path, error.cause)]
    except OSError as error:
        return recording.path, "", [Problem("unreadable", recording.path, f"unreadable ({error})")]
    off = abs(head.seconds - recording.seconds)
    if off > max(_LENGTH_TOLERANCE_SECONDS, _LENGTH_TOLERANCE_SHARE * head.seconds):
        detail = f"{head.seconds:.2f} s instead of the manifest's {recording.seconds:.2f}"
        return recording.path, digest, [Problem("length", recording.path, detail)]
    return recording.path, digest, []


def of_set_aside(set_aside: Iterable[SetAside]) -> list[Problem]:
    """What reading a folder without a manifest set aside, as problems."""
    return [Problem(_kind(one.reason), one.path, one.reason) for one in set_aside]


def _kind(cause: str) -> str:
    if "channels" in cause:
        return "channels"
    if "no numbers" in cause:
        return "no numbers"
    if "second copy" in cause:
        return "second copy"
    return next((kind for kind in KINDS if cause.startswith(kind)), "unreadable")


def _crash(recording: Recording, problem: str) -> Finding:
    return recording.path, "", [Problem("crash", recording.path, f"it or a file beside it: {problem}")]


def _of_manifest(recordings: Sequence[Recording]) -> list[Problem]:
    problems = [
        Problem("speaker in several splits", f"{corpus}/{speaker}", "in " + ", ".join(splits))
        for (corpus, speaker), splits in shared_speakers(recordings).items()
    ]
    lines: dict[str, int] = {}
    for recording in recordings:
        lines[recording.path] = lines.get(recording.path, 0) + 1
    return problems + [
        Problem("twice in manifest", path, f"in {count} lines") for path, count in lines.items() if count > 1
    ]


def _duplicates(recordings: Sequence[Recording], digests: dict[str, str]) -> list[Problem]:
    first: dict[str, Recording] = {}
    problems = []
    for recording in recordings:
        digest = digests[recording.path]
        twin = first.setdefault(digest, recording) if digest else recording
        if twin.path != recording.path:
            kind = "duplicate" if twin.split == recording.split else "duplicate across splits"
            problems.append(Problem(kind, recording.path, f"the same as {twin.path}"))
    return problems


def _groups(paths: Iterable[str], rows: dict[str, Recording]) -> Iterator[tuple[Recording, ...]]:
    waiting = iter(paths)
    while group := tuple(rows[path] for path in islice(waiting, _TOGETHER)):
        yield group
