"""In which order an epoch goes through rows.

Takes row numbers, a seed and an epoch; gives a permutation, or a draw that hears every speaker equally often. Must
hold: the order depends on seed and epoch alone (and on numpy's generator, whose stream numpy keeps within a version).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]
Ints = npt.NDArray[np.int64] | npt.NDArray[np.int32]

ORDER: Final = 0
LENGTH: Final = 1
CROP: Final = 2
"""What a random stream is for; each has its own."""


def stream(seed: int, epoch: int, purpose: int, step: int = 0) -> np.random.Generator:
    """The generator of one purpose at one place of a training run."""
    return np.random.default_rng((seed, epoch, purpose, step))


def shuffled(rows: Int64, shards: Ints, together: int | None, rng: np.random.Generator) -> Int64:
    """Every row once, in random order.

    Args:
        rows: row numbers ``(n,)``.
        shards: the shard of each, ``(n,)``.
        together: how many shards to be in at the same time; None: all of them. A disk that seeks slowly, or
            features that are larger than memory, want a few.
        rng: where chance comes from.
    """
    if together is None:
        return rng.permutation(rows)
    by_shard = np.argsort(shards, kind="stable")
    _, starts = np.unique(shards[by_shard], return_index=True)
    pieces = np.split(rows[by_shard], starts[1:])
    turn = rng.permutation(len(pieces))
    groups = [
        rng.permutation(np.concatenate([pieces[i] for i in turn[first : first + together]]))
        for first in range(0, len(turn), together)
    ]
    return np.concatenate(groups)


def balanced(rows: Int64, speakers: Ints, rng: np.random.Generator) -> Int64:
    """As many rows as were given (about), every known speaker equally often, in random order.

    ``speakers``: of each row, ``(n,)``; rows of speaker -1 take no part. Who has more rows than his share is heard with
    a random part of them, who has fewer is heard again.
    """
    known = np.flatnonzero(speakers >= 0)
    if not len(known):
        return rows[:0]
    by_speaker = known[np.argsort(speakers[known], kind="stable")]
    _, starts = np.unique(speakers[by_speaker], return_index=True)
    share = -(-len(known) // len(starts))
    chosen = [np.resize(rng.permutation(mine), share) for mine in np.split(rows[by_speaker], starts[1:])]
    return rng.permutation(np.concatenate(chosen))
