"""The rows of label models as a table: for a terminal, Markdown and a page.

Takes the rows of reports (``run``). Gives cells, text and HTML. Must hold: every form shows the same cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from training.report.page import Page
from training.report.tables import layout

Rows = Sequence[Mapping[str, Any]]

HEADS: Final = (
    "recipe", "model", "tells", "parameters", "epochs", "int8 KB", "CPU-ms/s",
    "apart: accuracy", "UAR [95 %]", "F1", "int8 accuracy",
    "same: accuracy", "UAR", "F1", "int8 accuracy",
    "forerunner, same", "forerunner, apart",
)  # fmt: skip

TASKS: Final = {
    "gender": "gender", "emotion": "emotion", "gender-emotion": "gender and emotion", "speaker": "who of a closed set",
    "transfer": "new speakers", "verify": "same person?", "verify-one": "this person?",
}  # fmt: skip

NOTES: Final = (
    "Apart: whoever is tested on was not learnt from; of a closed set, whose speakers have to be known: no recording "
    "that is tested on was learnt from, and recordings are taken in blocks of neighbours. Same: the split of the "
    "forerunners, other recordings of the same speakers; of a closed set other segments of the same recordings. Both "
    "splits are drawn from the same segments, the same for all recipes of a task and a length. Where a speaker has few "
    "segments, hardly two are of one recording, and the two splits of a closed set come close.",
    "UAR: mean recall of the classes (balanced accuracy); F1: mean over the classes; the interval is a bootstrap over "
    "speakers. Verification: as many pairs of one person as of two. int8: the file's answers through the runtime "
    "of the device. CPU: input, scaling and int8 network or classical model, one thread, for one segment. Parameters: "
    "those of the network as built for the classes at hand; of a classical model the numbers it keeps. Of a transfer "
    "and a verification by cosine, int8 is the network up to the hidden layer. Epochs: the longest fold; + where the "
    "limit came before it stopped getting better.",
)


def cells(rows: Rows) -> list[list[str]]:
    """Heads first."""
    return [list(HEADS), *(_cells(row) for row in rows)]


def _cells(row: Mapping[str, Any]) -> list[str]:
    apart, same, before = row.get("apart") or {}, row.get("same") or {}, row.get("forerunner") or {}
    interval = f"{_share(apart.get('uar'))} [{_share(apart.get('low'))}-{_share(apart.get('high'))}]" if apart else "-"
    return [
        str(row["recipe"]),
        str(row["network"]),
        TASKS.get(row["aspect"], str(row["aspect"])),
        "-" if row["parameters"] is None else f"{row['parameters']:,}",
        "-" if not row["epochs"] else f"{row['epochs']}{'+' if row['limited'] else ''}",
        "-" if not row.get("int8_bytes") else f"{row['int8_bytes'] / 1000:.0f}",
        "-" if row.get("cpu_ms_per_s") is None else f"{row['cpu_ms_per_s']:.2f}",
        _share(apart.get("accuracy")),
        interval,
        _share(apart.get("f1")),
        _share(apart.get("int8_accuracy")),
        _share(same.get("accuracy")),
        _share(same.get("uar")),
        _share(same.get("f1")),
        _share(same.get("int8_accuracy")),
        str(before.get("same") or "-"),
        str(before.get("apart") or "-"),
    ]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def amounts(rows: Rows) -> list[list[str]]:
    """On how much each row stands, heads first."""
    found = [["recipe", "model", "tells", "sets", "apart: examples", "speakers", "same: examples", "speakers"]]
    for row in rows:
        counts = [
            str((row.get(side) or {}).get(key, "-")) for side in ("apart", "same") for key in ("examples", "speakers")
        ]
        found.append([*_cells(row)[:3], ", ".join(row["sets"]), *counts])
    return found


def text(rows: Rows, *, markdown: bool = False) -> str:
    """The table of figures, percent."""
    return layout(cells(rows), markdown=markdown, left=3)


def page(rows: Rows, facts: Mapping[str, str], pictures: Mapping[str, bytes]) -> str:
    """One HTML page. ``pictures``: confusion matrices and importances by what they show."""
    made = Page("Label models compared")
    made.facts(facts)
    made.heading("Figures, percent")
    made.table(cells(rows))
    for note in NOTES:
        made.text(note)
    made.heading("On how much they stand")
    made.table(amounts(rows))
    made.heading("Confusion")
    for words, png in pictures.items():
        made.picture(png, words)
    return made.html()


def smaller(epochs: int | None, folds: int | None, most: int | None) -> str:
    """A sentence about what a run left out of its recipes, or nothing."""
    limits = {"epochs": epochs, "folds of a split": folds, "segments of a speaker": most}
    said = [f"{value} {name}" for name, value in limits.items() if value]
    return f"At most {', '.join(said)}: less than the recipes ask for." if said else ""
