"""Figures of merit for yes/no speaker comparisons.

Takes: scores float ``(n,)`` (higher = more alike), ``target`` bool ``(n,)`` (True = same person) and, for intervals,
the enrolled speaker of each trial. Gives: error rates as fractions in [0, 1], costs, and intervals over speakers.

Must hold: a trial is accepted when its score is at or above the threshold; equal scores are accepted or refused
together; nothing here depends on the order of the trials.

Sources: error rates and the rule of three, ISO/IEC 19795-1; minimum detection cost, NIST SRE 2016 evaluation plan
(normalised, P_target 0.01, unit costs); Cllr and its minimum, Brummer and du Preez, "Application-independent
evaluation of speaker detection", Computer Speech and Language 20 (2006); isotonic regression by pooling adjacent
violators, Ayer et al., Annals of Mathematical Statistics 26 (1955); calibration error over bins, Naeini, Cooper and
Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015; exact binomial bounds, Clopper
and Pearson, Biometrika 26 (1934).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

BOOTSTRAP_ROUNDS: Final = 200
ECE_BINS: Final = 10


@dataclass(frozen=True, slots=True, eq=False)
class ErrorCurve:
    """Every error pair that a threshold can give, from strict to lax.

    ``thresholds``: float64 ``(k,)``, the distinct scores, falling. ``far[i]``: share of impostor trials with a score
    >= ``thresholds[i]``; ``frr[i]``: share of genuine trials below it. The point that refuses everything
    (FAR 0, FRR 1) is left out.
    """

    thresholds: Float64
    far: Float64
    frr: Float64


def error_curve(scores: npt.ArrayLike, target: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> ErrorCurve:
    """Return the FAR and FRR at each distinct score.

    ``weights``: float ``(n,)``, how often each trial counts (default once). Without any impostor (genuine) trial the
    FAR (FRR) is 0 everywhere.
    """
    scores_, target_ = _checked(scores, target)
    weights_ = np.ones(len(scores_)) if weights is None else np.asarray(weights, np.float64)
    order = np.argsort(-scores_, kind="stable")
    falling = scores_[order]
    genuine = np.where(target_, weights_, 0.0)[order]
    impostor = np.where(target_, 0.0, weights_)[order]
    last = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))  # one point per run of equal scores
    far = np.cumsum(impostor)[last] / max(impostor.sum(), np.finfo(float).tiny)
    frr = 1.0 - np.cumsum(genuine)[last] / max(genuine.sum(), np.finfo(float).tiny)
    if not target_.any():
        frr = np.zeros_like(frr)
    return ErrorCurve(falling[last], far, np.maximum(frr, 0.0))


def eer(scores: npt.ArrayLike, target: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float:
    """Return the equal error rate: the mean of FAR and FRR where they are closest."""
    return eer_of(error_curve(scores, target, weights))


def eer_of(curve: ErrorCurve) -> float:
    """Return the equal error rate of a curve."""
    i = int(np.argmin(np.abs(curve.far - curve.frr)))
    return float(curve.far[i] + curve.frr[i]) / 2


def frr_at_far(curve: ErrorCurve, far: float) -> float:
    """Return the least FRR of all thresholds whose FAR is at most ``far``; 1 where no threshold reaches it."""
    allowed = curve.frr[curve.far <= far]
    return float(allowed.min()) if allowed.size else 1.0


def min_dcf(curve: ErrorCurve, p_target: float = 0.01) -> float:
    """Return the normalised minimum detection cost, at most 1 (which accepting nobody costs too)."""
    cost = p_target * curve.frr + (1.0 - p_target) * curve.far
    return min(1.0, float(cost.min()) / min(p_target, 1.0 - p_target))


def det_points(curve: ErrorCurve, fars: Sequence[float]) -> list[tuple[float, float]]:
    """Return ``(far, frr)`` for each wanted FAR: the points of a DET plot."""
    return [(far, frr_at_far(curve, far)) for far in fars]


def cllr(llr: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """Return the cost of log-likelihood ratios in bits; ``llr`` in nats.

    0 is perfect, 1 says nothing, above 1 misleads. It counts both lack of discrimination and bad calibration.
    """
    llr_, target_ = _checked(llr, target)
    if target_.all() or not target_.any():
        raise ValueError("Cllr needs genuine and impostor trials.")
    genuine = np.logaddexp(0.0, -llr_[target_]).mean()
    impostor = np.logaddexp(0.0, llr_[~target_]).mean()
    return float(genuine + impostor) / (2 * math.log(2))


def ece(llr: npt.ArrayLike, target: npt.ArrayLike, bins: int = ECE_BINS, weights: npt.ArrayLike | None = None) -> float:
    """Return the expected calibration error of log-likelihood ratios (nats) at even prior, a fraction in [0, 1].

    The posterior that a trial is genuine is 1 / (1 + exp(-llr)). Genuine trials weigh one half together, impostors the
    other half, as that prior says, whatever their numbers in the list. Trials fall into ``bins`` posterior bins of
    equal width; the error is the sum over bins of |weighted share of genuine trials - weighted mean posterior|, each
    times the bin's share of the weight (Naeini, Cooper and Hauskrecht 2015). 0: of trials called 90 % likely, 90 % are
    genuine, and so on. It says nothing about how well genuine and impostor trials are told apart.

    ``weights``: float ``(n,)``, how much each trial counts among those of its kind (default all the same).
    """
    llr_, target_ = _checked(llr, target)
    if target_.all() or not target_.any():
        raise ValueError("A calibration error needs genuine and impostor trials.")
    posterior = 0.5 * (1.0 + np.tanh(llr_ / 2))  # the logistic function, without overflow
    weight = np.ones(len(llr_)) if weights is None else np.array(weights, np.float64)
    for kind in (target_, ~target_):
        weight[kind] *= 0.5 / weight[kind].sum()
    bin_of = np.minimum((posterior * bins).astype(int), bins - 1)
    gaps = np.bincount(bin_of, weight * (target_ - posterior), minlength=bins)
    return float(np.abs(gaps).sum())


def min_cllr(scores: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """Return the Cllr that the best rising function of the scores would have: discrimination alone."""
    scores_, target_ = _checked(scores, target)
    return cllr(pav_llr(scores_, target_), target_)


def pav_llr(scores: npt.ArrayLike, target: npt.ArrayLike) -> Float64:
    """Return the optimal rising log-likelihood ratio (nats) of each score, by pooling adjacent violators.

    Equal scores get equal values. Infinite at the ends where a score separates perfectly.
    """
    scores_, target_ = _checked(scores, target)
    values, inverse, counts = np.unique(scores_, return_inverse=True, return_counts=True)
    hits = np.bincount(inverse, weights=target_, minlength=len(values))
    posterior = isotonic(hits / counts, counts.astype(np.float64))
    genuine = int(target_.sum())
    with np.errstate(divide="ignore"):
        logit = np.log(posterior) - np.log1p(-posterior)
    result: Float64 = (logit - np.log(genuine / (len(target_) - genuine)))[inverse]
    return result


def isotonic(values: Float64, weights: Float64) -> Float64:
    """Return the closest non-falling sequence to ``values`` in the weighted least-squares sense (PAV)."""
    means: list[float] = []
    mass: list[float] = []
    spans: list[int] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, total, span = value, weight, 1
        while means and means[-1] >= mean:
            mean = (means[-1] * mass[-1] + mean * total) / (mass[-1] + total)
            total += mass.pop()
            span += spans.pop()
            means.pop()
        means.append(mean)
        mass.append(total)
        spans.append(span)
    return np.repeat(np.asarray(means), spans)


def bootstrap_weights(speakers: Sequence[str], rounds: int = BOOTSTRAP_ROUNDS, seed: int = 0) -> Float64:
    """Return how often each trial counts in each resample, float64 ``(rounds, n)``.

    Enrolled speakers are drawn with replacement and bring all their trials: trials of one person are not independent,
    people are (nearly). ``speakers``: enrolled speaker of each trial.
    """
    names, inverse = np.unique(np.asarray(speakers), return_inverse=True)
    rng = np.random.default_rng(seed)
    picks = (rng.integers(0, len(names), len(names)) for _ in range(rounds))
    draws = np.stack([np.bincount(pick, minlength=len(names)) for pick in picks])
    weights: Float64 = draws[:, inverse].astype(np.float64)
    return weights


def interval(
    speakers: Sequence[str], statistic: Callable[[Float64], float], rounds: int = BOOTSTRAP_ROUNDS, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % bootstrap interval over enrolled speakers.

    ``statistic``: from the weights of one resample (float64 ``(n,)``) to the figure. Resamples where the figure is not
    defined (NaN) do not count.
    """
    found = np.asarray([statistic(row) for row in bootstrap_weights(speakers, rounds, seed)])
    found = found[~np.isnan(found)]
    if not found.size:
        return (float("nan"), float("nan"))
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def weighted_share(events: npt.ArrayLike, weights: Float64) -> float:
    """Return the weighted share of True among ``events``; NaN where nothing has weight."""
    total = float(weights.sum())
    return float(weights[np.asarray(events, bool)].sum()) / total if total else float("nan")


