"""The report of ``earmark bench verify`` for people.

Takes the report's plain values. Gives text or Markdown. Must hold: every share stands with its interval and the number
of trials behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from training.bench.tables import share, table

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
        table(head, rows, markdown=markdown),
        "",
        f"{report['bundle']}; {report['machine']}; {report['measured']}.",
        "Percent [95 % interval over people] of how many.",
        f"After the last word, {waiting['utterances']} utterances: silence until it is over"
        f" {waiting['silence_ms_median']:.0f} ms (segment.hangover_ms), then computing"
        f" {waiting['computing_ms_median']:.0f} ms (median), {waiting['computing_ms_p95']:.0f} ms (95th percentile).",
    ]
    return "\n".join(lines)
