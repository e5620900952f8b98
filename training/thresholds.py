"""Operating points: the likelihood ratio that a share of strangers passes, and how sure that share is.

Takes held-out likelihood ratios of impostor trials with their weights and voices (``calibration.Material``). Gives
``edge.scoring.OperatingPoint`` with ``Evidence``.

Must hold: a threshold never lets more of the weighted impostor trials pass than it promises, nor more of a kind
of recording that was left out; a bound is never below the rule of three. Trials of one voice are not
independent, so there are two bounds: one that takes them for independent (Clopper and Pearson, Biometrika 26, 1934, on
the effective number of trials, Kish 1965), and one that draws the voices anew (each trial counts as often as both of
its voices were drawn, the bootstrap for pairs: Poh, Martin and Bengio, "Performance generalization in biometric
authentication using joint user-specific and sample bootstraps", IEEE TPAMI 29(3), 2007).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from edge.operating_point import Evidence, OperatingPoint
from training import metrics

if TYPE_CHECKING:
    from training.calibration import Material, Texts

FARS: Final = (0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)
"""False-acceptance rates at which a threshold is measured."""

ROUNDS: Final = 1000
"""Of the bootstrap over voices."""


def operating_points(
    llr: metrics.Float64, material: Material, fars: Sequence[float] = FARS
) -> tuple[OperatingPoint, ...]:
    """Return the thresholds that these shares of the (weighted) impostor trials pass, without evidence.

    A threshold is the lowest score that keeps the share at or below ``far``.
    """
    impostor = ~material.target
    order = np.argsort(-llr[impostor], kind="stable")
    falling = llr[impostor][order]
    passed = np.cumsum(material.weights[impostor][order])
    points = []
    for far in fars:
        too_many = int(np.searchsorted(passed, far * passed[-1], side="right"))
        points.append(OperatingPoint(far, float(np.nextafter(falling[min(too_many, len(falling) - 1)], np.inf))))
    return tuple(points)


def raised(
    points: Sequence[OperatingPoint], unseen: Sequence[tuple[metrics.Float64, Material]]
) -> tuple[OperatingPoint, ...]:
    """Raise thresholds until they hold on each kind of recording that was left out, not on the mean of kinds alone.

    ``unseen``: for each kind its likelihood ratios, from weights and a cohort that never met it, and its trials.
    """
    levels = [point.llr for point in points]
    for llr, trials in unseen:
        if trials.target.all():
            continue
        found = operating_points(llr, trials, [point.far for point in points])
        levels = [max(level, one.llr) for level, one in zip(levels, found, strict=True)]
    return tuple(OperatingPoint(point.far, level) for point, level in zip(points, levels, strict=True))


def with_evidence(
    points: Sequence[OperatingPoint], llr: metrics.Float64, material: Material, rounds: int = ROUNDS, seed: int = 0
) -> tuple[OperatingPoint, ...]:
    """Return the points with what stands behind them in these trials, bounds at 95 %, one-sided."""
    impostor = ~material.target
    scores, unfamiliar = llr[impostor], material.unfamiliar[impostor]
    weights = material.weights[impostor]
    levels = np.array([point.llr for point in points])
    resampled = _resampled(scores, levels, material, rounds, seed)
    voices = len(np.unique(material.test_speaker[impostor]))
    trials = int((~unfamiliar).sum())
    effective = max(1, int(effective_number(weights[~unfamiliar]) + 1e-6))
    found = []
    for point, shares in zip(points, resampled.T, strict=True):
        passed = scores >= point.llr
        share = metrics.weighted_share(passed, weights)
        # Rounding against us: half a false acceptance is one.
        high = metrics.binomial_high(min(effective, math.ceil(share * effective - 1e-9)), effective)
        # Of two or three trials one may pass with a tighter bound than none: that says nothing.
        high = max(high, metrics.rule_of_three(effective))
        # A trial was also scored as if its voices were of an unheard kind; of its two scores the worse kind counts.
        accepted = max(int(passed[~unfamiliar].sum()), int(passed[unfamiliar].sum()))
        over_voices = max(high, float(np.percentile(shares, 95)))
        evidence = Evidence(trials, voices, accepted, round(high, 6), round(over_voices, 6))
        found.append(OperatingPoint(point.far, point.llr, evidence))
    return tuple(found)


def evidence_words(point: OperatingPoint) -> str:
    """Say in a few words what stands behind a point; empty where that was not kept."""
    evidence = point.evidence
    if evidence is None:
        return ""
    return (
        f"{evidence.accepted} of {evidence.trials} impostor trials of {evidence.voices} voices accepted, "
        f"95 % sure of at most {100 * evidence.far_high_voices:.2g} % ({100 * evidence.far_high:.2g} % were trials "
        "independent)"
    )


def effective_number(weights: metrics.Float64) -> float:
    """Return how many equally weighted trials say as much as these (Kish): at most their number."""
    total = float(weights.sum())
    return total * total / float(np.square(weights).sum())


def _resampled(
    scores: metrics.Float64, levels: metrics.Float64, material: Material, rounds: int, seed: int
) -> metrics.Float64:
    """Share of impostor trials at or above each level in each resample of the voices, ``(rounds, len(levels))``."""
    impostor = ~material.target
    domains, domain = np.unique(material.domains[impostor], return_inverse=True)
    names = np.union1d(material.enrol_speaker[impostor], material.test_speaker[impostor])
    enrol = np.searchsorted(names, material.enrol_speaker[impostor])
    test = np.searchsorted(names, material.test_speaker[impostor])
    groups = _by_set(names, material)
    # Only what passes the lowest level matters above the line; below it, each voice pair's weight as a whole.
    passes = scores >= levels.min()
    pair, inverse = np.unique(enrol * len(names) + test, return_inverse=True)
    pair_weight = np.bincount(inverse, material.weights[impostor], minlength=len(pair))
    pair_domain = np.zeros(len(pair), np.int64)
    pair_domain[inverse] = domain
    rng = np.random.default_rng(seed)
    shares = np.empty((rounds, len(levels)))
    for i in range(rounds):
        count = np.zeros(len(names))
        for group in groups:
            np.add.at(count, group[rng.integers(0, len(group), len(group))], 1.0)
        drawn = count[pair // len(names)] * count[pair % len(names)] * pair_weight
        total = np.bincount(pair_domain, drawn, minlength=len(domains))
        # Each kind of recording weighs the same in each resample; one that was not drawn at all counts for nothing.
        scale = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0) / max(1, int((total > 0).sum()))
        weight = material.weights[impostor][passes] * count[enrol[passes]] * count[test[passes]] * scale[domain[passes]]
        shares[i] = [float(weight[scores[passes] >= level].sum()) for level in levels]
    return shares


def _by_set(names: Texts, material: Material) -> list[np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Rows of ``names`` by the set that each speaker is of: voices are drawn set by set."""
    set_of: Mapping[str, str] = dict(zip(material.enrol_speaker.tolist(), material.sets.tolist(), strict=True)) | dict(
        zip(material.test_speaker.tolist(), material.sets.tolist(), strict=True)
    )
    sets = np.array([set_of[name] for name in names.tolist()])
    return [np.flatnonzero(sets == one) for one in np.unique(sets)]
