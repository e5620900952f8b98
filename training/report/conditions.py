"""How a list's errors spread over conditions: length and noise of the test, gender, language, emotion.

Takes a trial list, its scores, and the corpus's manifest where there is one. Gives, per condition and bucket, the
figures of ``KEYS`` (percent, counts; None where the bucket has no trial of the kind that a figure needs).

Must hold: the buckets of a condition add up to the whole list (what is not known is a bucket of its own); length is
read off the samples, speech seconds and noise come from the device's segmenter, and only gender, language and emotion
from labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from training import metrics
from training.corpus import Recording
from training.evaluate import ScoredList
from training.report.tables import layout
from training.trials import Side, TrialList

KEYS: Final = (
    "speakers", "genuine", "impostors", "eer", "eer_low", "eer_high", "frr_far1",
    "far_fixed", "far_fixed_high", "frr_fixed", "frr_fixed_low", "frr_fixed_high",
)  # fmt: skip
"""Figures of a bucket, as in ``training.evaluate.FIGURES``; ``genuine`` and ``impostors`` count trials.
Those at the fixed threshold are there for a calibrated bundle only."""

DURATIONS: Final = (1.0, 2.0, 4.0, 8.0)
"""Edges of the buckets of length and of speech, seconds."""

SNRS: Final = (5.0, 10.0, 15.0, 20.0, 30.0)
"""Edges of the buckets of the signal-to-noise ratio, dB."""

UNKNOWN: Final = "unknown"

Row = dict[str, float | int | None]
Report = dict[str, dict[str, Row]]


def labels(trials: TrialList, scored: ScoredList, recordings: Iterable[Recording] = ()) -> dict[str, tuple[str, ...]]:
    """Return each trial's bucket under every condition about which anything is known.

    ``duration``: length of the test; ``speech`` and ``snr``: what the segmenter heard in it; ``noise``: what the list
    mixed into it; ``gender``: ``f-f``, ``m-m`` or ``cross`` for the pair; ``language`` and ``emotion``: the test's.
    """
    by_path = {recording.path: recording for recording in recordings}
    found: dict[str, tuple[str, ...]] = {}
    for name, values, edges, unit in (
        ("duration", scored.test_seconds, DURATIONS, "s"),
        ("speech", scored.test_speech_seconds, DURATIONS, "s"),
        ("snr", scored.test_snr_db, SNRS, "dB"),
    ):
        if values is not None:
            names = bucket_names(edges, unit)
            # A nanosecond of tolerance: clips of exactly a second must not fall on either side by rounding.
            found[name] = tuple(names[i] for i in np.searchsorted(edges, values + 1e-9, side="right"))
    if "snr" in found and scored.test_speech_seconds is not None:
        # Where the segmenter heard no speech at all, its ratio of 0 dB measures nothing.
        heard = zip(found["snr"], scored.test_speech_seconds, strict=True)
        found["snr"] = tuple(name if seconds > 0 else UNKNOWN for name, seconds in heard)
    if any(t.test.noise for t in trials.trials):
        found["noise"] = tuple(f"{t.test.noise.snr_db:g} dB" if t.test.noise else "none" for t in trials.trials)
    labelled = {
        "gender": tuple(_pair(t.enrol, t.test, by_path) for t in trials.trials),
        "language": tuple(_label(t.test, by_path, "language") for t in trials.trials),
        "emotion": tuple(_label(t.test, by_path, "emotion") for t in trials.trials),
    }
    return found | {name: values for name, values in labelled.items() if set(values) != {UNKNOWN}}


def bucket_names(edges: Sequence[float], unit: str) -> list[str]:
    """Return the names of the buckets between edges, from ``<1 s`` over ``1-2 s`` to ``>=8 s``."""
    between = [f"{low:g}-{high:g} {unit}" for low, high in pairwise(edges)]
    return [f"<{edges[0]:g} {unit}", *between, f">={edges[-1]:g} {unit}"]


def _label(side: Side, by_path: Mapping[str, Recording], field: str) -> str:
    """What the manifest says about a side's clips; several differing labels are joined by ``+``."""
    known = {
        getattr(by_path[clip.path], field) if clip.path in by_path else "" for part in side.utterances for clip in part
    }
    return "+".join(sorted(known)) if "" not in known else UNKNOWN


def _pair(enrol: Side, test: Side, by_path: Mapping[str, Recording]) -> str:
    a, b = _label(enrol, by_path, "gender"), _label(test, by_path, "gender")
    if not {a, b} <= {"f", "m"}:
        return UNKNOWN
    return f"{a}-{b}" if a == b else "cross"


