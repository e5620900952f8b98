"""A teacher's outputs, computed once and kept.

Takes a teacher and items: a key, and a function that gives the samples when they are needed. Gives one embedding for
each item. Must hold: a key that is in the cache costs neither the samples nor the teacher; a run that is killed loses
at most the shard in work; teachers with different digests share nothing; reading writes nothing, so that any number
of processes may use a cache, and several may fill it.

In ``CACHE/DIGEST/`` a shard is two files: ``NAME.npy`` with float32 (k, dim) embeddings and ``NAME.keys`` with k
hashed keys, 16 bytes each. Both are written under another name and then renamed, the keys last: a shard whose keys are
there is whole. Names are random; where two processes computed the same key, the first name counts.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from edge.errors import StorageError, UsageError
from edge.records import Float32
from training.teachers.plugin import Teacher

Item = tuple[str, Callable[[], Float32]]
"""What names the samples, and how to get them. Equal keys must mean equal samples: ``key_of``, ``sample_key``."""

Progress = Callable[[int, int], None]
"""Told (items done, all items); those that were in the cache are done at the start."""

SHARD_ITEMS: Final = 256
"""How many new embeddings are kept in memory at most: a minute or two of work of a large teacher on one core."""

UNIT_TOLERANCE: Final = 1e-3
"""How far a teacher's embedding may be from unit norm."""

_KEY_BYTES: Final = 16


def sample_key(samples: Float32) -> str:
    """A key for samples that exist already: their hash."""
    return hashlib.sha256(np.ascontiguousarray(samples, np.float32).tobytes()).hexdigest()


def key_of(*parts: str | int | float | None) -> str:
    """A key for samples that can be made again: what they are made from, such as clip, span, augmentation and seed.

    Include the hash of the clip's content, not only its path, and a version of the code that augments it.
    """
    return json.dumps(parts, separators=(",", ":"))


def outputs(
    teacher: Teacher,
    items: Sequence[Item],
    cache_folder: Path,
    progress: Progress | None = None,
    *,
    shard_items: int = SHARD_ITEMS,
) -> Float32:
    """The teacher's embedding of every item, float32 ``(len(items), teacher.dimensions)``, in order.

    Items that share a key are computed once. Whatever stops the run, even Ctrl-C, what is done by then is kept; only
    a process that is killed loses the shard in work. Raises ``StorageError`` where the cache can't be used, and
    ``UsageError`` where the teacher gives something else than a unit-norm vector of its length.
    """
    cache = OutputCache(cache_folder, teacher.digest, teacher.dimensions)
    result: Float32 = np.empty((len(items), teacher.dimensions), np.float32)
    places: dict[bytes, list[int]] = {}
    missing = cache.fill(result, [key for key, _ in items])
    for place in missing:
        places.setdefault(_hashed(items[place][0]), []).append(place)
    done = len(items) - len(missing)
    if progress:
        progress(done, len(items))
    if missing:
        cache.prepare()  # before the work, not after the first shard's worth of it
    fresh: dict[bytes, Float32] = {}
    try:
        for hashed, wanted in places.items():
            key, samples = items[wanted[0]]
            fresh[hashed] = result[wanted] = _asked(teacher, samples(), key)
            done += len(wanted)
            if len(fresh) >= shard_items:
                cache.append(fresh)
                fresh = {}
            if progress:
                progress(done, len(items))
    finally:
        cache.append(fresh)
    return result


