"""What a simulated day must show.

Takes a ``soak.Run``; gives ``Check``s. The limits are those of the promise: memory flat within 2 MB, threads and
descriptors as many as before, ids that ascend whatever the clock does, a television cut into utterances.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tests.reliability.report import Check

if TYPE_CHECKING:
    from tests.reliability.day import Scene
    from tests.reliability.soak import Run

RSS_MB = 2.0
LIMIT_SECONDS = 12.0
"""``segment.max_utterance_seconds`` by default."""
FOLDER_BYTES = 8_000_000
"""The state folder while the broker takes what it is given; a full outbox may hold more (see docs/reliability.md)."""
LOG_BYTES_PER_EVENT = 400
LOG_BYTES_PER_HOUR = 20_000
"""Besides one line for each utterance: restarts, problems."""


def judge(run: Run) -> list[Check]:
    """All promises, in the order of docs/reliability.md."""
    return [*_resources(run), *_delivery(run), *_time(run), *_endless(run), *_growth(run)]


def _resources(run: Run) -> list[Check]:
    """After the first hour, in which everything happens once; of a very short day, its first half."""
    settled = min(1.0, run.hours / 2) * 3600
    later = [one.usage for one in run.samples if one.at_s >= settled]
    first = [one.usage for one in run.samples if one.at_s < settled]
    rss = [one.rss_mb for one in later]
    third = max(1, len(rss) // 3)
    drift = sum(rss[-third:]) / third - sum(rss[:third]) / third
    threads, descriptors = [one.threads for one in later], [one.descriptors for one in later]
    return [
        Check("hours of sound", round(run.hours, 2)),
        Check("wall minutes", round(run.wall_seconds / 60, 1)),
        Check("RSS at the start, MB", round(first[0].rss_mb, 1) if first else None),
        Check("RSS after the first hour, MB", f"{rss[0]:.1f} ... {rss[-1]:.1f}"),
        Check("RSS, most minus least, MB", round(max(rss) - min(rss), 2), max(rss) - min(rss) <= RSS_MB),
        Check("RSS, last third minus first third, MB", round(drift, 2), abs(drift) <= RSS_MB),
        Check("threads, least and most", f"{min(threads)} {max(threads)}", max(threads) == min(threads)),
        Check(
            "descriptors, least and most",
            f"{min(descriptors)} {max(descriptors)}",
            max(descriptors) - min(descriptors) <= 1,
        ),
    ]


def _delivery(run: Run) -> list[Check]:
    ids = [one["id"] for one in run.events]
    unique = list(dict.fromkeys(ids))
    outcomes = Counter(one["event_type"] for one in run.events)
    return [
        Check("events", len(unique), len(unique) > 0),
        Check("outcomes", " ".join(f"{name}:{number}" for name, number in sorted(outcomes.items()))),
        Check("events given up", run.health[-1]["outbox_dropped"], run.health[-1]["outbox_dropped"] == 0),
        Check("broker restarts", run.broker_restarts),
        Check("exit code at the end of the sound", run.exit_code, run.exit_code == 0),
        Check("tracebacks and odd lines in the log", len(run.odd_lines), not run.odd_lines),
        Check("errors in the log", sum(one.startswith("error") for one in run.warnings), not _errors(run)),
    ]


def _errors(run: Run) -> list[str]:
    return [one for one in run.warnings if not one.startswith("warning")]


def _time(run: Run) -> list[Check]:
    ids = list(dict.fromkeys(one["id"] for one in run.events))
    places = [one["at_s"] for one in {one["id"]: one for one in run.events}.values()]
    uptimes = [one["uptime_s"] for one in run.health]
    gaps = [after - before for before, after in pairwise(uptimes)]
    return [
        Check("steps of the clock", run.steps),
        Check("sleeps", run.sleeps),
        Check("ids ascend", ids == sorted(ids), ids == sorted(ids)),
        Check("events in the order of the sound", places == sorted(places), places == sorted(places)),
        Check("health never went back in time", min(gaps, default=0) >= 0, min(gaps, default=0) >= 0),
        Check("health messages", len(run.health), len(run.health) > 10),
        Check(
            "online again after each sleep and restart",
            run.availability.count(b"online"),
            run.availability.count(b"online") >= 1 + run.sleeps + run.broker_restarts,
        ),
        Check("last word", run.availability[-1].decode(), run.availability[-1] == b"offline"),
    ]


def _within(run: Run, name: str) -> tuple[float, list[dict[str, Any]]]:
    """Seconds of such scenes, and the events that begin there (not in the first seconds: the scene before may end)."""
    chosen: list[Scene] = [one for one in run.scenes if one.name == name and one.end - one.start > LIMIT_SECONDS]
    events = [e for e in run.events if any(s.start + LIMIT_SECONDS < e["at_s"] < s.end for s in chosen)]
    seconds = sum(one.end - one.start - LIMIT_SECONDS for one in chosen)
    return seconds, list({e["id"]: e for e in events}.values())


def _endless(run: Run) -> list[Check]:
    seconds, television = _within(run, "television")
    longest = max((one["duration_s"] for one in run.events), default=0.0)
    told = sum(one["duration_s"] for one in television)
    cut = sum(one["duration_s"] > LIMIT_SECONDS - 1.1 for one in television)
    checks = [
        Check("hours of television", round(seconds / 3600, 2)),
        Check("television: utterances", len(television), len(television) >= seconds / LIMIT_SECONDS / 2),
        Check("television: share of its time told", round(told / max(seconds, 1), 2), told / max(seconds, 1) > 0.5),
        Check("television: cut at the limit", cut, cut > 0),
        Check("longest utterance, s", longest, longest <= LIMIT_SECONDS + 0.1),
    ]
    for name in ("fan", "hum"):
        seconds, events = _within(run, name)
        checks.append(Check(f"{name}: utterances in {seconds / 3600:.1f} h", len(events), len(events) <= 1))
    return checks


def _growth(run: Run) -> list[Check]:
    log = run.samples[-1].log_bytes
    largest = max(one.folder_bytes for one in run.samples)
    allowed = LOG_BYTES_PER_EVENT * len(run.events) + LOG_BYTES_PER_HOUR * max(1.0, run.hours)
    number = re.compile(r"\d+")
    templates = Counter(number.sub("N", one) for one in run.warnings)
    return [
        Check("log, KB", round(log / 1000, 1), log <= allowed),
        Check("log lines", run.log_lines),
        Check("the commonest warning came", max(templates.values(), default=0)),
        Check("state folder, most KB", round(largest / 1000, 1), largest <= FOLDER_BYTES),
        Check("state folder at the end, KB", round(run.samples[-1].folder_bytes / 1000, 1)),
    ]
