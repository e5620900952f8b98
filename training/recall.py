"""How often labels are told right: confusions, recall and F1 over classes, intervals over speakers.

Takes true and told labels as class numbers. Gives figures from 0 to 1. Must hold: a class that nobody has counts in no
mean; intervals are over speakers, since the recordings of one are alike.

UAR: unweighted average recall (B. Schuller, S. Steidl and A. Batliner, "The INTERSPEECH 2009 emotion challenge").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int64]
Matrix = npt.NDArray[np.int64]

_DRAWS: Final = 1000


def confusion(truth: Labels, told: Labels, classes: int) -> Matrix:
    """``(classes, classes)``: rows what it was, columns what was told."""
    return np.bincount(truth * classes + told, minlength=classes * classes).reshape(classes, classes)


def recalls(matrix: Matrix) -> npt.NDArray[np.float64]:
    """Of each class the share that is told right; NaN for one that nobody has."""
    of = matrix.sum(axis=1)
    return np.divide(np.diag(matrix), of, out=np.full(len(matrix), np.nan), where=of > 0)


def uar(matrix: Matrix) -> float:
    """Mean recall of the classes that occur, 0 where there are none."""
    found = recalls(matrix)
    return float(np.nanmean(found)) if np.isfinite(found).any() else 0.0


def macro_f1(matrix: Matrix) -> float:
    """Mean F1 of the classes that occur, 0 where there are none."""
    rows, columns = matrix.sum(axis=1), matrix.sum(axis=0)
    present = rows > 0
    return float((2 * np.diag(matrix) / np.maximum(rows + columns, 1))[present].mean()) if present.any() else 0.0


def uar_interval(
    truth: Labels, told: Labels, speakers: Sequence[str], classes: int, seed: int = 1
) -> tuple[float, float]:
    """95 % interval of the UAR, by drawing speakers with replacement."""
    names, owner = np.unique(np.asarray(speakers), return_inverse=True)
    each = np.zeros((len(names), classes, classes), np.int64)
    np.add.at(each, (owner, truth, told), 1)
    rng = np.random.default_rng(seed)
    drawn = [uar(each[rng.integers(len(names), size=len(names))].sum(axis=0)) for _ in range(_DRAWS)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)
