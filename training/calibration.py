"""Fits what turns a cosine and its circumstances into a log-likelihood ratio, and measures the thresholds.

Takes takes of labelled training speech (``pairs``), what the bundle heard in them (``embeddings``) and the bundle's
cohort. Gives an ``edge.scoring.Calibration`` and a record of how it was made.

Must hold: nothing of the ``dev`` split enters; every likelihood ratio that a threshold is read from comes from weights
fitted without either of its two speakers; no set of recordings outweighs the others.

The fit is logistic regression with an L2 penalty, whose log-odds minus the prior's are the likelihood ratio: Brummer
and du Preez 2006 (see ``metrics``); side information as in Mandasari et al. 2013 (see ``edge.scoring``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from edge.records import Float32
from edge.scoring import FEATURE_NAMES, Calibration, OperatingPoint, calibration_features, cohort_cosine
from training import metrics
from training.embeddings import Heard
from training.pairs import Pairs, Take

FARS: Final = (0.03, 0.01, 0.003, 0.001, 0.0003)
"""False-acceptance rates at which a threshold is measured."""

WEIGHED: Final = ("bias", "cosine", "log_test", "log_enrol", "log_clips", "spread", "noise")
"""The side information that earns its place (docs/evaluation.md tells how that was found out)."""

PRIOR: Final = 0.5
"""Share of genuine trials that the fit imagines."""

FOLDS: Final = 5
RIDGE: Final = 1e-4
"""Weight of the squared standardised weights against the mean log loss."""

DOMAINS: Final[Mapping[str, str]] = {
    "librispeech": "read",
    "vctk": "studio",
    "cmuarctic": "studio",
    "rhasspyvoice": "studio",
    "asc": "arabic words",
    "speechcommands": "english words",
}
"""Sets that count as one in the balance: each domain has the same weight, whatever its size."""

OWN_ROW_COSINE: Final = 0.5
"""A cohort row this close to a training speaker's mean is taken to be that speaker."""

