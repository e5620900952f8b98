"""The report of ``earmark evaluate --report``: pictures per list and one page that holds everything.

Takes what was measured (``Measured``, one per list) and facts about the run. Gives a folder with ``det-LIST.png``,
``scores-LIST.png`` and ``index.html``. Must hold: the page needs none of the other files; each file is whole or absent.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import StorageError
from training import evaluate, metrics
from training.corpus import Recording
from training.report import conditions, curve, det, fixed, histogram, operating
from training.report.page import Page
from training.trials import TrialList

_HOW_TO_READ = (
    "An interval is a bootstrap over enrolled people. Few people make wide intervals: read them first. A rate of false "
    "acceptances is trusted only where three or more were to be expected among the impostor trials."
)


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One list: its scores, ``figures`` as from ``training.evaluate``, operating points and conditions.

    ``held``: what the bundle's own thresholds do on it; empty without a calibration.
    """

    scored: evaluate.ScoredList
    figures: Mapping[str, float | int]
    points: Sequence[operating.Point]
    conditions: conditions.Report
    held: Sequence[fixed.FixedPoint] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the figures with ``operating_points``, ``conditions`` and the error ``curve``, as plain objects."""
        return {
            **self.figures,
            "operating_points": operating.to_json(self.points),
            "fixed_points": fixed.to_json(self.held),
            "conditions": self.conditions,
            "curve": curve.to_json(self.scored),
        }


def measure(
    trials: TrialList,
    scored: evaluate.ScoredList,
    figures: Mapping[str, float | int],
    recordings: Iterable[Recording],
) -> Measured:
    """Look closer at a list that was scored and summed up. ``recordings``: the manifest's, may be empty."""
    labelled = conditions.labels(trials, scored, recordings)
    return Measured(scored, figures, operating.points(scored), conditions.report(scored, labelled))


def prepare(folder: Path) -> None:
    """Make the folder. Raises ``StorageError`` where that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder} cannot be made ({error.strerror})", "Choose another folder.") from error


def write(folder: Path, measured: Sequence[Measured], facts: Mapping[str, str], threshold: float | None) -> Path:
    """Write pictures and page; returns the page's path.

    ``facts``: name -> text for the head of the page. ``threshold``: of the bundle, on the scale of its scores.
    """
    page = Page(f"How well {facts.get('bundle', 'the encoder')} tells people apart")
    page.facts(facts)
    page.heading("Trial lists")
    page.text(_HOW_TO_READ)
    page.table(evaluate.rows({one.scored.name: one.figures for one in measured}))
    page.heading("Operating points")
    page.text("Thresholds chosen on each list itself: what the encoder could do, not what the device does.")
    page.table(operating.rows({one.scored.name: one.points for one in measured}))
    if all(one.held for one in measured):
        held = {one.scored.name: one.held for one in measured}
        page.heading("The bundle's own thresholds")
        page.text("Never fitted on these lists. Kept: at most twice the rate that the threshold was made for.")
        page.table(fixed.rows(held))
        for line in fixed.summary(held, [one.scored for one in measured]).splitlines():
            page.text(line)
    for one in measured:
        name, stem = one.scored.name, _file_name(one.scored.name)
        page.heading(name)
        for kind, png, words in (
            ("det", det.draw(curves(one.scored), f"{name}: DET"), "Detection error trade-off of"),
            ("scores", histogram.draw(one.scored, threshold), "Histograms of genuine and impostor scores of"),
        ):
            save(folder / f"{kind}-{stem}.png", png)
            page.picture(png, f"{words} the list {name}")
        if threshold is not None:
            page.text("Tests with too little speech are refused, and get no name, on whichever side they fall.")
        page.heading("Conditions", 3)
        page.table([row[1:] for row in conditions.rows({name: one.conditions})])
    page.heading("What the figures are")
    page.facts(evaluate.FIGURES)
    path = folder / "index.html"
    save(path, page.html().encode())
    return path


def curves(scored: evaluate.ScoredList) -> dict[str, metrics.ErrorCurve]:
    """Return the error curves to draw: of the cosine and, where there is one, of the likelihood ratio."""
    found = {"cosine": metrics.error_curve(scored.cosine, scored.target)}
    if scored.llr is not None:
        found["calibrated"] = metrics.error_curve(scored.llr, scored.target)
    return found


def machine_text() -> str:
    """Say in a line what this machine is."""
    from edge.bench.machine import describe

    machine: dict[str, Any] = describe()
    return (
        f"{machine['cores']} {machine['architecture']} cores, {machine['processor']}; "
        f"Python {machine['python']}, numpy {machine['numpy']}"
    )


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name)


def save(path: Path, content: bytes) -> None:
    """Replace a file in one step. Raises ``StorageError``."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StorageError(f"{path} cannot be written ({error.strerror})", "Choose another place.") from error
