"""What a calibration tells: the correction, and a line per operating point.

Takes what was found; gives plain values, or text made of the same values. Must hold: no share without its interval, and
no false-accept rate without the trials and the voices behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from edge.calibrate.fit import PSEUDO_TRIALS, effective_trials
from edge.calibrate.points import Point
from edge.calibrate.trials import Trials
from edge.cli.console import Console, count, table
from edge.correction import Correction
from edge.decision import FAR_TARGETS


def now() -> str:
    """This moment as kept with a calibration."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def report_of(trials: Trials, correction: Correction, expected: Sequence[Point], *, created: str) -> dict[str, Any]:
    """Plain values. ``weight``: of the household's clips beside the bundle's calibration, from 0 to 1."""
    total = effective_trials(trials)
    impostors = ~trials.genuine
    return {
        "created": created,
        "correction": {
            "shift": round(correction.shift, 4),
            "slope": round(correction.slope, 4),
            "weight": round(total / (total + PSEUDO_TRIALS), 3),
            "profiles": [name for name, far in FAR_TARGETS.items() if far >= correction.least_far],
        },
        "people": trials.people,
        "clips": len(np.unique(trials.clip[trials.genuine])),
        "impostor_trials": int(np.count_nonzero(impostors)),
        "impostor_voices": trials.impostor_voices,
        "impostor_voices_heard": len(np.unique(trials.voice[impostors & trials.heard])),
        "points": [point.to_json() for point in expected],
    }


def show(console: Console, report: Mapping[str, Any]) -> None:
    """Print a report as text."""
    made, people = report["correction"], report["people"]
    console.say(
        f"{count(report['clips'], 'clip')} of {count(people, 'person') if people == 1 else f'{people} people'}; "
        f"{report['impostor_trials']} impostor trials by {report['impostor_voices']} voices, "
        f"{report['impostor_voices_heard']} of them heard here."
    )
    console.say(
        f"Correction: log-likelihood ratio = {made['shift']:+.2f} + {made['slope']:.2f} x the model's; the clips weigh "
        f"{100 * made['weight']:.0f} %, the model's calibration the rest."
    )
    rows = [["profile", "target", "threshold", "refused when asked", f"refused among {people}", "others passed"]]
    for point in report["points"]:
        if point["asked"] is not None:
            rows.append(_row(point))
    lines = table(rows, right=(1, 2))
    console.say(console.style(lines[0], "bold"))
    for line in lines[1:]:
        console.say(line)
    for point in report["points"]:
        if not point["supported"]:
            console.say(console.style(_unsupported(point), "yellow"))
    console.note(
        "Trials of one voice are not independent: the second bound counts each voice once. The clips of one enrolment "
        "are alike, so that on another day more is refused than this."
    )


def _row(point: Mapping[str, Any]) -> list[str]:
    passed = (
        f"{point['accepted']} of {point['trials']} (< {100 * point['far_high']:.2g} %; "
        f"< {100 * point['far_high_voices']:.2g} % of {point['voices']} voices)"
    )
    refusals = (point["asked"], point["of_all"])
    return [
        point["profile"] or "-",
        f"{100 * point['far']:g} %",
        f"{point['llr']:.2f}",
        *(f"{r['refused']} of {r['clips']} ({100 * r['low']:.0f}-{100 * r['high']:.0f} %)" for r in refusals),
        passed,
    ]


def _unsupported(point: Mapping[str, Any]) -> str:
    name = f"{point['profile']} ({100 * point['far']:g} %)" if point["profile"] else f"{100 * point['far']:g} %"
    few = f"{point['needed']} of the {point['trials'] + point['needed']} impostor trials are missing that it takes"
    return f"{name}: refused, {few}." if point["asked"] is None else f"{name}: {few}."