def report(scored: ScoredList, labelled: Mapping[str, Sequence[str]], rounds: int = metrics.BOOTSTRAP_ROUNDS) -> Report:
    """Return condition -> bucket -> figures; ``labelled`` as from ``labels``."""
    found: Report = {}
    for condition, values in labelled.items():
        of_trial = np.asarray(values)
        found[condition] = {name: _row(scored, of_trial == name, rounds) for name in _ordered(condition, set(values))}
    return found


def _ordered(condition: str, present: set[str]) -> list[str]:
    scales = {
        "duration": bucket_names(DURATIONS, "s"),
        "speech": bucket_names(DURATIONS, "s"),
        "snr": [*bucket_names(SNRS, "dB"), UNKNOWN],
    }
    if condition == "noise":
        return sorted(present, key=lambda name: float("inf") if name == "none" else float(name.split()[0]))
    names = scales.get(condition) or [*sorted(present - {UNKNOWN}), UNKNOWN]
    return [name for name in names if name in present]


def _row(scored: ScoredList, rows: metrics.Bools, rounds: int) -> Row:
    target, cosine = scored.target[rows], scored.cosine[rows]
    speakers = [name for name, inside in zip(scored.speakers, rows, strict=True) if inside]
    genuine, impostors = int(target.sum()), int((~target).sum())
    row: Row = {"speakers": len(set(speakers)), "genuine": genuine, "impostors": impostors}
    row |= dict.fromkeys(("eer", "eer_low", "eer_high", "frr_far1"))
    if genuine and impostors:
        curve = metrics.error_curve(cosine, target)
        low, high = metrics.interval(speakers, lambda weights: _eer(cosine, target, weights), rounds=rounds)
        row |= {
            "eer": 100 * metrics.eer_of(curve),
            "eer_low": 100 * low,
            "eer_high": 100 * high,
            "frr_far1": 100 * metrics.frr_at_far(curve, 0.01),
        }
    return row if scored.named is None else row | _fixed(scored.named[rows], target, speakers, rounds)


def _fixed(named: metrics.Bools, target: metrics.Bools, speakers: Sequence[str], rounds: int) -> Row:
    row: Row = dict.fromkeys(KEYS[KEYS.index("far_fixed") :])
    impostors = int((~target).sum())
    if impostors:
        passed = int(named[~target].sum())
        row |= {"far_fixed": 100 * passed / impostors, "far_fixed_high": 100 * metrics.binomial_high(passed, impostors)}
    if target.any():
        low, high = metrics.interval(
            speakers, lambda weights: metrics.weighted_share(~named[target], weights[target]), rounds=rounds
        )
        row |= {"frr_fixed": 100 * float((~named[target]).mean()), "frr_fixed_low": 100 * low}
        row |= {"frr_fixed_high": 100 * high}
    return row


def _eer(scores: metrics.Float64, target: metrics.Bools, weights: metrics.Float64) -> float:
    if not weights[target].any() or not weights[~target].any():
        return float("nan")
    return metrics.eer(scores, target, weights)


def rows(reports: Mapping[str, Report]) -> list[list[str]]:
    """Return the cells of a table (list name -> report), heads first; a figure that cannot be told is ``-``."""
    calibrated = any("far_fixed" in row for one in reports.values() for part in one.values() for row in part.values())
    cells = [["list", "condition", "bucket", "people", "genuine", "impostors", "EER % [95 %]", "FRR@1%"]]
    cells[0] += ["FAR fixed", "FRR fixed [95 %]"] if calibrated else []
    for name, one in reports.items():
        for condition, part in one.items():
            for bucket, row in part.items():
                line = [name, condition, bucket, *(str(row[key]) for key in ("speakers", "genuine", "impostors"))]
                line += [_cell(row, "{eer:.2f} [{eer_low:.1f}-{eer_high:.1f}]"), _cell(row, "{frr_far1:.1f}")]
                if calibrated:
                    line.append(_cell(row, "{far_fixed:.2f} (<{far_fixed_high:.1f})"))
                    line.append(_cell(row, "{frr_fixed:.1f} [{frr_fixed_low:.1f}-{frr_fixed_high:.1f}]"))
                cells.append(line)
    return cells


def _cell(row: Row, form: str) -> str:
    known = {key: value for key, value in row.items() if value is not None}
    try:
        return form.format_map(known)
    except KeyError:
        return "-"


def table(reports: Mapping[str, Report], *, markdown: bool = False) -> str:
    """Lay reports (list name -> report) out for people."""
    return layout(rows(reports), markdown=markdown, left=3)