Float64 = metrics.Float64


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Trials ready for fitting, ``n`` rows.

    ``features``: float64 ``(n, len(FEATURE_NAMES))``. ``target``: bool. ``weights``: float64, genuine and impostor
    trials each add up to 1. ``domains``, ``sets``: str. ``enrol_speaker``, ``test_speaker``: str, unique across sets.
    """

    features: Float64
    target: metrics.Bools
    weights: Float64
    domains: np.ndarray[Any, np.dtype[np.str_]]
    sets: np.ndarray[Any, np.dtype[np.str_]]
    enrol_speaker: np.ndarray[Any, np.dtype[np.str_]]
    test_speaker: np.ndarray[Any, np.dtype[np.str_]]

    def only(self, rows: metrics.Bools) -> Material:
        """Return the trials for which ``rows`` is true, balanced anew."""
        sets, target, domains = self.sets[rows], self.target[rows], self.domains[rows]
        return Material(
            self.features[rows],
            target,
            _balance(self.weights[rows], target, domains),
            domains,
            sets,
            self.enrol_speaker[rows],
            self.test_speaker[rows],
        )


def assemble(takes: Sequence[Take], heard: Sequence[Heard], pairs: Pairs, cohort: Float32) -> Material:
    """Turn pairs of takes into trials with their side information; ``heard[i]`` belongs to ``takes[i]``."""
    speakers = np.array([f"{t.set}/{t.speaker}" for t in takes])
    sets = np.array([t.set for t in takes])
    vectors = np.stack([one.vector for one in heard])
    spread = np.array([_spread(one) for one in heard])
    seconds = np.array([one.speech_seconds for one in heard])
    clips = np.array([len(one.embeddings) for one in heard], np.float32)
    snr_db = np.array([one.snr_db for one in heard])
    near = cohort_without_self(vectors.astype(np.float32), speakers, cohort)
    e, t = pairs.enrol, pairs.test
    features = calibration_features(
        np.einsum("nd,nd->n", vectors[e], vectors[t]),
        test_seconds=seconds[t],
        enrol_seconds=seconds[e],
        enrol_clips=clips[e],
        spread=spread[e],
        snr_db=snr_db[t],
        cohort_test=near[t],
        cohort_enrol=near[e],
    )
    domains = np.array([DOMAINS.get(name, name) for name in sets[e]])
    # Half of the impostor weight goes to pairs of the same gender: those are the strangers that matter.
    raw = np.ones(len(e))
    for name in np.unique(domains):
        for same in (True, False):
            rows = (domains == name) & ~pairs.target & (pairs.same_gender == same)
            raw[rows] = 1.0 / max(int(rows.sum()), 1)
    return Material(
        features, pairs.target, _balance(raw, pairs.target, domains), domains, sets[e], speakers[e], speakers[t]
    )


def _spread(heard: Heard) -> float:
    return float(np.mean([e.vector @ heard.vector for e in heard.embeddings]))


def _balance(raw: Float64, target: metrics.Bools, domains: np.ndarray[Any, np.dtype[np.str_]]) -> Float64:
    """Scale weights so that genuine (and impostor) trials of each domain weigh the same; each kind sums to 1."""
    weights = raw.astype(np.float64).copy()
    for kind in (True, False):
        present = [name for name in np.unique(domains) if ((domains == name) & (target == kind)).any()]
        for name in present:
            rows = (domains == name) & (target == kind)
            weights[rows] /= weights[rows].sum() * len(present)
    return weights


def cohort_without_self(
    vectors: Float32, speakers: np.ndarray[Any, np.dtype[np.str_]], cohort: Float32
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return each vector's cohort cosine with its own speaker's row left out, float32 ``(n,)``.

    The cohort is made of training speakers, and so are these trials; on the device nobody enrolled is in the cohort.
    """
    near = np.zeros(len(vectors), np.float32)
    for name in np.unique(speakers):
        rows = speakers == name
        others = cohort
        if len(cohort) > 1:
            centre = vectors[rows].mean(axis=0)
            alike = cohort @ (centre / np.linalg.norm(centre))
            if alike.max() > OWN_ROW_COSINE:
                others = np.delete(cohort, int(alike.argmax()), axis=0)
        near[rows] = cohort_cosine(vectors[rows], others)
    return near


def fit(material: Material, names: Sequence[str], *, prior: float = 0.5, ridge: float = RIDGE) -> dict[str, float]:
    """Return the weights of the features ``names`` (with ``bias``) that give the least weighted log loss.

    ``prior``: the share of genuine trials that the loss imagines; lower puts the care where few strangers pass.
    Newton's method; the penalty is on standardised weights, the bias goes free. The result gives log-likelihood ratios,
    the prior's log-odds taken out.
    """
    columns = [FEATURE_NAMES.index(name) for name in names]
    x = material.features[:, columns]
    target = material.target
    w = material.weights * np.where(target, prior, 1.0 - prior)
    centre = np.average(x, axis=0, weights=w)
    scale = np.sqrt(np.average((x - centre) ** 2, axis=0, weights=w))
    free = np.array([name == "bias" for name in names])
    centre, scale = np.where(free, 0.0, centre), np.where(free | (scale < 1e-9), 1.0, scale)
    z = (x - centre) / scale
    beta = np.zeros(len(names))
    penalty = np.diag(np.where(free, 1e-12, ridge))
    offset = math.log(prior / (1.0 - prior))
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-np.clip(z @ beta + offset, -40, 40)))
        gradient = z.T @ (w * (p - target)) + penalty @ beta
        hessian = (z * (w * np.maximum(p * (1 - p), 1e-9))[:, None]).T @ z + penalty
        step = np.linalg.solve(hessian, gradient)
        # Far from the optimum a full Newton step of a saturated logistic can run away; half a dozen units are plenty.
        step *= min(1.0, 6.0 / max(float(np.abs(step).max()), 1e-12))
        beta -= step
        if float(np.abs(step).max()) < 1e-9:
            break
    weights = beta / scale
    weights[np.flatnonzero(free)] -= float(np.sum((beta * centre / scale)[~free]))
    return {name: float(value) for name, value in zip(names, weights, strict=True)}


