"""What exploring found, and the same as plain figures.

Takes what was heard and judged; gives ``Findings``, the facts at the head of a page, and JSON. Must hold: a number in
the JSON is the one in the pictures; what is no number is null.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from training.explore import balance, draw_spread, sheet
from training.explore.hear import Heard
from training.explore.measures import NAMES
from training.explore.rows import Contents, Problem
from training.explore.suspects import Review, Suspect, name_of

Float64 = npt.NDArray[np.float64]

LABELS: Final = ("gender", "emotion")
"""Labels that figures are split by, besides the set."""


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """Everything that a report shows. ``folder``: of the speech. ``bundle``: name of what embedded the clips, or ""."""

    folder: Path
    contents: Contents
    heard: Heard
    reviews: tuple[Review, ...]
    bundle: str
    seed: int

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Files that could not be used, whoever noticed."""
        return self.contents.problems + self.heard.problems

    @property
    def suspects(self) -> tuple[Suspect, ...]:
        """Of all kinds of label."""
        return tuple(one for review in self.reviews for one in review.suspects)


def facts(found: Findings) -> dict[str, str]:
    """The head of the page."""
    rows = found.contents.rows
    amount = balance.hours(rows)
    people = len({name_of(row, "speaker") for row in rows} - {""})
    return {
        "folder": str(found.folder),
        "recordings": f"{len(rows)}" + (f", {amount:.2f} h" if amount else ""),
        "speakers": str(people) if people else "not known",
        "listened to": f"{len(found.heard.rows)}, drawn with seed {found.seed}",
        "embedded by": found.bundle or "nothing",
        "files with problems": str(len(found.problems)),
        "labels to look at": ", ".join(f"{r.label} {len(r.suspects)}" for r in found.reviews if not r.reason) or "none",
    }


def correlated(heard: Heard) -> tuple[list[str], Float64]:
    """Names and correlations of the measures, of being female where gender is known, and of MFCC 1 to 4."""
    female = np.array([{"f": 1.0, "m": 0.0}.get(row.gender, np.nan) for row in heard.rows])
    columns = np.column_stack([heard.measures, heard.mfcc[:, 1:5], female])
    names = [*NAMES, *(f"MFCC {number}" for number in range(1, 5)), "female"]
    found = draw_spread.correlations(columns)
    kept = np.flatnonzero(np.isfinite(found).any(axis=1))
    return [names[int(place)] for place in kept], found[np.ix_(kept, kept)]


def to_json(found: Findings) -> dict[str, Any]:
    """Every figure of the report as plain values."""
    rows, heard = found.contents.rows, found.heard
    names, table = correlated(heard)
    return {
        "folder": str(found.folder),
        "seed": found.seed,
        "bundle": found.bundle or None,
        "clips": len(rows),
        "hours": balance.hours(rows),
        "listened": len(heard.rows),
        "problems": [asdict(one) for one in found.problems],
        "remarks": [asdict(one) for one in heard.remarks],
        "balance": {key: balance.by(rows, key) for key in balance.KEYS},
        "lengths": balance.lengths([row for row in rows if row.seconds] or heard.rows),
        "figures": {key: _medians(heard, key) for key in (*LABELS, "set")},
        "correlation": {"names": names, "table": [[_number(value) for value in line] for line in table.tolist()]},
        "labels": [
            {
                "label": review.label,
                "classes": len(review.classes),
                "judged": review.judged,
                "agreement": round(review.agreement, 4),
                "reason": review.reason,
                "suspects": [
                    {
                        "path": one.row.path,
                        "given": sheet.plain(one.given),
                        "suggested": sheet.plain(one.suggested),
                        "p_given": one.p_given,
                        "p_suggested": one.p_suggested,
                        "set": one.row.set,
                        "speaker": one.row.speaker,
                    }
                    for one in review.suspects
                ],
            }
            for review in found.reviews
        ],
    }


def _medians(heard: Heard, key: str) -> dict[str, dict[str, float | None]]:
    values = [getattr(row, key) for row in heard.rows]
    found: dict[str, dict[str, float | None]] = {}
    for name in sorted(set(values) - {""}):
        mine = heard.measures[[value == name for value in values]]
        found[name] = {
            measure: _number(float(np.median(known))) if len(known := column[np.isfinite(column)]) else None
            for measure, column in zip(NAMES, mine.T, strict=True)
        }
    return found


def _number(value: float) -> float | None:
    return round(value, 3) if np.isfinite(value) else None
