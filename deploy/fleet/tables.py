"""Reports as tables for people.

Takes reports. Gives lines. Must hold: what a host calls itself cannot smuggle control characters into a terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from deploy.fleet.asking import Report


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with aligned columns; the last one is not padded."""
    clean = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in clean) for i in range(len(clean[0]))] if clean else []
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in clean]


def printable(text: str) -> str:
    """``text`` without control characters."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def status_table(reports: Sequence[Report], most_clock_seconds: float) -> list[str]:
    """One line per host, and below it one line per fault."""
    rows: list[tuple[str, ...]] = [("HOST", "REACHABLE", "VERSION", "BUNDLE", "HEALTH", "UPTIME", "OUTBOX", "CLOCK")]
    rows += [_row(report, most_clock_seconds) for report in reports]
    lines = table(rows)
    for report in reports:
        lines += [printable(f"{report.name}: {fault}") for fault in report.faults]
    return lines


def _row(report: Report, most_clock_seconds: float) -> tuple[str, ...]:
    reachable = "yes" if report.reachable else "no"
    clock = clock_words(report, most_clock_seconds)
    if not report.answers:
        health = "no daemon" if report.installed else "not installed" if report.reachable else "-"
        return (report.name, reachable, "-", "-", health, "-", "-", clock)
    dropped = report.number("outbox_dropped")
    outbox = str(report.number("outbox_pending")) + (f" ({dropped} lost)" if dropped else "")
    health = "ok" if report.healthy else "problem"
    return (
        report.name, reachable, report.get("version"), report.get("model"), health,
        duration(report.number("uptime_s")), outbox, clock,
    )  # fmt: skip


def clock_words(report: Report, most_seconds: float) -> str:
    """``+0.01 s``, with a mark where it is wrong."""
    if report.clock_seconds is None:
        return "-"
    wrong = " wrong" if report.clock_wrong(most_seconds) else ""
    return f"{report.clock_seconds:+.2f} s{wrong}"


def duration(seconds: float) -> str:
    """``3d 4h``, ``2h 5m``, ``41s``."""
    left = int(seconds)
    for (size, unit), (smaller, small_unit) in pairwise(_UNITS):
        if left >= size:
            rest = left % size // smaller
            return f"{left // size}{unit}" + (f" {rest}{small_unit}" if rest else "")
    return f"{left}s"


_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
