"""The index of a whole cache, merged from those of its shards.

Takes the shards' tables; gives three files: ``index.npy`` (a structured array that is memory-mapped), ``labels.json``
(what its label numbers mean) and ``set-aside.tsv``. Must hold: memory is bounded by one shard's table and the names
of speakers; ten million rows are opened at once, because nothing is parsed.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edge.errors import StorageError
from training.data.npy import NpyWriter, write_text
from training.data.shards import Row, SetAside, ShardReport, read_rows

INDEX: Final = "index.npy"
LABELS: Final = "labels.json"
SET_ASIDE: Final = "set-aside.tsv"

LABEL_COLUMNS: Final = ("speaker", "set", "gender", "emotion", "language")
"""Columns that hold numbers of names; -1 where the manifest says nothing. A speaker's name is ``set/speaker``."""

ROW: Final = np.dtype(
    [
        ("clip", "<i8"), ("shard", "<i4"), ("first", "<i8"), ("clean_first", "<i8"), ("frames", "<i4"),
        ("view", "<i2"), ("speaker", "<i4"), ("set", "<i2"), ("gender", "<i2"), ("emotion", "<i2"), ("language", "<i2"),
    ]
)  # fmt: skip

Rows = npt.NDArray[Any]


def merge(folder: Path, reports: Iterable[ShardReport]) -> int:
    """Write the merged index of the shards, in their order; give the number of its rows. Raises ``OSError``."""
    names: dict[str, dict[str, int]] = {column: {} for column in LABEL_COLUMNS}
    aside: list[SetAside] = []
    with NpyWriter(folder / INDEX, ROW) as file:
        for report in reports:
            aside.extend(report.set_aside)
            rows = [_packed(row, report.number, names) for row in read_rows(folder, report.number)]
            file.append(np.array(rows, ROW))
    write_text(folder / LABELS, json.dumps({key: list(found) for key, found in names.items()}, ensure_ascii=False))
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(("path", "reason"))
    writer.writerows((one.path, one.reason) for one in aside)
    write_text(folder / SET_ASIDE, text.getvalue())
    return file.rows


def _packed(row: Row, shard: int, names: dict[str, dict[str, int]]) -> tuple[int, ...]:
    labels = (f"{row.set}/{row.speaker}" if row.speaker else "", row.set, row.gender, row.emotion, row.language)
    numbers = [
        names[column].setdefault(label, len(names[column])) if label else -1
        for column, label in zip(LABEL_COLUMNS, labels, strict=True)
    ]
    return (row.clip, shard, row.first, row.clean_first, row.frames, row.view, *numbers)


def open_index(folder: Path) -> tuple[Rows, dict[str, tuple[str, ...]]]:
    """The rows by memory map, and the names behind their labels. Raises ``StorageError``."""
    try:
        rows: Rows = np.load(folder / INDEX, mmap_mode="r")
        raw = json.loads((folder / LABELS).read_text(encoding="utf-8"))
        labels = {column: tuple(raw[column]) for column in LABEL_COLUMNS}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StorageError(
            f"The features in {folder} cannot be opened ({error})", "Prepare them with earmark data prepare."
        ) from error
    if rows.dtype != ROW:
        raise StorageError(f"{folder / INDEX} is of another version", "Prepare the features again.")
    return rows, labels


def read_set_aside(folder: Path) -> Iterator[SetAside]:
    """Yield the clips that were set aside. Raises ``StorageError``."""
    try:
        with (folder / SET_ASIDE).open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file, delimiter="\t"):
                yield SetAside(line["path"], line["reason"])
    except (OSError, KeyError, csv.Error) as error:
        raise StorageError(f"{folder / SET_ASIDE} cannot be read ({error})", "Prepare the features again.") from error
