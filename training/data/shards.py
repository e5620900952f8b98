"""One shard of the feature cache: float16 features and an index that says whose they are.

Takes features clip by clip; gives three files, written under temporary names and renamed, the last of them last:

    shard-00012.npy    float16 (rows, coefficients), features before normalisation
    shard-00012.tsv    one line per clip and view: where its rows are, and the manifest's labels
    shard-00012.json   how many rows, which clips were set aside and why, seconds of CPU; its presence means "whole"

Must hold: a shard is whole or does not count; reading maps the file and loads nothing. Float16 keeps 11 bits: log
energies lie between -2.3 and 25, so they are off by less than 0.008, a hundredth of what a noisy room does to them.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edge.errors import StorageError
from training.data.npy import write_text

Float16 = npt.NDArray[np.float16]

BYTES: Final = 2
"""Of one stored coefficient."""


@dataclass(frozen=True, slots=True)
class Row:
    """One clip in one view.

    ``clip``: number of the clip in the plan. ``view``: 0 is the recording itself, others are degraded. ``first``: first
    row of its features. ``clean_first``: first row of its clean partner, aligned in time and equally long; the same as
    ``first`` in view 0. ``frames``: length of both. ``seconds``: of the clip, in this view.
    """

    clip: int
    path: str
    view: int
    first: int
    clean_first: int
    frames: int
    set: str
    speaker: str
    gender: str
    emotion: str
    language: str
    seconds: float


_NUMBERS: Final = ("clip", "view", "first", "clean_first", "frames")
_COLUMNS: Final = tuple(field.name for field in fields(Row))


@dataclass(frozen=True, slots=True)
class SetAside:
    """A clip that could not be used, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class ShardReport:
    """What became of a shard. ``audio_seconds``: of the clips in it. ``cpu_seconds``: of the thread that made it."""

    number: int
    rows: int
    clips: int
    audio_seconds: float
    cpu_seconds: float
    set_aside: tuple[SetAside, ...] = ()


def shard_path(folder: Path, number: int, ending: str) -> Path:
    """Path of a file of a shard; ``ending``: ``npy``, ``tsv`` or ``json``."""
    return folder / f"shard-{number:05d}.{ending}"


def write_rows(folder: Path, number: int, rows: Iterable[Row]) -> None:
    """Write a shard's index. Raises ``OSError``."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows([getattr(row, name) for name in _COLUMNS] for row in rows)
    write_text(shard_path(folder, number, "tsv"), text.getvalue())


def read_rows(folder: Path, number: int) -> Iterator[Row]:
    """Yield a shard's index row by row. Raises ``StorageError`` where it cannot be understood."""
    path = shard_path(folder, number, "tsv")
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file, delimiter="\t"):
                values: dict[str, Any] = dict(line)
                values |= {name: int(line[name]) for name in _NUMBERS} | {"seconds": float(line["seconds"])}
                yield Row(**values)
    except (OSError, ValueError, TypeError, KeyError, csv.Error) as error:
        raise StorageError(f"The index {path} cannot be read ({error})", _AGAIN) from error


_AGAIN: Final = "Remove the cache's folder and prepare it again."


def write_report(folder: Path, report: ShardReport) -> None:
    """Mark a shard as whole. Raises ``OSError``."""
    write_text(shard_path(folder, report.number, "json"), json.dumps(asdict(report), ensure_ascii=False) + "\n")


def read_report(folder: Path, number: int, coefficients: int) -> ShardReport | None:
    """What became of a shard, or None where it is not whole: no marker, or features of another size."""
    try:
        raw = json.loads(shard_path(folder, number, "json").read_text(encoding="utf-8"))
        report = ShardReport(**(raw | {"set_aside": tuple(SetAside(**one) for one in raw["set_aside"])}))
        features = np.load(shard_path(folder, number, "npy"), mmap_mode="r" if report.rows else None)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    whole = features.shape == (report.rows, coefficients) and shard_path(folder, number, "tsv").is_file()
    return report if whole else None


def map_features(folder: Path, number: int) -> Float16:
    """A shard's features by memory map, float16 ``(rows, coefficients)``. Raises ``StorageError``."""
    path = shard_path(folder, number, "npy")
    try:
        features: Float16 = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise StorageError(f"The shard {path} cannot be read ({error})", _AGAIN) from error
    return features
