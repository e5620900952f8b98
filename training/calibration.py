"""Fits what turns a cosine and its circumstances into a log-likelihood ratio, and measures the thresholds.

Takes takes of labelled training speech (``pairs``), what the bundle heard in them (``embeddings``) and the bundle's
cohort. Gives an ``edge.scoring.Calibration`` and a record of how it was made.

Must hold: nothing of the ``dev`` split enters; every likelihood ratio that a threshold is read from comes from weights
fitted without either of its two speakers; no kind of recording outweighs the others, and what tells kinds of recordings
apart is not mistaken for what tells people apart.

The fit is logistic regression with an L2 penalty, whose log-odds minus the prior's are the likelihood ratio: Brummer
and du Preez 2006 (see ``metrics``); side information as in Mandasari et al. 2013 (see ``edge.scoring``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edge.errors import UsageError
from edge.operating_point import OperatingPoint
from edge.outliers import NONE, Outliers
from edge.scoring import FEATURE_NAMES, Calibration
from training import metrics
from training.thresholds import evidence_words, operating_points, raised, with_evidence

WEIGHED: Final = ("bias", "cosine", "log_test", "log_enrol", "log_clips", "spread", "noise", "cohort_test")
"""The side information that earns its place (docs/evaluation.md tells how that was found out)."""

PRIOR: Final = 0.5
"""Share of genuine trials that the fit imagines."""

MOOD_SHARE: Final = 0.1
"""Weight of tests in a mood among those of a kind of recording: how often people do not sound like their enrolment."""

FOLDS: Final = 5
RIDGE: Final = 1e-4
"""Weight of the squared standardised weights against the mean log loss."""

Float64 = metrics.Float64
Texts = npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Trials ready for fitting, ``n`` rows; made by ``training.material``.

    ``features``: float64 ``(n, len(FEATURE_NAMES))``. ``target``: bool. ``weights``: float64, genuine and impostor
    trials each add up to 1. ``domains``, ``sets``: str. ``enrol_speaker``, ``test_speaker``: str, unique across sets.
    ``unfamiliar``: bool, the cohort cosine was computed as if nobody like these two were in the cohort. ``moody``:
    bool, the test is spoken otherwise than the enrolment (``training.moods``).
    """

    features: Float64
    target: metrics.Bools
    weights: Float64
    domains: Texts
    sets: Texts
    enrol_speaker: Texts
    test_speaker: Texts
    unfamiliar: metrics.Bools
    moody: metrics.Bools

    def only(self, rows: metrics.Bools) -> Material:
        """Return the trials for which ``rows`` is true, balanced anew."""
        part = {item.name: getattr(self, item.name)[rows] for item in fields(self)}
        part["weights"] = balance(part["weights"], part["target"], part["domains"])
        return Material(**part)

    def with_moods(self, share: float) -> Material:
        """Return the trials with this share of each domain's weight on tests in a mood, if it has any; 0 drops them."""
        if share == 0.0:
            return self.only(~self.moody)
        raw = self.weights.copy()
        for name in np.unique(self.domains[self.moody]):
            for kind in (True, False):
                rows = (self.domains == name) & (self.target == kind)
                for part, wanted in ((rows & self.moody, share), (rows & ~self.moody, 1.0 - share)):
                    total = float(raw[part].sum())
                    raw[part] *= wanted / total if total else 1.0
        return replace(self, weights=balance(raw, self.target, self.domains))


def balance(raw: Float64, target: metrics.Bools, domains: Texts) -> Float64:
    """Scale weights so that genuine (and impostor) trials of each domain weigh the same; each kind sums to 1."""
    weights = raw.astype(np.float64).copy()
    for kind in (True, False):
        present = [name for name in np.unique(domains) if ((domains == name) & (target == kind)).any()]
        for name in present:
            rows = (domains == name) & (target == kind)
            weights[rows] /= weights[rows].sum() * len(present)
    return weights


