"""Operating points: what a list refuses where it lets a given share of impostors pass, and how sure that is.

Takes a scored list. Gives one ``Point`` for each false-acceptance rate of ``FARS``, from plain cosines.

Must hold: a rate that a list has too few impostors for is marked, not hidden; where no error was seen the upper bound
is the rule of three and never zero. Sources: ISO/IEC 19795-1; Clopper and Pearson 1934 (``metrics.binomial_high``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from training import metrics
from training.evaluate import ScoredList
from training.report.tables import layout

FARS: Final = (0.01, 0.003, 0.001, 0.0001)
"""False-acceptance rates, as fractions."""

RESOLVED_ERRORS: Final = 3
"""Expected false acceptances below which a list cannot tell one rate from a lower one (rule of three)."""


@dataclass(frozen=True, slots=True)
class Point:
    """The most lenient threshold of a list whose false-acceptance rate is at most ``far_target``; rates in percent.

    ``threshold``: the cosine at and above which a test passes; None where no threshold keeps the rate, and then
    everything is refused. ``far``: what passed. ``far_high``: its one-sided 95 % Clopper-Pearson bound, the rule of
    three where nothing passed; hopeful, as it takes trials for independent. ``frr``: genuine tests refused.
    ``frr_low``, ``frr_high``: 95 % bootstrap interval over enrolled people, threshold chosen anew in each resample;
    where nothing was refused ``frr_high`` is at least the rule of three. ``resolved``: the list has impostors enough
    (three expected false acceptances) to tell this rate from a lower one.
    """

    far_target: float
    threshold: float | None
    far: float
    far_high: float
    frr: float
    frr_low: float
    frr_high: float
    resolved: bool


def points(
    scored: ScoredList, fars: Sequence[float] = FARS, rounds: int = metrics.BOOTSTRAP_ROUNDS
) -> tuple[Point, ...]:
    """Return the operating points of a list that has genuine and impostor trials."""
    target = scored.target
    curve = metrics.error_curve(scored.cosine, target)
    impostors, genuine = int((~target).sum()), int(target.sum())
    resampled = []
    for weights in metrics.bootstrap_weights(scored.speakers, rounds):
        if weights[target].any() and weights[~target].any():
            again = metrics.error_curve(scored.cosine, target, weights)
            resampled.append([metrics.frr_at_far(again, far) for far in fars])
    ends = np.percentile(np.asarray(resampled), [2.5, 97.5], axis=0)
    return tuple(
        _point(curve, far, impostors, genuine, (float(ends[0, i]), float(ends[1, i]))) for i, far in enumerate(fars)
    )


def _point(curve: metrics.ErrorCurve, far: float, impostors: int, genuine: int, interval: tuple[float, float]) -> Point:
    allowed = np.flatnonzero(curve.far <= far)
    last = int(allowed[-1]) if allowed.size else None  # thresholds fall, so the last one refuses least
    passed = 0 if last is None else round(float(curve.far[last]) * impostors)
    frr = metrics.frr_at_far(curve, far)
    high = interval[1] if frr > 0 else max(interval[1], metrics.rule_of_three(genuine))
    return Point(
        far_target=100 * far,
        threshold=None if last is None else float(curve.thresholds[last]),
        far=100 * passed / impostors,
        far_high=100 * metrics.binomial_high(passed, impostors),
        frr=100 * frr,
        frr_low=100 * interval[0],
        frr_high=100 * high,
        resolved=far * impostors >= RESOLVED_ERRORS,
    )


def to_json(found: Sequence[Point]) -> list[dict[str, Any]]:
    """Return points as plain objects, for a report."""
    return [asdict(point) for point in found]


def rows(report: Mapping[str, Sequence[Point]]) -> list[list[str]]:
    """Return the cells of a table (list name -> points), heads first."""
    cells = [["list", "at most FAR %", "cosine", "FAR % (<95 %)", "FRR % [95 %]", "impostors enough"]]
    for name, found in report.items():
        for p in found:
            cells.append(
                [
                    name,
                    f"{p.far_target:g}",
                    "-" if p.threshold is None else f"{p.threshold:.3f}",
                    f"{p.far:.3f} (<{p.far_high:.2f})",
                    f"{p.frr:.1f} [{p.frr_low:.1f}-{p.frr_high:.1f}]",
                    "yes" if p.resolved else "no",
                ]
            )
    return cells


def table(report: Mapping[str, Sequence[Point]], *, markdown: bool = False) -> str:
    """Lay points (list name -> points) out for people."""
    return layout(rows(report), markdown=markdown)
