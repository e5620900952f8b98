"""Least squares that starts from weights which are nearly right.

Takes inputs, wanted outputs and present weights; gives weights and a bias. Must hold: with exact weights nothing
changes; with few examples the present weights weigh more.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]


def refit(inputs: Float32, wanted: Float32, weights: Float32, ridge: float = 1e-3) -> tuple[Float32, Float32]:
    """The weights (k, m) and bias (m,) with ``inputs`` (n, k) @ weights + bias nearest to ``wanted`` (n, m).

    ``ridge``: how much a departure from ``weights`` costs, as a share of the inputs' mean power (A. Hoerl and
    R. Kennard, "Ridge regression", Technometrics 12, 1970, around the present weights instead of zero).
    """
    centre, goal = inputs.mean(axis=0, dtype=np.float64), wanted.mean(axis=0, dtype=np.float64)
    x = inputs - centre.astype(np.float32)
    missing = wanted - goal.astype(np.float32) - x @ weights
    power = (x.T @ x).astype(np.float64)
    power[np.diag_indices_from(power)] += ridge * np.trace(power) / len(power) + 1e-9
    change = np.linalg.solve(power, (x.T @ missing).astype(np.float64))
    found = (weights + change).astype(np.float32)
    return found, (goal - centre @ found).astype(np.float32)
