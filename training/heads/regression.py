"""Least squares to one-hot labels, with a penalty: a linear classifier from one matrix equation.

Takes pooled vectors, class numbers and weights. Gives ``Linear``: what a label head's file holds. Must hold:
deterministic; each class weighs the same in all, whatever its share of the examples; scales of the columns don't
matter.

On the statistics of a few dozen people this told more of new people right than logistic regression did, and it takes a
second (regularised least squares classification: R. Rifkin, G. Yeo and T. Poggio, 2003). What it says are no
probabilities until a temperature has been found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

_LEAST_SCALE: Final = 1e-4
"""A column that hardly moves tells nothing, and must not be blown up."""
_GAIN: Final = 10.0
"""Brings what is told to the size of logits; the temperature does the rest."""


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """``logits = (pooled - centre) / scale @ kernel + bias``: ``centre``, ``scale`` float32 (w,), ``kernel`` (w, n),
    ``bias`` (n,).
    """

    centre: Float32
    scale: Float32
    kernel: Float32
    bias: Float32

    def logits(self, pooled: Float32) -> Float64:
        """Pooled ``(k, w)`` -> ``(k, n)``."""
        return np.asarray((pooled - self.centre) / self.scale @ self.kernel + self.bias, np.float64)


def balanced(y: Labels, weights: Float64, classes: int) -> Float64:
    """The weights, scaled so that every class that occurs has the same sum, and all add up to 1."""
    sums = np.bincount(y, weights, classes)
    scaled = weights / sums[y]
    return np.asarray(scaled / scaled.sum(), np.float64)


def fit(x: Float32, y: Labels, weights: Float64, classes: int, penalty: float) -> Linear:
    """``x`` (n, w), ``y`` (n,) from 0 to ``classes`` - 1, ``weights`` (n,) above 0; ``penalty``: L2 on the standardised
    columns, as a share of their power.
    """
    share = balanced(y, weights, classes)
    centre = share @ x
    scale = np.maximum(np.sqrt(share @ (x - centre) ** 2), _LEAST_SCALE)
    seen = (x - centre) / scale * np.sqrt(share)[:, None]
    target = np.eye(classes)[y]
    bias = share @ target
    wanted = (target - bias) * np.sqrt(share)[:, None]
    kernel = np.linalg.solve(seen.T @ seen + penalty * np.eye(seen.shape[1]), seen.T @ wanted)
    return Linear(*(np.asarray(part, np.float32) for part in (centre, scale, _GAIN * kernel, _GAIN * bias)))