def apply(weights: Mapping[str, float], features: Float64) -> Float64:
    """Return the log-likelihood ratios that the device would compute with these weights, float64 ``(n,)``."""
    result: Float64 = Calibration(weights, (), 0, 0).llr(features)
    return result


def held_out(
    material: Material, names: Sequence[str], *, prior: float = 0.5, folds: int = FOLDS, seed: int = 1
) -> Float64:
    """Return each trial's likelihood ratio from weights fitted without its two speakers, float64 ``(n,)``.

    Speakers are dealt into folds, set by set. The weights for trials between fold a and fold b come from the trials
    that touch no speaker of either.
    """
    fold = _deal(material, folds, seed)
    enrol = np.array([fold[s] for s in material.enrol_speaker])
    test = np.array([fold[s] for s in material.test_speaker])
    llr = np.full(len(material.target), np.nan)
    for a in range(folds):
        for b in range(a, folds):
            inside = ((enrol == a) & (test == b)) | ((enrol == b) & (test == a))
            if inside.any():
                outside = (enrol != a) & (enrol != b) & (test != a) & (test != b)
                llr[inside] = apply(fit(material.only(outside), names, prior=prior), material.features[inside])
    return llr


def _deal(material: Material, folds: int, seed: int) -> dict[str, int]:
    rng = np.random.default_rng(seed)
    fold: dict[str, int] = {}
    for name in np.unique(material.sets):
        people = np.unique(material.enrol_speaker[material.sets == name])
        start = int(rng.integers(folds))
        for i, person in enumerate(people[rng.permutation(len(people))]):
            fold[str(person)] = (start + i) % folds
    return fold


def operating_points(llr: Float64, material: Material, fars: Sequence[float] = FARS) -> tuple[OperatingPoint, ...]:
    """Return the thresholds that these shares of the (weighted) impostor trials pass.

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


def calibrate(
    material: Material, names: Sequence[str] = WEIGHED, *, prior: float = PRIOR
) -> tuple[Calibration, dict[str, Any]]:
    """Fit on everything, measure thresholds on held-out scores; return the calibration and how it was made."""
    llr = held_out(material, names, prior=prior)
    points = operating_points(llr, material)
    impostor = ~material.target
    calibration = Calibration(
        fit(material, names, prior=prior),
        points,
        trials=int(impostor.sum()),
        speakers=len(np.unique(material.enrol_speaker)),
    )
    return calibration, {"prior": prior, "ridge": RIDGE, "folds": FOLDS, "domains": _by_domain(llr, material, points)}


def _by_domain(llr: Float64, material: Material, points: Sequence[OperatingPoint]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in np.unique(material.domains):
        rows = material.domains == name
        target = material.target[rows]
        found[str(name)] = {
            "speakers": len(np.unique(material.enrol_speaker[rows])),
            "genuine_trials": int(target.sum()),
            "impostor_trials": int((~target).sum()),
            "cllr": round(metrics.cllr(llr[rows], target), 4),
            "eer": round(100 * metrics.eer(llr[rows], target), 2),
            "far_at_points": [round(100 * float(np.average(llr[rows & ~material.target] >= p.llr)), 3) for p in points],
        }
    return found


def describe(calibration: Calibration, record: Mapping[str, Any]) -> str:
    """Say in a few lines what was fitted and how far it reaches, for the person who ran the command."""
    lines = [
        f"{calibration.trials} impostor trials of {calibration.speakers} people.",
        "weights: " + ", ".join(f"{name} {value:.3f}" for name, value in calibration.weights.items()),
    ]
    lines += [
        f"FAR {100 * p.far:g} %: log-likelihood ratio {p.llr:.2f}"
        + ("" if calibration.supports(p.far) else " (too few impostor trials to be sure)")
        for p in calibration.points
    ]
    for name, found in record["domains"].items():
        far = ", ".join(f"{value:g}" for value in found["far_at_points"])
        lines.append(
            f"{name}: {found['speakers']} people, EER {found['eer']:.2f} %, Cllr {found['cllr']:.3f}, "
            f"FAR at the points {far} %"
        )
    return "\n".join(lines)
