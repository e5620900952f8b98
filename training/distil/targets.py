"""What the teacher says about every row of a store.

Takes a store, a network from windows to unit embeddings, and a name for it. Gives float32 (rows, dim): for each row the
teacher's embedding of its clean partner, the mean over at most ``most`` windows spread over the row. Must hold: a run
that is killed goes on where it stopped; another teacher or another choice of windows never reuses the file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edge.errors import StorageError
from edge.features import normalise
from edge.records import FeatureSpec, Float32
from training.data.store import Store
from training.windows import WINDOW_FRAMES, fill

Progress = Callable[[int, int], None]
Network = Callable[[Float32], Any]

_SAVE_ROWS: Final = 1024


def digest_of(tensors: dict[str, npt.NDArray[Any]]) -> str:
    """Names a teacher by its tensors: first 16 hex digits of a SHA-256."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(name.encode())
        found.update(np.ascontiguousarray(tensors[name]).tobytes())
    return found.hexdigest()[:16]


def starts(frames: int, most: int, window: int = WINDOW_FRAMES) -> tuple[int, ...]:
    """Where the windows of a row of ``frames`` frames begin: spread evenly, without overlap while they fit."""
    count = max(1, min(most, frames // window))
    room = max(0, frames - window)
    return tuple(round(room * place / max(1, count - 1)) if count > 1 else room // 2 for place in range(count))


def targets(
    store: Store,
    spec: FeatureSpec,
    network: Network,
    folder: Path,
    *,
    name: str,
    rows: Sequence[int] | None = None,
    most: int = 2,
    batch: int = 16,
    progress: Progress | None = None,
) -> Float32:
    """Embeddings of ``rows`` (None: all). Kept in ``folder`` under the teacher's ``name``."""
    wanted = np.arange(len(store)) if rows is None else np.asarray(rows, np.int64)
    what = json.dumps([name, [str(path) for path in store.folders], most, WINDOW_FRAMES, len(wanted)])
    key = hashlib.sha256(what.encode() + wanted.tobytes()).hexdigest()[:16]
    path = folder / f"targets-{key}.npy"
    done = _kept(path)
    while len(done) < len(wanted):
        part = wanted[len(done) : len(done) + _SAVE_ROWS]
        found = _embed(store, spec, network, part, most, batch)
        done = np.concatenate([done.reshape(-1, found.shape[1]), found])
        _keep(path, done)
        if progress:
            progress(len(done), len(wanted))
    return done


def _embed(  # noqa: PLR0917 - the choices of ``targets``, passed on
    store: Store, spec: FeatureSpec, network: Network, rows: npt.NDArray[np.int64], most: int, batch: int
) -> Float32:
    windows: list[Float32] = []
    owners: list[int] = []
    for place, row in enumerate(rows.tolist()):
        for start in starts(int(store.frames[row]), most):
            windows.append(normalise(spec, fill(store.clean(row, start, WINDOW_FRAMES), WINDOW_FRAMES)))
            owners.append(place)
    vectors = []
    for first in range(0, len(windows), batch):
        part = np.stack(windows[first : first + batch])[..., None]
        short = batch - len(part)
        # Always the same shape: graph compilers compile anew for each.
        padded = np.concatenate([part, np.repeat(part[-1:], short, axis=0)]) if short else part
        vectors.append(np.asarray(network(padded), np.float32)[: len(part)])
    embedded = np.concatenate(vectors)
    total = np.zeros((len(rows), embedded.shape[1]), np.float32)
    np.add.at(total, owners, embedded)
    return np.asarray(total / np.linalg.norm(total, axis=1, keepdims=True), np.float32)


def _kept(path: Path) -> Float32:
    if not path.exists():
        return np.zeros((0, 1), np.float32)
    try:
        return np.asarray(np.load(path), np.float32)
    except (OSError, ValueError) as error:
        raise StorageError(f"{path} cannot be read ({error})", "Delete it; it is made anew.") from error


def _keep(path: Path, values: Float32) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp.npy")
    np.save(temporary, values)
    temporary.replace(path)
