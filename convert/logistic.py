"""Logistic regression, small and without dependencies.

Takes a matrix, labels and weights; gives the weights and bias of ``p = 1 / (1 + exp(-(x @ kernel + bias)))``. Must
hold: deterministic; the penalty is on standardised columns, so that their scales don't matter.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]


def fit(x: Float64, positive: npt.NDArray[np.bool_], penalty: float, steps: int = 60) -> tuple[Float64, float]:
    """Fit by Newton's method with backtracking; both classes weigh the same in all.

    ``x`` (n, d), ``positive`` (n,), ``penalty``: L2 per example. Returns ``kernel`` (d,) and ``bias`` for raw columns.
    """
    centre, spread = x.mean(axis=0), x.std(axis=0) + 1e-6
    z = np.column_stack([(x - centre) / spread, np.ones(len(x))])
    weight = np.where(positive, 0.5 / max(1, positive.sum()), 0.5 / max(1, (~positive).sum()))
    sign = np.where(positive, 1.0, -1.0)
    ridge = np.full(z.shape[1], penalty)
    ridge[-1] = 1e-9

    def loss(at: Float64) -> float:
        return float(weight @ np.logaddexp(0.0, -sign * (z @ at)) + 0.5 * ridge @ at**2)

    at, current = np.zeros(z.shape[1]), np.inf
    for _ in range(steps):
        current = loss(at)
        p = 1.0 / (1.0 + np.exp(-np.clip(z @ at, -40, 40)))
        gradient = z.T @ (weight * (p - positive)) + ridge * at
        hessian = (z * (weight * p * (1 - p))[:, None]).T @ z + np.diag(ridge)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while loss(at - size * step) > current and size > 1e-4:
            size /= 2
        at = at - size * step
        if current - loss(at) < 1e-9:
            break
    kernel = at[:-1] / spread
    return kernel, float(at[-1] - kernel @ centre)
