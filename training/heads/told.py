"""The figures of a label head as a table for people.

Takes the figures of a report. Gives lines of text. Must hold: every row says who was told, and who was left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

_HEADINGS: Final = (
    "bundle",
    "told",
    "left out",
    "learnt from",
    "UAR",
    "interval",
    "F1",
    "ECE",
    "answered",
    "right then",
    "how",
)


def text(figures: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """One line per measure and bundle, columns aligned."""
    rows: list[Sequence[str]] = [_HEADINGS]
    for bundle, measures in figures.items():
        for row in measures:
            rows.append(
                (
                    bundle,
                    f"{row['test']} {row['copy']}".strip(),
                    row["left_out"],
                    ", ".join(row["learnt_from"]),
                    f"{row['uar']:.3f}",
                    f"{row['uar_low']:.3f}-{row['uar_high']:.3f}",
                    f"{row['macro_f1']:.3f}",
                    f"{row['ece']:.3f}",
                    *_published(row),
                    row.get("how", ""),
                )
            )
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _published(row: Mapping[str, Any]) -> tuple[str, str]:
    """A pair of labels is never published."""
    found = row.get("published")
    return ("-", "-") if found is None else (f"{found['told']:.3f}", f"{found['right'] or 0:.3f}")
