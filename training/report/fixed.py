"""Fixed thresholds: what the bundle's own thresholds let pass and refuse on a list that they were never fitted on.

Takes a scored list and the bundle's calibration. Gives one ``FixedPoint`` for each false-acceptance rate of ``FARS``.

Must hold: nothing is chosen on the list; a test with less speech than the device asks for gets no name, as on the
device. The device's margin between people and its other checks refuse some more: ``far_fixed`` and ``frr_fixed``
(``training.evaluate``) count those too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from edge.scoring import Calibration
from edge.settings import Decide
from training import metrics
from training.evaluate import ScoredList
from training.report.operating import FARS
from training.report.tables import layout

ENOUGH: Final = 1000
"""Impostor trials from which a list says whether a rate is kept."""

FACTOR: Final = 2.0
"""How far beyond its target a false-acceptance rate may be and still count as kept."""


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """A threshold of the bundle on a list; rates in percent, ``far_high`` and ``frr_high`` their 95 % bounds.

    ``llr``: the threshold. ``kept``: the rate is at most ``FACTOR`` times ``far_target``; None where the list has fewer
    than ``ENOUGH`` impostor trials or so few that a single one that passed would be too many, or where the
    bundle's own trials are too few for this target.
    """

    far_target: float
    llr: float
    far: float
    far_high: float
    frr: float
    frr_high: float
    kept: bool | None


def points(scored: ScoredList, calibration: Calibration, fars: Sequence[float] = FARS) -> tuple[FixedPoint, ...]:
    """Return the points of a list that was scored with this calibration."""
    if scored.llr is None or scored.test_speech_seconds is None:
        raise ValueError("The list was scored without a calibration.")
    audible = scored.test_speech_seconds >= Decide().min_speech_seconds
    found = []
    for far in fars:
        threshold = calibration.threshold(far)
        passes = audible & (scored.llr >= threshold)
        impostors, genuine = int((~scored.target).sum()), int(scored.target.sum())
        accepted, refused = int(passes[~scored.target].sum()), int((~passes)[scored.target].sum())
        # A list that one false acceptance would fail says nothing about this rate.
        judged = impostors >= ENOUGH and FACTOR * far * impostors >= 1 and calibration.supports(far)
        found.append(
            FixedPoint(
                far_target=100 * far,
                llr=threshold,
                far=100 * accepted / impostors,
                far_high=100 * metrics.binomial_high(accepted, impostors),
                frr=100 * refused / genuine,
                frr_high=100 * metrics.binomial_high(refused, genuine),
                kept=accepted <= FACTOR * far * impostors if judged else None,
            )
        )
    return tuple(found)


def summary(report: Mapping[str, Sequence[FixedPoint]], lists: Sequence[ScoredList]) -> str:
    """Say in a few lines whether the thresholds hold on all lists, and how well probabilities are meant."""
    lines = []
    for i, first in enumerate(next(iter(report.values()))):
        judged = {name: found[i].kept for name, found in report.items() if found[i].kept is not None}
        if not judged:
            continue
        broken = [name for name, kept in judged.items() if not kept]
        line = (
            f"Threshold for FAR {first.far_target:g} % ({first.llr:.2f}): kept within a factor of {FACTOR:g} on "
            f"{len(judged) - len(broken)} of {len(judged)} lists with impostor tests enough"
        )
        lines.append(line + (f"; not on {', '.join(broken)}." if broken else "."))
    return "\n".join([*lines, _pooled(lists)])


def _pooled(lists: Sequence[ScoredList]) -> str:
    each = [100 * metrics.ece(one.llr, one.target) for one in lists if one.llr is not None]
    return (
        f"Expected calibration error: {pooled_ece(lists):.1f} % over all lists, each weighing the same; by list "
        f"{min(each):.1f} to {max(each):.1f} %."
    )


def pooled_ece(lists: Sequence[ScoredList]) -> float:
    """Return the expected calibration error, in percent, of all lists as one in which each weighs the same."""
    scored = [(one.llr, one.target) for one in lists if one.llr is not None]
    llr = np.concatenate([one for one, _ in scored])
    target = np.concatenate([one for _, one in scored])
    sizes = [np.where(t, t.sum(), (~t).sum()) for _, t in scored]
    return 100 * metrics.ece(llr, target, weights=1.0 / np.concatenate(sizes))


def to_json(found: Sequence[FixedPoint]) -> list[dict[str, Any]]:
    """Return points as plain objects, for a report."""
    return [asdict(point) for point in found]


def rows(report: Mapping[str, Sequence[FixedPoint]]) -> list[list[str]]:
    """Return the cells of a table (list name -> points), heads first."""
    cells = [["list", "threshold for FAR %", "likelihood ratio", "FAR % (<95 %)", "FRR % (<95 %)", "kept"]]
    for name, found in report.items():
        for p in found:
            kept = "-" if p.kept is None else ("yes" if p.kept else "no")
            far, frr = f"{p.far:.3f} (<{p.far_high:.2f})", f"{p.frr:.1f} (<{p.frr_high:.1f})"
            cells.append([name, f"{p.far_target:g}", f"{p.llr:.2f}", far, frr, kept])
    return cells


def table(report: Mapping[str, Sequence[FixedPoint]], *, markdown: bool = False) -> str:
    """Lay points (list name -> points) out for people."""
    return layout(rows(report), markdown=markdown)
