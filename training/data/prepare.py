"""From clips to a cache of features, however many there are, on however many workers; goes on where it stopped.

Takes a ``Plan``, the folder of the speech and a word that says how to spread the work; gives a ``Summary``. Must hold:
a shard that is whole is never made again; what is written does not depend on the workers; a bad clip, or one that
kills its worker, is set aside by name; a cache says that it is complete only when it is.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from edge.errors import AudioFileError, StorageError, UsageError
from training.data.executors import run
from training.data.index import merge
from training.data.make_shard import BenchSetup, Chunk, blamed, make_shard
from training.data.npy import PART, write_text
from training.data.plan import Plan
from training.data.shards import ShardReport, read_report, shard_path
from training.data.views import AugmenterSource

CACHE: Final = "cache.json"
_LOCK: Final = ".lock"

_MOST_CRASHES: Final = 100
"""In one run. More than that is no odd file, but a broken decoder or a machine without memory."""


@dataclass(frozen=True, slots=True)
class Step:
    """A shard that became whole. Seconds are of audio; ``found``: it was there already."""

    done_seconds: float
    total_seconds: float
    report: ShardReport
    found: bool


Progress = Callable[[Step], None]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a preparation did. Audio is counted once, however many views there are.

    ``clips``, ``audio_seconds``, ``rows``, ``set_aside``: of the whole cache. ``made_seconds``: audio of this run,
    ``cpu_seconds``: what its workers computed for it, ``wall_seconds``: how long it took.
    """

    folder: Path
    clips: int
    audio_seconds: float
    rows: int
    set_aside: int
    made_seconds: float
    cpu_seconds: float
    wall_seconds: float

    @property
    def per_core_second(self) -> float:
        """Seconds of audio per second of a core, 0 where nothing was left to do."""
        return self.made_seconds / self.cpu_seconds if self.cpu_seconds else 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"folder": str(self.folder), "audio_seconds_per_core_second": self.per_core_second}


def prepare(
    plan: Plan,
    speech: Path,
    cache: Path,
    how: str = "serial",
    *,
    progress: Progress | None = None,
    source: AugmenterSource | None = None,
    retry: bool = False,
    convert: bool = False,
) -> Summary:
    """Make what is missing of the plan's cache.

    Args:
        plan: what to make.
        speech: folder that the clips' paths are relative to.
        cache: folder of all caches.
        how: see ``executors.run``.
        progress: told about each shard that became whole.
        source: of the augmenter, where the plan has views.
        retry: make shards again of which clips were set aside.
        convert: take files of any rate, as a folder without a manifest may hold.

    Raises:
        UsageError: the cache's name is taken by other clips, or ``how`` makes no sense.
        StorageError: the cache cannot be written, or another preparation is at it.
        AudioFileError: not one clip could be used.
    """
    if plan.views and (source is None or source.fingerprint != plan.augment):
        raise UsageError("The plan's views need the augmenter that it names", "Pass the source it was planned with.")
    begun = time.monotonic()
    folder = plan.folder(cache).absolute()
    try:
        with _locked(folder):
            _claim(folder, plan)
            reports = _found(folder, plan, retry)
            missing = [number for number in range(len(plan.shards)) if number not in reports]
            if missing:
                _write_card(folder, plan.to_json() | {"complete": False})
            told = _Teller(plan, progress)
            for report in reports.values():
                told(report, found=True)
            setup = BenchSetup(plan.spec, source, speech.absolute(), folder, plan.views, plan.seed, convert)
            try:
                made = _make(plan, setup, how, missing, told)
            finally:
                _tidy(folder)
            reports |= made
            rows = merge(folder, (reports[number] for number in sorted(reports)))
            summary = Summary(
                folder=folder,
                clips=sum(one.clips for one in reports.values()),
                audio_seconds=round(sum(one.audio_seconds for one in reports.values()), 3),
                rows=rows,
                set_aside=sum(len(one.set_aside) for one in reports.values()),
                made_seconds=round(sum(one.audio_seconds for one in made.values()), 3),
                cpu_seconds=round(sum(one.cpu_seconds for one in made.values()), 3),
                wall_seconds=round(time.monotonic() - begun, 3),
            )
            if not rows:
                first = next(one.set_aside[0] for one in reports.values() if one.set_aside)
                raise AudioFileError(
                    f"Not one of {summary.set_aside} clips could be used; {first.path}: {first.reason}",
                    "Run earmark data check.",
                )
            done = {"usable_clips": summary.clips, "rows": rows, "set_aside": summary.set_aside, "complete": True}
            _write_card(folder, plan.to_json() | done)
            return summary
    except OSError as error:
        raise StorageError(f"The cache {folder} cannot be written ({error})", "Choose another place.") from error