def rule_of_three(trials: int) -> float:
    """Return the 95 % upper bound of an error rate of which none was seen in ``trials`` independent trials."""
    return min(1.0, 3.0 / trials) if trials > 0 else 1.0


def binomial_high(events: int, trials: int, confidence: float = 0.95) -> float:
    """Return the one-sided Clopper-Pearson upper bound of a rate of which ``events`` were seen in ``trials``.

    It is the rate at which so few events, or fewer, have the probability ``1 - confidence``. Where none was seen it is
    the rule of three, and 1 without any trial. Trials are taken for independent, which those of one person are not: the
    bound is hopeful. Raises ``ValueError`` for counts that cannot be.
    """
    if not 0 <= events <= trials:
        raise ValueError(f"{events} events in {trials} trials cannot be.")
    if events == 0 or trials == 0:
        return rule_of_three(trials)
    if events == trials:
        return 1.0
    i = np.arange(1, events + 1)
    log_ways = np.concatenate([[0.0], np.cumsum(np.log((trials - i + 1) / i))])
    i = np.arange(events + 1)
    low, high = events / trials, 1.0
    for _ in range(60):
        p = (low + high) / 2
        chance = float(np.exp(log_ways + i * math.log(p) + (trials - i) * math.log1p(-p)).sum()) if p < 1 else 0.0
        low, high = (p, high) if chance > 1 - confidence else (low, p)
    return high


def _checked(scores: npt.ArrayLike, target: npt.ArrayLike) -> tuple[Float64, Bools]:
    scores_: npt.NDArray[Any] = np.asarray(scores, np.float64)
    target_ = np.asarray(target, bool)
    if scores_.ndim != 1 or scores_.shape != target_.shape:
        raise ValueError(f"Scores {scores_.shape} and labels {target_.shape} must be two vectors of the same length.")
    if not len(scores_):
        raise ValueError("There are no trials to judge.")
    if np.isnan(scores_).any():
        raise ValueError("A score is not a number.")
    return scores_, target_
