"""What ``earmark compare`` shows: tables for a terminal, Markdown, and a page.

Takes ranked rows (``training.compare``). Gives text and HTML. Must hold: every form shows the same cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from training.compare import Row
from training.report import det
from training.report.page import Page
from training.report.tables import layout

NOTES = (
    "Ranked by the mean equal error rate (EER) of the plain cosine over the lists; every row scored the same trials. "
    "FAR and FRR fixed: means over the lists of the device's decisions at the bundle's own threshold. CPU: front-end "
    "and network, milliseconds per second of a three-second utterance, one thread, least of several runs taken in "
    "turns; ratio: to the first row."
)


def summary(rows: Sequence[Row]) -> list[list[str]]:
    """Return the cells of the ranking, heads first."""
    cells = [
        [
            "#",
            "encoder",
            "mean EER %",
            "FAR fixed",
            "FRR fixed",
            "parameters",
            "MB",
            "CPU-ms/s",
            "ratio",
        ]
    ]
    for rank, row in enumerate(rows, start=1):
        one = row.contender
        cells.append(
            [
                str(rank),
                one.name,
                f"{row.mean_eer:.2f}",
                _number(row.far_fixed, ".2f"),
                _number(row.frr_fixed, ".1f"),
                "-" if one.parameters is None else f"{one.parameters / 1e6:.2f} M",
                _number(one.megabytes, ".2f"),
                f"{row.cpu_ms_per_s:.2f}",
                f"{row.ratio:.2f}",
            ]
        )
    return cells


def by_list(rows: Sequence[Row]) -> list[list[str]]:
    """Return the cells of the table with every list's equal error rate and interval, heads first."""
    names = list(rows[0].figures)
    cells = [["EER % [95 %]", *(row.contender.name for row in rows)]]
    for name in names:
        found = [row.figures[name] for row in rows]
        cells.append([name, *(f"{f['eer']:.2f} [{f['eer_low']:.1f}-{f['eer_high']:.1f}]" for f in found)])
    return cells


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def text(rows: Sequence[Row], *, markdown: bool = False) -> str:
    """Lay both tables out."""
    return f"{layout(summary(rows), markdown=markdown, left=2)}\n\n{layout(by_list(rows), markdown=markdown)}"


def page(rows: Sequence[Row], facts: Mapping[str, str], missing: Sequence[str], *, pictures: bool) -> str:
    """Return one HTML page with the tables and, with ``pictures``, a DET curve per list that has all encoders.

    ``facts``: for the head of the page. ``missing``: sentences about what was left out.
    """
    made = Page("Speaker encoders compared")
    made.facts(facts)
    for sentence in missing:
        made.text(sentence)
    made.heading("Ranking")
    made.table(summary(rows))
    made.text(NOTES)
    made.heading("Lists")
    made.table(by_list(rows))
    made.text("Intervals: bootstrap over enrolled people. Where they overlap much, the order may be chance.")
    if pictures:
        for name in rows[0].figures:
            curves = {row.contender.name: row.curves[name] for row in rows}
            made.picture(det.draw(curves, f"{name}: DET"), f"Detection error trade-off of all encoders on {name}")
    made.heading("Encoders")
    made.facts({row.contender.name: f"{row.contender.kind} {row.contender.encoder.encoder}" for row in rows})
    return made.html()
