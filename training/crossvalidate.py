"""Which form of calibration serves kinds of speech that it never met.

Takes, for each kind of recording, the training trials scored against a cohort without that kind
(``material.unseen``). Gives for each ``Form`` what it does on each kind after it was fitted on the others.

Must hold: weights, outliers, threshold and cohort know nothing of the kind they are measured on, nor of its speakers;
no trial list takes part, so that one can choose by these figures and still report lists honestly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from edge.outliers import NONE
from training import calibration, metrics
from training.calibration import MOOD_SHARE, PRIOR, RIDGE, WEIGHED, Material
from training.report.tables import layout
from training.thresholds import operating_points

FARS: Final = (0.01, 0.003, 0.001, 0.0001)

MOST_TRIALS: Final = 6000
"""Of each kind (genuine or not, kind of recording, calm or not) that enter a fit here: enough to tell forms apart."""

_PRODUCTS: Final = ("cosine_log_test", "cosine_log_enrol", "cosine_noise")


@dataclass(frozen=True, slots=True)
class Form:
    """A way to calibrate. ``names``: what is weighed. ``outliers``: allow for speech unlike any that was heard."""

    words: str
    names: tuple[str, ...]
    prior: float = PRIOR
    ridge: float = RIDGE
    mood_share: float = 0.0
    outliers: bool = False


FORMS: Final = (
    Form("cosine alone", ("bias", "cosine")),
    Form("+ speech seconds of the test", ("bias", "cosine", "log_test")),
    Form("+ noise", ("bias", "cosine", "log_test", "noise")),
    Form("+ seconds, clips, spread of the enrolment", WEIGHED[:-1]),
    Form("+ cohort cosine of the test", WEIGHED),
    Form("that, outliers", WEIGHED, outliers=True),
    Form("that, moods", WEIGHED, mood_share=MOOD_SHARE),
    Form("that, moods, outliers", WEIGHED, mood_share=MOOD_SHARE, outliers=True),
    Form("half the moods", WEIGHED, mood_share=MOOD_SHARE / 2, outliers=True),
    Form("three times the moods", WEIGHED, mood_share=3 * MOOD_SHARE, outliers=True),
    Form("+ cohort cosine of the enrolment", (*WEIGHED, "cohort_enrol"), mood_share=MOOD_SHARE, outliers=True),
    Form("+ products with the cosine", (*WEIGHED, *_PRODUCTS), mood_share=MOOD_SHARE, outliers=True),
    Form("+ square of the test's logarithm", (*WEIGHED, "log_test_squared"), mood_share=MOOD_SHARE, outliers=True),
    Form("ten times the penalty", WEIGHED, ridge=10 * RIDGE, mood_share=MOOD_SHARE, outliers=True),
    Form("care for few strangers (prior 0.1)", WEIGHED, prior=0.1, mood_share=MOOD_SHARE, outliers=True),
)
"""What is compared, from little to much; "that" is the row of the cohort cosine."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a form does on one kind that was left out; ``far``, ``frr``: shares at the thresholds for ``FARS``."""

    kind: str
    moody: bool
    cllr: float
    ece: float
    eer: float
    far: tuple[float, ...]
    frr: tuple[float, ...]


def compare(
    unseen: Mapping[str, Material],
    forms: Sequence[Form] = FORMS,
    *,
    told: Callable[[int, int], None] | None = None,
) -> dict[str, list[Result]]:
    """Return form -> results, one per kind and, where it has them, one per kind in moods. Empty without two kinds."""
    parts = {
        kind: (thinned(trials.only(trials.domains != kind)), trials.only(trials.domains == kind))
        for kind, trials in unseen.items()
    }
    found: dict[str, list[Result]] = {form.words: [] for form in forms}
    for done, form in enumerate(forms, start=1):
        for kind, (known, left_out) in parts.items():
            found[form.words] += _measure(form, kind, known.with_moods(form.mood_share), left_out)
        if told:
            told(done, len(forms))
    return found


