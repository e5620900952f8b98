"""Session compensation: what differs between recordings of one voice is taken out of the embedding.

Takes unit embeddings of labelled training speech with speakers and domains. Gives a ``Compensation`` and a table of
equal error rates on kinds of recordings that it did not learn from. Must hold: every speaker of a domain and every
domain weigh the same, whatever their size; how much is taken out is chosen on domains that were left out, never on the
people that anything is reported on.

Centring, then within-class covariance normalisation (A. Hatch, S. Kajarekar and A. Stolcke, "Within-class covariance
normalization for SVM-based speaker recognition", Interspeech 2006), with the covariance shrunk towards a multiple of
the identity (O. Ledoit and M. Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", 2004,
the share given instead of estimated).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edge.bundle.heads import compensated
from edge.records import Float32
from training import metrics

Float64 = npt.NDArray[np.float64]
Texts = npt.NDArray[np.str_]

SHRINKAGES: Final = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
"""Shares of the identity that are tried; 1 is centring alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Voices:
    """Labelled takes. ``vectors``: per take the unit embeddings of its utterances, float32 (n, dim). ``speakers``,
    ``domains``: per take. ``enrolment``: whether the take is enrolled or tested.
    """

    vectors: Sequence[Float32]
    speakers: Texts
    domains: Texts
    enrolment: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Compensation:
    """``centre`` float32 (dim,), ``transform`` float32 (dim, dim), as the head of a bundle has them."""

    centre: Float32
    transform: Float32

    def __call__(self, vectors: Float32) -> Float32:
        """Compensated unit vectors (n, dim)."""
        return np.stack([compensated(vector, self.centre, self.transform) for vector in vectors])


def learn(voices: Voices, shrinkage: float, without: str = "") -> Compensation:
    """The compensation of all domains but ``without``. ``shrinkage``: 1 for centring alone."""
    centres, covariances = [], []
    for domain in np.unique(voices.domains):
        if domain == without:
            continue
        means, scatter, freedom = [], 0.0, 0
        for speaker in np.unique(voices.speakers[voices.domains == domain]):
            mine = np.concatenate([voices.vectors[take] for take in np.flatnonzero(voices.speakers == speaker)])
            mean = mine.mean(axis=0, dtype=np.float64)
            means.append(mean)
            scatter = scatter + (mine - mean).T @ (mine - mean)
            freedom += len(mine) - 1
        centres.append(np.mean(means, axis=0))
        covariances.append(np.asarray(scatter) / max(freedom, 1))
    centre, within = np.mean(centres, axis=0), np.mean(covariances, axis=0)
    return Compensation(centre.astype(np.float32), _inverse_root(within, shrinkage).astype(np.float32))


def _inverse_root(covariance: Float64, shrinkage: float) -> Float64:
    """Inverse square root of the shrunk covariance, of mean gain 1."""
    powers, axes = np.linalg.eigh(covariance)
    gains = ((1.0 - shrinkage) * np.maximum(powers, 0.0) + shrinkage * powers.mean()) ** -0.5
    result: Float64 = (axes * (gains / gains.mean())) @ axes.T
    return result


def left_out(voices: Voices, shrinkage: float | None) -> dict[str, float]:
    """EER in percent of each domain by what was learnt on the others; ``shrinkage`` None: uncompensated."""
    found = {}
    for domain in np.unique(voices.domains).tolist():
        apply = (lambda x: x) if shrinkage is None else learn(voices, shrinkage, without=domain)
        found[domain] = _eer(voices, domain, apply)
    return found


def _eer(voices: Voices, domain: str, apply: Callable[[Float32], Float32]) -> float:
    """Every enrolment of a domain against every test; percent."""
    mine = voices.domains == domain

    def side(takes: npt.NDArray[np.bool_]) -> tuple[Float64, Texts]:
        places = np.flatnonzero(takes)
        means = np.stack([apply(voices.vectors[place]).mean(axis=0, dtype=np.float64) for place in places])
        return means / np.linalg.norm(means, axis=1, keepdims=True), voices.speakers[places]

    enrolments, enrolled = side(mine & voices.enrolment)
    tests, tested = side(mine & ~voices.enrolment)
    same = enrolled[:, np.newaxis] == tested
    return 100.0 * metrics.eer((enrolments @ tests.T).ravel(), same.ravel())


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """What was chosen. ``table``: setting -> domain -> EER in percent with that domain left out."""

    compensation: Compensation
    shrinkage: float
    table: dict[str, dict[str, float]]


def choose(voices: Voices, shrinkages: Sequence[float] = SHRINKAGES, say: Callable[[str], None] = print) -> Choice:
    """The shrinkage with the least mean error on domains left out, learnt on all domains."""
    table = {"none": left_out(voices, None)}
    for shrinkage in shrinkages:
        table[f"{shrinkage:g}"] = left_out(voices, shrinkage)
        say(f"shrinkage {shrinkage:g}: mean EER {_mean(table[f'{shrinkage:g}']):.2f} %")
    best = min(shrinkages, key=lambda shrinkage: _mean(table[f"{shrinkage:g}"]))
    return Choice(learn(voices, best), best, table)


def _mean(row: dict[str, float]) -> float:
    return float(np.mean(list(row.values())))


def describe(choice: Choice) -> str:
    """The table for people."""
    from training.report.tables import layout

    domains = list(choice.table["none"])
    rows = [["EER %, kind left out", *domains, "mean"]]
    for name, row in choice.table.items():
        label = "uncompensated" if name == "none" else f"shrinkage {name}"
        marked = label + (" (chosen)" if name == f"{choice.shrinkage:g}" else "")
        rows.append([marked, *(f"{row[domain]:.2f}" for domain in domains), f"{_mean(row):.2f}"])
    return layout(rows)


def to_json(choice: Choice) -> dict[str, Any]:
    """For the card: how it was chosen."""
    table = {name: {domain: round(eer, 3) for domain, eer in row.items()} for name, row in choice.table.items()}
    return {"method": "centring and within-class covariance normalisation", "shrinkage": choice.shrinkage} | {
        "eer_left_out": table
    }
