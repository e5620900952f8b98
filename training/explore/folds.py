"""Folds for cross-validation in which nobody stands on both sides.

Takes a label and a group for each clip; gives the number of its fold. Must hold: a group is never divided; classes are
spread as evenly as groups allow; the same seed gives the same folds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def grouped(labels: Ints, groups: Sequence[str], count: int, seed: int) -> Ints:
    """Return the fold of each clip, int64 ``(n,)``, at most ``count`` folds. ``labels``: class numbers from 0.

    Large groups are dealt out first, each to the fold that has least of its classes, so that the two speakers of a
    class that has only two end up in different folds.
    """
    names = sorted(set(groups))
    number = {name: place for place, name in enumerate(names)}
    group_of = np.array([number[name] for name in groups])
    table = np.zeros((len(names), int(labels.max(initial=0)) + 1))
    np.add.at(table, (group_of, labels), 1)
    folds = min(count, len(names))
    shuffled = np.random.default_rng(seed).permutation(len(names))
    order = sorted(shuffled.tolist(), key=lambda group: -table[group].sum())
    # Each class weighs the same, however rare it is.
    table /= np.maximum(table.sum(axis=0), 1)
    held, fold_of = np.zeros((folds, table.shape[1])), np.zeros(len(names), np.int64)
    for group in order:
        mine = table[group] > 0
        fold = int(np.argmin(held[:, mine].sum(axis=1) + 1e-6 * held.sum(axis=1)))
        fold_of[group] = fold
        held[fold] += table[group]
    result: Ints = fold_of[group_of]
    return result