def _measure(form: Form, kind: str, known: Material, left_out: Material) -> list[Result]:
    weights = calibration.fit(known, form.names, prior=form.prior, ridge=form.ridge)
    modest = NONE
    if form.outliers:
        modest = calibration.outliers(known, form.names, prior=form.prior, ridge=form.ridge)
    points = operating_points(modest(calibration.apply(weights, known.features)), known, FARS)
    results = []
    for moody in (False, True):
        rows = (left_out.moody == moody) & ~left_out.unfamiliar
        part = left_out.only(rows)
        if part.target.all() or not part.target.any():
            continue
        llr = modest(calibration.apply(weights, part.features))
        results.append(
            Result(
                kind,
                moody,
                metrics.cllr(llr, part.target),
                metrics.ece(llr, part.target),
                metrics.eer(llr, part.target),
                tuple(calibration.passed(llr, part, p.llr, genuine=False) for p in points),
                tuple(1.0 - calibration.passed(llr, part, p.llr, genuine=True) for p in points),
            )
        )
    return results


def thinned(material: Material, most: int = MOST_TRIALS, seed: int = 0) -> Material:
    """Return at most ``most`` trials, drawn at random, of each domain, genuine or not, calm or not, familiar or not."""
    rng = np.random.default_rng(seed)
    keep = np.zeros(len(material.target), bool)
    cells = [material.target, material.moody, material.unfamiliar]
    code = np.unique(material.domains, return_inverse=True)[1] * 8 + sum(cell * 2**i for i, cell in enumerate(cells))
    for one in np.unique(code):
        rows = np.flatnonzero(code == one)
        keep[rows if len(rows) <= most else rng.choice(rows, most, replace=False)] = True
    return material.only(keep)


def to_json(found: Mapping[str, Sequence[Result]]) -> dict[str, Any]:
    """Return everything that was measured, as plain objects; rates are fractions."""
    return {"fars": list(FARS), "forms": {name: [asdict(one) for one in results] for name, results in found.items()}}


def table(found: Mapping[str, Sequence[Result]], *, markdown: bool = False) -> str:
    """Lay the comparison out for people: means over the kinds left out, calm and in moods, and each kind's FAR."""
    results = next(iter(found.values()))
    kinds = [one.kind for one in results if not one.moody]
    heads = ["form", "Cllr", "Cllr moods", "ECE %", "ECE moods %", *(f"FAR {100 * far:g} %" for far in FARS)]
    cells = [[*heads, "FRR 0.3 %", "FRR moods 0.3 %"]]
    for name, rows in found.items():
        calm, moody = ([one for one in rows if one.moody == kind] for kind in (False, True))
        cells.append(
            [
                name,
                f"{_mean(calm, 'cllr'):.3f}",
                _cell(moody, "cllr", "{:.3f}"),
                f"{100 * _mean(calm, 'ece'):.1f}",
                _cell(moody, "ece", "{:.1f}", 100),
                *(" ".join(f"{100 * one.far[i]:.2f}" for one in calm) for i in range(len(FARS))),
                " ".join(f"{100 * one.frr[FARS.index(0.003)]:.1f}" for one in calm),
                " ".join(f"{100 * one.frr[FARS.index(0.003)]:.1f}" for one in moody) or "-",
            ]
        )
    note = (
        f"Each kind left out in turn: {', '.join(kinds)}. Cllr and ECE are means over kinds, FAR and FRR in this order."
    )
    return layout(cells, markdown=markdown) + ("\n\n" if markdown else "\n") + note


def _mean(rows: Sequence[Result], name: str) -> float:
    return float(np.mean([getattr(one, name) for one in rows]))


def _cell(rows: Sequence[Result], name: str, form: str, times: float = 1.0) -> str:
    return form.format(times * _mean(rows, name)) if rows else "-"
