"""How much there is of what: clips, hours and people by set, split, gender, emotion and language.

Takes rows; gives plain counts and the cells of tables. Must hold: every row is counted once in each table; what is not
known has a line of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from training.corpus import Recording
from training.explore.colours import UNKNOWN, shown
from training.explore.suspects import name_of

KEYS: Final = ("split", "set", "gender", "emotion", "language")


def of(row: Recording, key: str) -> str:
    """A row's class of a kind, as people read it."""
    return shown(getattr(row, key)) or UNKNOWN


def by(rows: Sequence[Recording], key: str) -> dict[str, dict[str, Any]]:
    """Return name -> ``clips``, ``hours`` (None where no length is known), ``speakers``, the most clips first."""
    groups: dict[str, list[Recording]] = {}
    for row in rows:
        groups.setdefault(of(row, key), []).append(row)
    return {
        name: {
            "clips": len(mine),
            "hours": hours(mine),
            "speakers": len({name_of(row, "speaker") for row in mine} - {""}),
        }
        for name, mine in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    }


def hours(rows: Sequence[Recording]) -> float | None:
    """Hours of sound, None where no length is known."""
    seconds = sum(row.seconds for row in rows)
    return round(seconds / 3600, 3) if seconds else None


def stacked(rows: Sequence[Recording], key: str, part: str) -> tuple[list[str], dict[str, list[int]]]:
    """Return names of ``key``, most clips first, and for each class of ``part`` its clips per name."""
    names = list(by(rows, key))
    parts = sorted({of(row, part) for row in rows}, key=lambda name: (name == UNKNOWN, name))
    place = {name: number for number, name in enumerate(names)}
    table = {name: [0] * len(names) for name in parts}
    for row in rows:
        table[of(row, part)][place[of(row, key)]] += 1
    return names, table


def speaker_minutes(rows: Sequence[Recording], key: str, most: int = 10) -> dict[str, list[float]]:
    """Return class of ``key`` -> minutes (clips where no length is known) of each speaker, for the classes with most
    speakers.
    """
    known = any(row.seconds for row in rows)
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if name := name_of(row, "speaker"):
            people = found.setdefault(of(row, key), {})
            people[name] = people.get(name, 0.0) + (row.seconds / 60 if known else 1.0)
    largest = sorted(found, key=lambda name: (-len(found[name]), name))[:most]
    return {name: sorted(found[name].values(), reverse=True) for name in largest}


def table(rows: Sequence[Recording], key: str) -> list[list[str]]:
    """Return the cells of a table, heads first."""
    cells = [[key, "clips", "hours", "speakers"]]
    for name, found in by(rows, key).items():
        amount = "-" if found["hours"] is None else f"{found['hours']:.2f}"
        cells.append([name, str(found["clips"]), amount, str(found["speakers"] or "-")])
    return cells


def lengths(rows: Sequence[Recording], key: str = "set") -> dict[str, dict[str, float]]:
    """Return name -> ``clips`` and percentiles of the lengths in seconds, of the rows whose length is known."""
    groups: dict[str, list[float]] = {}
    for row in rows:
        if row.seconds:
            groups.setdefault(of(row, key), []).append(row.seconds)
    return {
        name: {"clips": len(seconds)}
        | {
            f"p{share}": round(float(value), 2)
            for share, value in zip((5, 50, 95, 100), np.percentile(seconds, (5, 50, 95, 100)), strict=True)
        }
        for name, seconds in sorted(groups.items())
    }


def lengths_table(rows: Sequence[Recording]) -> list[list[str]]:
    """Return the cells of a table, heads first."""
    cells = [["set", "clips", "5 %", "half", "95 %", "longest, s"]]
    for name, found in lengths(rows).items():
        cells.append([name, str(found["clips"]), *(f"{found[key]:.2f}" for key in ("p5", "p50", "p95", "p100"))])
    return cells
