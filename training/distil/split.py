"""Which rows a student learns from, and which only judge it.

Takes a store. Gives two sets of rows. Must hold: no speaker is in both; a row without a speaker goes by its clip, so
that views of one clip stay together; the answer depends on names alone, not on their order.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from training.data.store import Store

Rows = npt.NDArray[np.int64]


def learn_and_judge(store: Store, one_in: int) -> tuple[Rows, Rows]:
    """Rows to learn from, and those of about one speaker in ``one_in`` to judge by; both in rising order."""
    names, sets = store.names["speaker"], store.names["set"]
    speakers, found_in = store.speakers, store.label("set")
    judging = np.zeros(len(store), bool)
    drawn: dict[str, bool] = {}
    for row in range(len(store)):
        if speakers[row] >= 0:
            key = f"{sets[found_in[row]]}/{names[speakers[row]]}"
        else:
            folder, clip = store.clip(row)
            key = f"{folder.name}#{clip}"
        if key not in drawn:
            drawn[key] = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) % one_in == 0
        judging[row] = drawn[key]
    return np.flatnonzero(~judging), np.flatnonzero(judging)
