"""Brings one file into the form of training: what a worker of an import does.

Takes a ``Task``; gives the clips that came of it. Must hold: results appear under their names only when they are whole;
what is there from an earlier run, and not older than its source, is taken as it is.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from edge.errors import AudioFileError, StorageError
from edge.records import SAMPLE_RATE, Float32
from training.data.clips import MIN_SECONDS, read_clip, read_head, refuse_missing
from training.data.convert import needs_ffmpeg, pieces, read_any
from training.data.npy import part_of
from training.data.shards import SetAside
from training.datasets.layout import Labelled

_KEPT: Final = frozenset({".wav", ".flac", ".ogg", ".opus"})
"""Suffixes of files that may stay as they are."""


@dataclass(frozen=True, slots=True)
class Task:
    """``found``: the file, its path relative to the source. ``stem``: of the result, relative to the target, without
    a suffix. ``cut_seconds``: length of the pieces, 0 to leave it whole. ``number``: of the task.
    """

    number: int
    found: Labelled
    stem: str
    cut_seconds: float


@dataclass(frozen=True, slots=True)
class Brought:
    """``clips``: paths relative to the target, with their seconds. ``failure``: why nothing can be written, which is no
    fault of the file.
    """

    clips: tuple[tuple[str, float], ...]
    set_aside: tuple[SetAside, ...] = ()
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Bringer:
    """The state of a worker: where from, and where to."""

    source: Path
    target: Path

    def __call__(self) -> Bringer:
        """Itself: there is nothing to set up."""
        return self


def bring(state: Bringer, task: Task) -> Brought:
    """Do it. Raises ``AudioFileError`` with the reason to set the file aside."""
    try:
        return _bring(state, task)
    except StorageError as error:
        return Brought((), failure=error.cause)


def _bring(state: Bringer, task: Task) -> Brought:
    path = state.source / task.found.path
    refuse_missing(path)
    if task.cut_seconds and task.found.split != "noise":
        return _cut(state, task, path)
    if _has_form(path):
        read_clip(path)
        result = f"{task.stem}{path.suffix.lower()}"
        if not _newer(state.target / result, path):
            _link(path, state.target / result)
        return Brought(((result, read_head(path).seconds),))
    result = f"{task.stem}.flac"
    target = state.target / result
    if not _newer(target, path):
        samples = read_any(path)
        _refuse(samples)
        _write(target, samples)
    return Brought(((result, read_head(target).seconds),))


def _cut(state: Bringer, task: Task, path: Path) -> Brought:
    """Pieces of a recording as a folder of files, named after the second they begin at; the folder appears whole."""
    folder = state.target / task.stem
    if not _newer(folder, path):
        part = part_of(folder)
        try:
            for second, samples in _pieces_of(path, task.cut_seconds):
                # Silent pieces are written too, so that a second run knows of them: they are told apart below.
                _write(part / f"{second:08.2f}.flac", samples)
            with _writing():
                if folder.exists():
                    shutil.rmtree(folder)
                part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    clips, aside = [], []
    for file in sorted(folder.glob("*.flac")):
        try:
            read_clip(file)
        except AudioFileError as error:
            aside.append(SetAside(f"{task.found.path}: from second {float(file.stem):g}", error.cause))
        else:
            clips.append((f"{task.stem}/{file.name}", read_head(file).seconds))
    if not clips and not aside:
        raise AudioFileError("silent or empty: nothing could be cut from it")
    return Brought(tuple(clips), tuple(aside))


def _pieces_of(path: Path, seconds: float) -> Iterator[tuple[float, Float32]]:
    """Pieces of ``seconds`` with where they begin; a rest of less than half a piece belongs to none, unless the whole
    recording is shorter than a piece. Raises ``AudioFileError``.
    """
    length = round(seconds * SAMPLE_RATE)
    waiting = np.zeros(0, np.float32)
    given = 0
    for piece in pieces(path):
        waiting = np.concatenate((waiting, piece))
        while len(waiting) >= length:
            yield given / SAMPLE_RATE, waiting[:length]
            waiting = waiting[length:]
            given += length
    if not given:
        _refuse(waiting)
    if 2 * len(waiting) >= length or not given:
        yield given / SAMPLE_RATE, waiting


def _has_form(path: Path) -> bool:
    if path.suffix.lower() not in _KEPT or needs_ffmpeg(path):
        return False
    head = read_head(path)
    return head.rate == SAMPLE_RATE and head.channels == 1


def _refuse(samples: Float32) -> None:
    seconds = len(samples) / SAMPLE_RATE
    if seconds < MIN_SECONDS:
        raise AudioFileError(f"too short: {seconds:.2f} s of at least {MIN_SECONDS}")
    if not samples.any():
        raise AudioFileError("silent: every sample is zero")


def _newer(result: Path, source: Path) -> bool:
    try:
        return result.stat().st_mtime >= source.stat().st_mtime
    except OSError:
        return False


@contextmanager
def _writing() -> Iterator[None]:
    """What goes wrong in here is the target's fault."""
    try:
        yield
    except OSError as error:
        raise StorageError(str(error)) from error


def _link(source: Path, target: Path) -> None:
    part = part_of(target)
    with _writing():
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            try:
                os.link(source, part)
            except OSError:  # another disk, a file system without links, or somebody else's file
                shutil.copyfile(source, part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


def _write(target: Path, samples: Float32) -> None:
    """16-bit FLAC; resampling may overshoot full scale by a little, which is clipped."""
    import soundfile

    coded = io.BytesIO()
    soundfile.write(coded, np.clip(samples, -1.0, 1.0), SAMPLE_RATE, subtype="PCM_16", format="FLAC")
    part = part_of(target)
    with _writing():
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(coded.getbuffer())
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