def fit(material: Material, names: Sequence[str], *, prior: float = PRIOR, ridge: float = RIDGE) -> dict[str, float]:
    """Return the weights of the features ``names`` (with ``bias``) that give the least weighted log loss.

    Each domain gets an offset of its own during the fit, which is then averaged away: a kind of recording has its own
    level of cosines, and its own lengths and numbers of clips, and the one must not be explained by the other.

    ``prior``: the share of genuine trials that the loss imagines; lower puts the care where few strangers pass.
    Newton's method; the penalty is on standardised weights, the bias goes free. The result gives log-likelihood ratios,
    the prior's log-odds taken out.
    """
    columns = [FEATURE_NAMES.index(name) for name in names]
    x = np.concatenate([material.features[:, columns], _offsets(material.domains)], axis=1)
    target = material.target
    w = material.weights * np.where(target, prior, 1.0 - prior)
    free = np.array([name == "bias" for name in names] + [False] * (x.shape[1] - len(names)))
    centre = np.where(free | (np.arange(len(free)) >= len(names)), 0.0, np.average(x, axis=0, weights=w))
    scale = np.sqrt(np.average((x - centre) ** 2, axis=0, weights=w))
    scale = np.where(free | (scale < 1e-9), 1.0, scale)
    beta = _newton((x - centre) / scale, target, w, np.where(free, 1e-12, ridge), math.log(prior / (1.0 - prior)))
    weights = beta / scale
    weights[np.flatnonzero(free)] -= float(np.sum((weights * centre)[~free]))
    return {name: float(value) for name, value in zip(names, weights, strict=False)}


def _offsets(domains: Texts) -> Float64:
    """One column per domain but the last, which is minus all others: the offsets of all domains add up to 0."""
    present = np.unique(domains)
    columns = np.zeros((len(domains), len(present) - 1))
    for i, name in enumerate(present[:-1]):
        columns[:, i] = (domains == name).astype(np.float64) - (domains == present[-1])
    return columns


def _newton(x: Float64, target: metrics.Bools, w: Float64, penalty: Float64, offset: float) -> Float64:
    beta = np.zeros(x.shape[1])
    for _ in range(100):
        p = 1.0 / (1.0 + np.exp(-np.clip(x @ beta + offset, -40, 40)))
        gradient = x.T @ (w * (p - target)) + penalty * beta
        hessian = (x * (w * np.maximum(p * (1 - p), 1e-9))[:, None]).T @ x + np.diag(penalty)
        step = np.linalg.solve(hessian, gradient)
        # Far from the optimum a full step of a saturated logistic can run away; half a dozen units are plenty.
        step *= min(1.0, 6.0 / max(float(np.abs(step).max()), 1e-12))
        beta -= step
        if float(np.abs(step).max()) < 1e-9:
            break
    return beta


def apply(weights: Mapping[str, float], features: Float64) -> Float64:
    """Return the log-likelihood ratios that the device would compute with these weights, float64 ``(n,)``."""
    result: Float64 = Calibration(weights, (), 0, 0).llr(features)
    return result


