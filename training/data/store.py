"""Reads caches of features: any number of them as one store of rows.

Takes folders that ``prepare`` made; gives stretches of features by memory map, and label numbers as arrays. Must hold:
features stay on disk until a stretch is asked for; labels of the same name have the same number in all of a store's
caches; a store can be pickled and opened again in another process; several threads may read.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edge.bundle import spec_from_json
from edge.errors import StorageError, UsageError
from edge.records import FeatureSpec, Float32
from training.data.index import LABEL_COLUMNS, Rows, open_index
from training.data.plan import unnormalised
from training.data.prepare import CACHE, read_card
from training.data.shards import Float16, map_features, read_rows

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

_MAPS: Final = 256
"""Shards that are mapped at the same time; pages of others are given back."""


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """One cache of a store. ``labels``: for each column, its own label number to the store's."""

    folder: Path
    rows: Rows
    labels: dict[str, Int32]


class Store:
    """Rows of one or several caches; a row is one clip in one view, numbered from 0.

    ``spec``: of the features as stored, before normalisation. ``names``: for each label column, the names behind the
    numbers.

    Raises ``StorageError`` where a cache is incomplete or broken, ``UsageError`` where their features differ.
    """

    def __init__(self, folders: Path | Sequence[Path]) -> None:
        self.folders = (folders,) if isinstance(folders, Path) else tuple(folders)
        if not self.folders:
            raise UsageError("No folder of features was given", "Prepare one with earmark data prepare.")
        self.spec = _common_spec(self.folders)
        known: dict[str, dict[str, int]] = {column: {} for column in LABEL_COLUMNS}
        self._parts = [_part(folder, known) for folder in self.folders]
        self._ends = np.cumsum([len(part.rows) for part in self._parts])
        self.names: dict[str, tuple[str, ...]] = {column: tuple(found) for column, found in known.items()}
        self._maps: OrderedDict[tuple[int, int], Float16] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __reduce__(self) -> tuple[Any, ...]:
        # Maps and locks stay in their process.
        return (Store, (self.folders,))

    @cached_property
    def frames(self) -> Int32:
        """Length of each row in frames, ``(rows,)``."""
        return self._column("frames")

    @cached_property
    def views(self) -> Int32:
        """View of each row, ``(rows,)``: 0 is the recording itself."""
        return self._column("view")

    @cached_property
    def shards(self) -> Int64:
        """Shard of each row, ``(rows,)``, numbered through all caches; rows of a shard lie together on the disk."""
        columns, first = [], 0
        for part in self._parts:
            columns.append(part.rows["shard"].astype(np.int64) + first)
            first = int(columns[-1].max(initial=first - 1)) + 1
        return np.concatenate(columns)

    @cached_property
    def speakers(self) -> Int32:
        """Label number of each row's speaker, ``(rows,)``, -1 where unknown."""
        return self.label("speaker")

    def label(self, column: str) -> Int32:
        """Label numbers of ``speaker``, ``set``, ``gender``, ``emotion`` or ``language``, ``(rows,)``, -1: unknown."""
        if column not in LABEL_COLUMNS:
            raise UsageError(f"There is no label {column!r}", f"There are {', '.join(LABEL_COLUMNS)}.")
        # The last entry of a part's table is -1, which is what label -1 looks up.
        return np.concatenate([part.labels[column][part.rows[column]] for part in self._parts])

    def features(self, row: int, start: int = 0, length: int | None = None) -> Float32:
        """``length`` frames (None: all) from ``start``, float32 ``(n, coefficients)``; fewer where the row ends."""
        return self._read(row, "first", start, length)

    def clean(self, row: int, start: int = 0, length: int | None = None) -> Float32:
        """The same stretch of the clean partner; in view 0 it is the recording itself."""
        return self._read(row, "clean_first", start, length)

    def clip(self, row: int) -> tuple[Path, int]:
        """The cache of a row, and the number of its clip there; views of one clip share it."""
        part, record = self._record(row)
        return self._parts[part].folder, int(record["clip"])

    def path(self, row: int) -> str:
        """Path of a row's recording. Reads a shard's table: for a look at a few rows, not for a loop over all."""
        part, record = self._record(row)
        for found in read_rows(self._parts[part].folder, int(record["shard"])):
            if found.clip == record["clip"]:
                return found.path
        raise StorageError(f"Row {row} is in no table of {self._parts[part].folder}", "Prepare the features again.")

    def _record(self, row: int) -> tuple[int, Any]:
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        part = int(np.searchsorted(self._ends, row, side="right"))
        return part, self._parts[part].rows[row - (int(self._ends[part - 1]) if part else 0)]

    def _read(self, row: int, column: str, start: int, length: int | None) -> Float32:
        part, record = self._record(row)
        frames = int(record["frames"])
        stop = frames if length is None else min(frames, start + length)
        first = int(record[column])
        return self._map(part, int(record["shard"]))[first + min(start, frames) : first + stop].astype(np.float32)

    def _map(self, part: int, shard: int) -> Float16:
        key = (part, shard)
        with self._lock:
            if key not in self._maps:
                self._maps[key] = map_features(self._parts[part].folder, shard)
                while len(self._maps) > _MAPS:
                    self._maps.popitem(last=False)
            self._maps.move_to_end(key)
            return self._maps[key]

    def _column(self, name: str) -> Int32:
        return np.concatenate([part.rows[name].astype(np.int32) for part in self._parts])


def _part(folder: Path, known: dict[str, dict[str, int]]) -> _Part:
    rows, names = open_index(folder)
    labels = {}
    for column, found in names.items():
        numbers = [known[column].setdefault(name, len(known[column])) for name in found]
        labels[column] = np.array([*numbers, -1], np.int32)
    return _Part(folder, rows, labels)


def _common_spec(folders: Sequence[Path]) -> FeatureSpec:
    specs = []
    for folder in folders:
        card = read_card(folder)
        if card is None or "features" not in card:
            raise StorageError(f"{folder} holds no features: {CACHE} is missing", "Run earmark data prepare.")
        if not card.get("complete"):
            raise StorageError(f"The features in {folder} are not complete", "Run earmark data prepare again.")
        specs.append(spec_from_json(card["features"]))
    for folder, spec in zip(folders, specs, strict=True):
        if spec != specs[0]:
            raise UsageError(f"{folders[0]} and {folder} hold different features", "Use caches of the same features.")
    return specs[0]


def refuse_other_features(store: Store, spec: FeatureSpec) -> None:
    """Raise ``UsageError`` unless ``spec`` is that of the store's features, whatever its normalisation."""
    if unnormalised(spec) != store.spec:
        raise UsageError(
            f"The features in {store.folders[0]} are not those that are asked for",
            "Prepare features for this bundle or this spec.",
        )
