"""Multinomial logistic regression on standardised columns.

Takes pooled vectors, class numbers and weights. Gives ``Linear``: what a label head's file holds. Must hold:
deterministic; each class weighs the same in all, whatever its share of the examples; scales of the columns don't
matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

_STEPS: Final = 300
_LEAST_SCALE: Final = 1e-4
"""A column that hardly moves tells nothing, and must not be blown up."""


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
    columns, per example. Minimised by L-BFGS (D. Liu and J. Nocedal, 1989).
    """
    from scipy.optimize import minimize

    share = balanced(y, weights, classes)
    centre = np.average(x, axis=0, weights=weights)
    scale = np.maximum(np.sqrt(np.average((x - centre) ** 2, axis=0, weights=weights)), _LEAST_SCALE)
    z = ((x - centre) / scale).astype(np.float64)
    truth = np.eye(classes)[y]
    width = z.shape[1]

    def loss(at: Float64) -> tuple[float, Float64]:
        kernel, bias = at[: width * classes].reshape(width, classes), at[width * classes :]
        logits = z @ kernel + bias
        logits -= logits.max(axis=1, keepdims=True)
        total = np.log(np.exp(logits).sum(axis=1, keepdims=True))
        p = np.exp(logits - total)
        off = share[:, None] * (p - truth)
        value = -float(share @ ((logits - total) * truth).sum(axis=1)) + 0.5 * penalty * float((kernel**2).sum())
        return value, np.concatenate([(z.T @ off + penalty * kernel).ravel(), off.sum(axis=0)])

    found = minimize(loss, np.zeros((width + 1) * classes), jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}).x
    kernel = found[: width * classes].reshape(width, classes)
    return Linear(*(np.asarray(part, np.float32) for part in (centre, scale, kernel, found[width * classes :])))
