"""Brings sets into the one form that every command takes: 16 kHz mono files and a manifest.

Takes a folder in any layout; gives a folder with ``manifest.tsv`` and ``set-aside.tsv``. Files that have the form
already are linked (copied where links are impossible), others become FLAC; long recordings are cut. Must hold: a file
under its final name is whole, so that the same command goes on after Ctrl-C; a bad file is set aside by name and
nothing else suffers; the source is only read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final

from edge.errors import ExtraMissingError, StorageError, UsageError
from training.corpus import MANIFEST, Recording
from training.data.convert import FFMPEG, needs_ffmpeg
from training.data.executors import run
from training.data.shards import SetAside
from training.datasets.bring import Bringer, Task, bring
from training.datasets.folders import FOLDERS
from training.datasets.layout import Labelled, Layout
from training.datasets.manifests import merged, write_manifest, write_set_aside
from training.datasets.speech import Place, find_places, recording, strangers
from training.datasets.splits import hold_out

_LOOKED_AT: Final = 20
"""Files of a set that are looked at to say before any work whether ffmpeg is needed."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person may choose.

    ``cut_seconds``: length of pieces; None: what the layout says, 0: leave whole. ``dev``: share of the people of each
    set without splits who go to ``dev``. ``language``: of files whose set says none. ``name``: of the set,
    where it is a folder per person whose own name won't do.
    """

    layout: str = ""
    cut_seconds: float | None = None
    dev: float = 0.0
    seed: int = 1
    language: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import made. ``undivided``: sets all of whose people are in ``train``."""

    folder: Path
    recordings: tuple[Recording, ...]
    set_aside: tuple[SetAside, ...]
    layouts: tuple[str, ...]
    undivided: tuple[str, ...]


def import_speech(
    source: Path,
    target: Path,
    choices: Choices,
    how: str = "serial",
    progress: Callable[[int, int], None] | None = None,
) -> Imported:
    """Import ``source`` into ``target``.

    Args:
        source: folder in any layout that is no manifest's.
        target: folder of the result; sets that are in its manifest already stay, unless they are imported again.
        choices: see there.
        how: see ``executors.run``.
        progress: told how many files are done, and of how many.

    Raises:
        UsageError: the folder holds no known set, or a manifest already.
        ExtraMissingError: ffmpeg is needed and not installed.
        StorageError: the target cannot be written.
    """
    if choices.cut_seconds is not None and not (choices.cut_seconds == 0 or choices.cut_seconds >= 1):
        raise UsageError(f"Pieces of {choices.cut_seconds:g} s make no sense", "Give 0, or at least 1 second.")
    places = find_places(source, choices.layout)
    if any(place.layout is None for place in places):
        raise UsageError(f"{source} has a {MANIFEST}", "It needs no import: every command takes it as it is.")
    if target.absolute() == source.absolute() or source.absolute() in target.absolute().parents:
        raise UsageError(f"{target} lies within what is imported", "Choose a folder elsewhere.")
    aside = list(strangers(source, places))
    tasks = list(_tasks(source, places, choices, aside))
    _refuse_without_ffmpeg(source, tasks)
    rows: dict[int, list[Recording]] = {}
    setup = Bringer(source.absolute(), target.absolute())
    try:
        target.mkdir(parents=True, exist_ok=True)
        for done, outcome in enumerate(run(bring, (task for task, _ in tasks), how, setup=setup), start=1):
            task, layout = outcome.item, tasks[outcome.item.number][1]
            if outcome.result is None:
                aside.append(SetAside(task.found.path, outcome.problem.rstrip(".") or "the worker process died of it"))
            elif outcome.result.failure:
                raise StorageError(f"{target} cannot be written ({outcome.result.failure})", "Is the disk full?")
            else:
                aside += outcome.result.set_aside
                rows[task.number] = [
                    recording(replace(task.found, path=path), layout, path, seconds)
                    for path, seconds in outcome.result.clips
                ]
            if progress:
                progress(done, len(tasks))
        made = tuple(row for number in sorted(rows) for row in rows[number])
        divided = hold_out(made, choices.dev, choices.seed)
        aside.sort(key=lambda one: one.path)
        write_set_aside(target, source.absolute().name, aside)
        write_manifest(target, merged(target, divided))
    except OSError as error:
        raise StorageError(f"{target} cannot be written ({error})", "Choose another place.") from error
    splits: dict[str, set[str]] = {}
    for row in divided:
        splits.setdefault(row.set, set()).add(row.split)
    return Imported(
        target,
        divided,
        tuple(aside),
        tuple(dict.fromkeys(place.layout.name for place in places if place.layout)),
        tuple(name for name, found in splits.items() if not found & {"dev", "test"}),
    )


def _tasks(source: Path, places: list[Place], choices: Choices, aside: list[SetAside]) -> Iterator[tuple[Task, Layout]]:
    """One task per labelled file, numbered from 0; what the layouts set aside goes to ``aside``."""
    taken: set[str] = set()
    number = 0
    for place in places:
        layout = place.layout
        if layout is None:
            continue
        cut = layout.cut_seconds if choices.cut_seconds is None else choices.cut_seconds
        for found in layout.find(source / place.under):
            path = place.path(found.path)
            if isinstance(found, SetAside):
                aside.append(SetAside(path, found.reason))
                continue
            name = (choices.name if layout is FOLDERS else "") or found.set or layout.name
            label = replace(found, path=path, set=name, language=found.language or choices.language)
            if found.split == "noise":
                label = replace(label, language="")
            stem = _free(f"{_plain(name)}/{PurePosixPath(found.path).with_suffix('')}", found, taken)
            yield Task(number, label, stem, cut), layout
            number += 1


def _free(stem: str, found: Labelled, taken: set[str]) -> str:
    """A name for the result; files that differ in their suffix alone keep it."""
    if stem in taken:
        stem += "-" + PurePosixPath(found.path).suffix.lstrip(".")
    while stem in taken:
        stem += "-again"
    taken.add(stem)
    return stem


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name).lstrip(".") or "speech"


def _refuse_without_ffmpeg(source: Path, tasks: list[tuple[Task, Layout]]) -> None:
    import shutil

    some = tasks[:: max(1, len(tasks) // _LOOKED_AT)]
    if not shutil.which(FFMPEG) and any(needs_ffmpeg(source / task.found.path) for task, _ in some):
        raise ExtraMissingError(
            f"{source} has files that only ffmpeg reads, and there is none", "Install it: apt-get install ffmpeg."
        )