class _Teller:
    """Adds up how much is done."""

    def __init__(self, plan: Plan, progress: Progress | None) -> None:
        self._plan, self._progress, self._done = plan, progress, 0.0

    def __call__(self, report: ShardReport, *, found: bool) -> None:
        self._done += self._plan.seconds_of(report.number)
        if self._progress:
            self._progress(Step(self._done, self._plan.audio_seconds, report, found))


def _make(plan: Plan, setup: BenchSetup, how: str, numbers: list[int], told: _Teller) -> dict[int, ShardReport]:
    """Make shards; those whose worker died are made again without the clip it died of."""
    made: dict[int, ShardReport] = {}
    crashed: dict[int, frozenset[int]] = {}
    todo = numbers
    while todo:
        again: list[int] = []
        chunks = (_chunk(plan, number, crashed.get(number, frozenset())) for number in todo)
        for outcome in run(make_shard, chunks, how, setup=setup):
            number = outcome.item.shard
            if outcome.crashed:
                clip = blamed(setup.folder, number)
                known = crashed.get(number, frozenset())
                if clip is None or clip in known or sum(map(len, crashed.values())) >= _MOST_CRASHES:
                    raise StorageError(
                        f"Workers keep dying, the last one at shard {number}",
                        "Look for a lack of memory; what is done is kept.",
                    )
                crashed[number] = known | {clip}
                again.append(number)
            elif outcome.result is None:
                raise StorageError(f"Shard {number} could not be made: {outcome.problem.rstrip('.')}", "")
            else:
                made[number] = outcome.result
                told(outcome.result, found=False)
        todo = again
    return made


def _chunk(plan: Plan, number: int, crashed: frozenset[int]) -> Chunk:
    numbers = tuple(int(one) for one in plan.shards[number])
    return Chunk(number, numbers, tuple(plan.clips[one] for one in numbers), crashed)


def _found(folder: Path, plan: Plan, retry: bool) -> dict[int, ShardReport]:
    """The shards that are whole already."""
    _tidy(folder)
    found: dict[int, ShardReport] = {}
    for number in range(len(plan.shards)):
        report = read_report(folder, number, plan.spec.coefficients)
        if report is None or (retry and report.set_aside):
            # Without its marker first: an interruption from here on leaves a shard that is not whole.
            shard_path(folder, number, "json").unlink(missing_ok=True)
        else:
            found[number] = report
    return found


def _tidy(folder: Path) -> None:
    """Remove what workers that were stopped have left behind."""
    for stale in (*folder.glob(f"*{PART}"), *folder.glob("shard-*.now")):
        stale.unlink(missing_ok=True)


def _claim(folder: Path, plan: Plan) -> None:
    """Raise ``UsageError`` where the folder is for something else."""
    card = read_card(folder)
    if card is not None and card.get("content") != plan.content:
        raise UsageError(f"{folder} holds other clips, or others' views", "Choose another --name, or none.")


def read_card(folder: Path) -> dict[str, Any] | None:
    """What a cache's folder says about itself, or None where it says nothing."""
    try:
        card = json.loads((folder / CACHE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return card if isinstance(card, dict) else None


def _write_card(folder: Path, card: dict[str, Any]) -> None:
    write_text(folder / CACHE, json.dumps(card, indent=1, ensure_ascii=False) + "\n")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other preparations out of a folder; the lock ends with the process, however that ends."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageError(f"Another preparation is at work in {folder}", "Wait for it.") from None
        yield
    finally:
        os.close(descriptor)