class OutputCache:
    """The kept outputs of one teacher. Sees the shards that were there when it was opened, and its own."""

    def __init__(self, folder: Path, digest: str, dimensions: int) -> None:
        """Open ``folder/digest``, which need not exist yet. Raises ``StorageError`` for one that can't be read."""
        self._folder = folder / digest
        self._dimensions = dimensions
        self._shards: list[Path] = []
        self._rows: dict[bytes, tuple[int, int]] = {}  # hashed key -> number of the shard, row in it
        for path in sorted(self._folder.glob("*.keys")):
            self._open(path)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, key: str) -> bool:
        return _hashed(key) in self._rows

    def fill(self, result: Float32, keys: Sequence[str]) -> list[int]:
        """Put what is there into the rows of ``result``, float32 ``(len(keys), dimensions)``; the rows still empty.

        Reads each shard once, one at a time: a cache may be larger than the memory or than the limit of open files.
        """
        missing: list[int] = []
        wanted: dict[int, list[tuple[int, int]]] = {}
        for place, key in enumerate(keys):
            found = self._rows.get(_hashed(key))
            if found is None:
                missing.append(place)
            else:
                wanted.setdefault(found[0], []).append((place, found[1]))
        for number, pairs in wanted.items():
            places, rows = zip(*pairs, strict=True)
            result[list(places)] = self._vectors(self._shards[number])[list(rows)]
        return missing

    def prepare(self) -> None:
        """Make the folder. Raises ``StorageError`` where nothing can be written into it."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            probe = self._folder / uuid.uuid4().hex
            _write(probe, lambda path: path.write_bytes(b""))
            probe.unlink()
        except OSError as error:
            raise self._unwritable(error) from error

    def append(self, embeddings: dict[bytes, Float32]) -> None:
        """Keep embeddings under hashed keys as a new shard, all or nothing. Raises ``StorageError``."""
        if not embeddings:
            return
        name = uuid.uuid4().hex
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            _write(self._folder / f"{name}.npy", lambda path: _save(path, np.stack(list(embeddings.values()))))
            _write(self._folder / f"{name}.keys", lambda path: path.write_bytes(b"".join(embeddings)))
        except OSError as error:
            raise self._unwritable(error) from error
        self._open(self._folder / f"{name}.keys")

    def _open(self, path: Path) -> None:
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise StorageError(f"The cached outputs {path} cannot be read ({error})", _delete(path)) from error
        number = len(self._shards)
        self._shards.append(path)
        for row in range(len(raw) // _KEY_BYTES):
            self._rows.setdefault(raw[_KEY_BYTES * row : _KEY_BYTES * (row + 1)], (number, row))

    def _vectors(self, path: Path) -> Float32:
        """The embeddings of the shard whose keys are in ``path``."""
        try:
            rows = path.stat().st_size / _KEY_BYTES
            vectors = np.load(path.with_suffix(".npy"), allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise StorageError(f"The cached outputs {path} cannot be read ({error})", _delete(path)) from error
        if vectors.dtype != np.float32 or vectors.shape != (rows, self._dimensions):
            raise StorageError(f"The cached outputs {path} have not the embeddings of their keys", _delete(path))
        return np.asarray(vectors, np.float32)

    def _unwritable(self, error: OSError) -> StorageError:
        return StorageError(
            f"The teacher's outputs cannot be kept in {self._folder} ({error.strerror or error})",
            "Make room, or name another folder for the cache.",
        )


def _asked(teacher: Teacher, samples: Float32, key: str) -> Float32:
    """What the teacher says, checked."""
    vector = np.asarray(teacher(samples), np.float32)
    if vector.shape != (teacher.dimensions,):
        raise UsageError(
            f"The teacher {teacher.name} gave the shape {vector.shape} for {key}", f"({teacher.dimensions},) is needed."
        )
    norm = float(np.linalg.norm(vector))
    if not abs(norm - 1) <= UNIT_TOLERANCE:  # not a number arrives here as well
        raise UsageError(
            f"The teacher {teacher.name} gave a vector of norm {norm:.3g} for {key}", "It must give unit norm."
        )
    return vector


def _hashed(key: str) -> bytes:
    return hashlib.blake2b(key.encode(), digest_size=_KEY_BYTES).digest()


def _save(path: Path, array: Float32) -> None:
    with path.open("wb") as file:  # numpy would add .npy to a bare name
        np.save(file, array)


def _write(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a file of another name, and give it its own once it is on the disk."""
    part = path.with_name(f".{path.name}.part")
    try:
        write(part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def _delete(keys: Path) -> str:
    return f"Delete {keys}: what it held is then computed again."
