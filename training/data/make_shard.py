"""Makes one shard: decode, augment, compute features, write. This is what a worker does.

Takes a ``Chunk`` (the clips of a shard); gives its ``ShardReport``. Must hold: one clip is in memory at a time; a bad
clip is set aside with its reason and the others go on; while a clip is being worked on, a file beside the shard holds
its number, so that a crash can be put down to it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.errors import AudioFileError, EarmarkError
from edge.features import FrontEnd
from edge.records import SAMPLE_RATE, FeatureSpec, Float32
from training.corpus import Recording
from training.data.clips import read_clip
from training.data.npy import NpyWriter
from training.data.shards import Row, SetAside, ShardReport, shard_path, write_report, write_rows
from training.data.views import Augmenter, AugmenterSource, views


@dataclass(frozen=True, slots=True)
class Chunk:
    """The clips of one shard. ``crashed``: numbers of clips that took a worker down before, to be set aside."""

    shard: int
    numbers: tuple[int, ...]
    clips: tuple[Recording, ...]
    crashed: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Bench:
    """The state of a worker: what it needs for any clip."""

    front_end: FrontEnd
    augmenter: Augmenter | None
    speech: Path
    folder: Path
    views: int
    seed: int
    convert: bool = False


@dataclass(frozen=True)
class BenchSetup:
    """Makes a ``Bench`` in a worker. Paths must mean the same on every machine. ``convert``: see ``read_clip``."""

    spec: FeatureSpec
    source: AugmenterSource | None
    speech: Path
    folder: Path
    views: int
    seed: int
    convert: bool = False

    def __call__(self) -> Bench:
        """Make it. Raises ``BundleError`` for features that can't be computed exactly."""
        augmenter = self.source() if self.source and self.views else None
        return Bench(FrontEnd(self.spec), augmenter, self.speech, self.folder, self.views, self.seed, self.convert)


def make_shard(bench: Bench, chunk: Chunk) -> ShardReport:
    """Write the shard of ``chunk``. Raises ``OSError`` where the cache cannot be written."""
    begun = time.thread_time()
    rows: list[Row] = []
    aside: list[SetAside] = []
    now = now_path(bench.folder, chunk.shard)
    where = os.open(now, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        coefficients = bench.front_end.spec.coefficients
        with NpyWriter(shard_path(bench.folder, chunk.shard, "npy"), np.float16, (coefficients,)) as file:
            for number, clip in zip(chunk.numbers, chunk.clips, strict=True):
                if number in chunk.crashed:
                    aside.append(SetAside(clip.path, "the worker process died of it"))
                    continue
                os.pwrite(where, f"{number:20d}".encode(), 0)
                try:
                    found = list(_features(bench, clip))
                except AudioFileError as error:
                    aside.append(SetAside(clip.path, error.cause))
                    continue
                rows.extend(_written(file, found, number, clip))
    finally:
        os.close(where)
    write_rows(bench.folder, chunk.shard, rows)
    report = ShardReport(
        number=chunk.shard,
        rows=file.rows,
        clips=len(chunk.clips) - len(aside),
        audio_seconds=round(sum(row.seconds for row in rows if row.view == 0), 3),
        cpu_seconds=round(time.thread_time() - begun, 3),
        set_aside=tuple(aside),
    )
    write_report(bench.folder, report)
    now.unlink(missing_ok=True)
    return report


def now_path(folder: Path, shard: int) -> Path:
    """Where a worker notes which clip it is working on."""
    return folder / f"shard-{shard:05d}.now"


def blamed(folder: Path, shard: int) -> int | None:
    """Number of the clip that a shard's worker was working on when it died, or None where it had begun none."""
    try:
        return int(now_path(folder, shard).read_text())
    except (OSError, ValueError):
        return None


@dataclass(frozen=True, slots=True, eq=False)
class _Features:
    """Features of one view. ``clean``: None where they are the same."""

    view: int
    heard: Float32
    clean: Float32 | None
    seconds: float


def _features(bench: Bench, clip: Recording) -> Iterator[_Features]:
    """All views of a clip. Raises ``AudioFileError`` for anything that is wrong with it."""
    samples = read_clip(bench.speech / clip.path, convert=bench.convert)
    try:
        for view in views(samples, clip.path, bench.augmenter, bench.views, bench.seed):
            heard = bench.front_end.features(view.samples)
            clean = None if view.clean is view.samples else bench.front_end.features(view.clean)
            yield _Features(view.number, heard, clean, len(view.samples) / SAMPLE_RATE)
    except EarmarkError as error:
        raise AudioFileError(error.sentence()) from error
    except (ValueError, ArithmeticError, IndexError, np.linalg.LinAlgError) as error:
        # One odd recording among millions must not end the work; it is named with its reason.
        raise AudioFileError(f"{type(error).__name__}: {error}") from error


def _written(file: NpyWriter, found: list[_Features], number: int, clip: Recording) -> Iterator[Row]:
    for one in found:
        first = file.append(one.heard)
        clean_first = first if one.clean is None else file.append(one.clean)
        yield Row(
            clip=number, path=clip.path, view=one.view, first=first, clean_first=clean_first, frames=len(one.heard),
            set=clip.set, speaker=clip.speaker, gender=clip.gender, emotion=clip.emotion, language=clip.language,
            seconds=round(one.seconds, 4),
        )  # fmt: skip
