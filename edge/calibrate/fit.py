"""Trials -> correction: logistic regression that starts from the bundle's own calibration.

Takes ``Trials``, gives a ``Correction``. Must hold: without trials it is the identity; the more trials, the further it
may move, always within ``SHIFT`` and ``SLOPE``; the slope is positive, so that the order of scores never changes.

With s the bundle's log-likelihood ratio of a trial, the corrected one is shift + slope s. The two numbers minimise

    N [ mean over genuine trials of ln(1 + exp(-(shift + slope s))) / 2
      + mean over impostor trials of ln(1 + exp(shift + slope s)) / 2 ]
    + K mean over the pseudo-trials t of H(sigmoid(t), sigmoid(shift + slope t)),     H(p, q) = -p ln q - (1-p) ln(1-q)

The first part is logistic-regression calibration at an even prior (Brümmer and du Preez, "Application-independent
evaluation of speaker detection", Computer Speech and Language 20, 2006), linear in the score as usual (Brümmer, Swart
and van Leeuwen, "A comparison of linear and non-linear calibrations for speaker recognition", Odyssey 2014). The second
is its conjugate prior: K made-up trials at log-likelihood ratios t, each as often genuine as a right calibration says.
Its minimum is at shift 0 and slope 1. N is Kish's effective number of trials, 4 / (1/genuine + 1/impostor), in which
clips count on the one side and voices on the other: a stranger who was heard ten times is one stranger.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from edge.calibrate.trials import Trials
from edge.correction import Correction, Float64

PSEUDO_TRIALS: Final = 200.0
"""K: so many effective trials weigh as much as the bundle's calibration."""

SHIFT: Final = (-2.0, 2.0)
SLOPE: Final = (0.8, 1.25)
"""What no amount of clips can exceed: beyond it the bundle does not fit the household at all."""

_GRID: Final = np.linspace(-6.0, 6.0, 13)
"""Log-likelihood ratios of the pseudo-trials: where decisions are made."""
_STEPS: Final = 50
_ENOUGH: Final = 1e-9
_RIDGE: Final = 1e-9 * np.eye(2)
"""Keeps the curvature invertible where every probability is 0 or 1."""


def effective_trials(trials: Trials) -> float:
    """N above; 0 where either side is empty."""
    genuine, voices = float(len(np.unique(trials.clip[trials.genuine]))), float(trials.impostor_voices)
    return 4.0 / (1.0 / genuine + 1.0 / voices) if genuine and voices else 0.0


def trial_weights(trials: Trials) -> Float64:
    """Weights ``(n,)`` that sum to 1, or are 0 where either side is empty.

    Genuine trials have one half, all alike. Of the impostors' half, voices that were heard here and the bundle's cohort
    have one half each (all of it where the others are absent), in which every voice weighs the same.
    """
    weights = np.zeros(len(trials))
    if not effective_trials(trials):
        return weights
    weights[trials.genuine] = 0.5 / np.count_nonzero(trials.genuine)
    kinds = [kind for kind in (~trials.genuine & trials.heard, ~trials.genuine & ~trials.heard) if kind.any()]
    for kind in kinds:
        _, voice, rows = np.unique(trials.voice[kind], return_inverse=True, return_counts=True)
        weights[kind] = 0.5 / len(kinds) / len(rows) / rows[voice]
    return weights


def fit(trials: Trials, pseudo_trials: float = PSEUDO_TRIALS) -> Correction:
    """The correction that these trials suggest; ``pseudo_trials``: K."""
    total = effective_trials(trials)
    if not total:
        return Correction()
    llrs = np.concatenate([trials.llr, _GRID])
    wanted = np.concatenate([trials.genuine.astype(np.float64), _sigmoid(_GRID)])
    pseudo = np.full(len(_GRID), pseudo_trials / len(_GRID))
    weights = np.concatenate([total * trial_weights(trials), pseudo])
    shift, slope = _newton(llrs, wanted, weights, slope=None)
    if not SLOPE[0] <= slope <= SLOPE[1]:
        # The objective is convex: the best slope within the bounds is the nearest, with the shift that fits it.
        shift, slope = _newton(llrs, wanted, weights, slope=float(np.clip(slope, *SLOPE)))
    return Correction(float(np.clip(shift, *SHIFT)), slope)


def _sigmoid(values: Float64) -> Float64:
    result: Float64 = 0.5 * (1.0 + np.tanh(0.5 * values))
    return result


def _newton(llrs: Float64, wanted: Float64, weights: Float64, slope: float | None) -> tuple[float, float]:
    """Shift and slope at the minimum, or the shift for a given ``slope``: Newton's method with halved steps."""
    point = np.array([0.0, 1.0 if slope is None else slope])
    design = np.stack([np.ones_like(llrs), llrs], axis=1)
    free = np.array([True, slope is None])
    loss = _loss(design @ point, wanted, weights)
    for _ in range(_STEPS):
        probability = _sigmoid(design @ point)
        gradient = design.T @ (weights * (probability - wanted))
        curvature = (design * (weights * probability * (1 - probability))[:, None]).T @ design + _RIDGE
        step = np.zeros(2)
        step[free] = np.linalg.solve(curvature[np.ix_(free, free)], gradient[free])
        scale = 1.0
        while (found := _loss(design @ (point - scale * step), wanted, weights)) > loss and scale > _ENOUGH:
            scale /= 2
        point, loss = point - scale * step, min(loss, found)
        if np.abs(scale * step).max() < _ENOUGH:
            break
    return float(point[0]), float(point[1])


def _loss(scores: Float64, wanted: Float64, weights: Float64) -> float:
    return float(weights @ (np.logaddexp(0.0, scores) - wanted * scores))