def held_out(
    material: Material, names: Sequence[str], *, prior: float = PRIOR, folds: int = FOLDS, seed: int = 1
) -> Float64:
    """Return each trial's likelihood ratio from weights fitted without its two speakers, float64 ``(n,)``.

    Speakers are dealt into folds, set by set. The weights for trials between fold a and fold b come from the trials
    that touch no speaker of either. Raises ``UsageError`` where there are too few speakers for that.
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
                if not material.target[outside].any() or material.target[outside].all():
                    raise UsageError(
                        f"{len(fold)} training speakers are too few for a calibration",
                        "Two dozen are the least that make sense; hundreds are better.",
                    )
                llr[inside] = apply(fit(material.only(outside), names, prior=prior), material.features[inside])
    return llr


def _deal(material: Material, folds: int, seed: int) -> dict[str, int]:
    rng = np.random.default_rng(seed)
    fold: dict[str, int] = {}
    for name in np.unique(material.sets):
        rows = material.sets == name
        people = np.union1d(material.enrol_speaker[rows], material.test_speaker[rows])
        start = int(rng.integers(folds))
        for i, person in enumerate(people[rng.permutation(len(people))]):
            fold[str(person)] = (start + i) % folds
    return fold


def believable(llr: Float64, material: Material) -> Outliers:
    """Return the shares of outliers under which these log-likelihood ratios lose least (weighted log loss, even prior).

    ``llr`` must come from weights that know as little of the trials as the device knows of a stranger's speech.
    """
    sign = np.where(material.target, -1.0, 1.0)

    def loss(genuine: float, impostor: float) -> float:
        modest = Outliers(genuine, impostor)(llr)
        return float(np.sum(material.weights * np.logaddexp(0.0, sign * modest)))

    found = [0.0, 0.0]
    for _ in range(2):  # one share after the other; they hardly depend on each other
        for i in (0, 1):
            found[i] = min(_SHARES, key=lambda share: loss(share, found[1]) if i == 0 else loss(found[0], share))
    return Outliers(*found)


_SHARES: Final = (0.0, *(round(float(x), 6) for x in np.geomspace(1e-5, 0.05, 28)))


def outliers(material: Material, names: Sequence[str], *, prior: float = PRIOR, ridge: float = RIDGE) -> Outliers:
    """Return how far weights are to be believed about kinds of recording, and moods, that they were not fitted on.

    Each kind is scored by weights, and against a cohort, that never met it. With a single kind there is none to leave
    out, and nothing is believed less.
    """
    kinds = np.unique(material.domains)
    if len(kinds) < 2:
        return NONE
    llr = np.empty(len(material.target))
    for name in kinds:
        rows = material.domains == name
        llr[rows] = apply(fit(material.only(~rows), names, prior=prior, ridge=ridge), material.features[rows])
    rows = material.unfamiliar if material.unfamiliar.any() else np.ones(len(llr), bool)
    return believable(llr[rows], material.only(rows))


def calibrate(
    material: Material,
    names: Sequence[str] = WEIGHED,
    *,
    prior: float = PRIOR,
    unseen: Mapping[str, Material] | None = None,
) -> tuple[Calibration, dict[str, Any]]:
    """Fit on everything, measure thresholds on held-out scores; return the calibration and how it was made.

    ``unseen``: domain -> the same trials scored against a cohort without that domain. For each, the record says what a
    calibration that has never met this kind of recording does on it.
    """
    modest = outliers(material, names, prior=prior)
    llr = modest(held_out(material, names, prior=prior))
    strangers = {name: unseen_kind(trials, name, names, prior) for name, trials in (unseen or {}).items()}
    met = operating_points(llr, material)
    points = raised(met, [(modest(one.llr), one.trials) for one in strangers.values()])
    points = with_evidence(points, llr, material)
    calibration = Calibration(
        fit(material, names, prior=prior),
        points,
        # A trial stands in the material twice where it was also scored as unfamiliar; it is one trial all the same.
        trials=int((~material.target & ~material.unfamiliar).sum()),
        speakers=len(np.union1d(material.enrol_speaker, material.test_speaker)),
        outliers=modest,
    )
    domains = {str(name): _domain(llr, material, str(name), points) for name in np.unique(material.domains)}
    for name, one in strangers.items():
        domains[name]["unseen"] = one.figures()
    record = {"prior": prior, "ridge": RIDGE, "folds": FOLDS, "mood_share": _mood_share(material), "domains": domains}
    record["before_raising"] = {f"{point.far:g}": round(point.llr, 4) for point in met}
    return calibration, record


def _mood_share(material: Material) -> float:
    return MOOD_SHARE if material.moody.any() else 0.0


def _domain(llr: Float64, material: Material, name: str, points: Sequence[OperatingPoint]) -> dict[str, Any]:
    """What held-out scores of one domain look like under the common weights and thresholds; moods by themselves."""
    rows = (material.domains == name) & ~material.unfamiliar
    found = _figures(llr, material, rows & ~material.moody, points)
    moody = rows & material.moody
    if not (moody & material.target).any() or not (moody & ~material.target).any():
        return found
    return found | {"moods": _figures(llr, material, moody, points)}


def _figures(llr: Float64, material: Material, rows: metrics.Bools, points: Sequence[OperatingPoint]) -> dict[str, Any]:
    target, part = material.target[rows], material.only(rows)
    return {
        "speakers": len(np.union1d(part.enrol_speaker, part.test_speaker)),
        "genuine_trials": int(target.sum()),
        "impostor_trials": int((~target).sum()),
        "eer": round(100 * metrics.eer(llr[rows], target), 2),
        "cllr": round(metrics.cllr(llr[rows], target), 4),
        "ece": round(100 * metrics.ece(llr[rows], target), 2),
        "far": {f"{p.far:g}": passed(llr[rows], part, p.llr, genuine=False) for p in points},
        "frr": {f"{p.far:g}": round(1 - passed(llr[rows], part, p.llr, genuine=True), 5) for p in points},
    }


@dataclass(frozen=True, slots=True, eq=False)
class UnseenKind:
    """Trials of a kind of recording, scored by weights that know nothing of it, nor does the cohort.

    ``threshold``: what lets ``far`` of the other kinds' strangers pass.
    """

    llr: Float64
    trials: Material
    threshold: float
    far: float

    def figures(self) -> dict[str, float]:
        """For the record."""
        return {
            "eer": round(100 * metrics.eer(self.llr, self.trials.target), 2),
            "cllr": round(metrics.cllr(self.llr, self.trials.target), 4),
            f"far_at_{self.far:g}": passed(self.llr, self.trials, self.threshold, genuine=False),
            f"frr_at_{self.far:g}": round(1 - passed(self.llr, self.trials, self.threshold, genuine=True), 5),
        }


def unseen_kind(material: Material, name: str, names: Sequence[str], prior: float, far: float = 0.003) -> UnseenKind:
    """Score the calm trials of the domain ``name`` by what is learnt on the others."""
    others = material.only(material.domains != name)
    weights = fit(others, names, prior=prior)
    point = operating_points(apply(weights, others.features), others, [far])[0]
    part = material.only((material.domains == name) & ~material.unfamiliar & ~material.moody)
    return UnseenKind(apply(weights, part.features), part, point.llr, far)


def passed(llr: Float64, material: Material, threshold: float, *, genuine: bool) -> float:
    """Return the weighted share of the genuine (or impostor) trials at or above a threshold."""
    rows = material.target == genuine
    return round(metrics.weighted_share(llr[rows] >= threshold, material.weights[rows]), 5)


def describe(calibration: Calibration, record: Mapping[str, Any]) -> str:
    """Say in a few lines what was fitted and how far it reaches, for the person who ran the command."""
    lines = [
        f"{calibration.trials} impostor trials of {calibration.speakers} people.",
        f"outliers: {100 * calibration.outliers.genuine:.2g} % of genuine and "
        f"{100 * calibration.outliers.impostor:.2g} % of impostor tests may be unlike all that was heard here",
        "weights: " + ", ".join(f"{name} {value:.3f}" for name, value in calibration.weights.items()),
    ]
    lines += [
        f"FAR {100 * p.far:g} %: log-likelihood ratio {p.llr:.2f}"
        + ("" if calibration.supports(p.far) else " (too few impostor trials to be sure)")
        + (f"; {words}" if (words := evidence_words(p)) else "")
        for p in calibration.points
    ]
    for name, found in record["domains"].items():
        line = (
            f"{name}: {found['speakers']} people, EER {found['eer']:.2f} %, Cllr {found['cllr']:.3f}, "
            f"ECE {found['ece']:.1f} %, at 0.3 %: "
            f"FAR {100 * found['far']['0.003']:.2f} %, FRR {100 * found['frr']['0.003']:.1f} %"
        )
        if "moods" in found:
            line += f"; in moods: EER {found['moods']['eer']:.2f} %, ECE {found['moods']['ece']:.1f} %"
        if "unseen" in found:
            unseen = found["unseen"]
            line += f"; fitted without it: FAR {100 * unseen['far_at_0.003']:.2f} %"
            line += f", FRR {100 * unseen['frr_at_0.003']:.1f} %"
        lines.append(line)
    return "\n".join(lines)
