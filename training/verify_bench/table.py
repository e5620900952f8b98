"""The report of ``earmark bench verify`` for people.

Takes the report's plain values. Gives text or Markdown. Must hold: every share stands with its interval and the number
of trials behind it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

COLUMNS: Final = {
    "false_accepts": "strangers let in",
    "false_accepts_same_gender": "of the same gender",
    "refusals": "people refused",
    "false_accepts_in_three": "strangers, three attempts",
    "refusals_in_three": "people, three attempts",
}


def text(report: Mapping[str, Any], *, markdown: bool) -> str:
    """Two tables, shares in percent."""
    head = ["condition", "profile", "people", *COLUMNS.values()]
    rows = [
        [row["condition"], row["profile"], str(row["people"]), *(share(row[name]) for name in COLUMNS)]
        for row in report["rows"]
    ]
    waiting = report["waiting"]
    lines = [
        _table(head, rows, markdown),
        "",
        f"{report['bundle']}; {report['machine']}; {report['measured']}.",
        "Percent [95 % interval over people] of how many.",
        f"After the last word, {waiting['utterances']} utterances: silence until it is over"
        f" {waiting['silence_ms_median']:.0f} ms (segment.hangover_ms), then computing"
        f" {waiting['computing_ms_median']:.0f} ms (median), {waiting['computing_ms_p95']:.0f} ms (95th percentile).",
    ]
    return "\n".join(lines)


def share(rate: Mapping[str, float]) -> str:
    """``0.21 [0.05-0.4] of 8832``; a dash where nothing was tried."""
    if not rate["trials"] or math.isnan(rate["share"]):
        return "-"
    return f"{100 * rate['share']:.2f} [{100 * rate['low']:.2f}-{100 * rate['high']:.2f}] of {rate['trials']}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], markdown: bool) -> str:
    if markdown:
        return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    )
