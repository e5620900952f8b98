"""What a chaos has cost, and what it must not cost.

Takes what was counted on the way; gives ``Check``s. Nothing may be lost, come twice after de-duplication by id, come
out of order, or be told wrongly; no database may be damaged.
"""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, field

from tests.reliability.ledger import first_arrivals, in_order
from tests.reliability.report import Check


@dataclass(slots=True)
class Toll:
    """``verdicts``: of every database at every death of the daemon, as SQLite's integrity check words them.
    ``in_memory``: times that the daemon said that it can't store. ``unlogged``: events committed, but not yet logged,
    when it was killed. ``recoveries``: seconds from the last strike of a round until everything was found right.
    """

    broker_kills: int = 0
    daemon_kills: int = 0
    kills_before_ready: int = 0
    kills_on_full_disk: int = 0
    times_full: int = 0
    small_disk: bool = False
    most_waiting: int = 0
    in_memory: int = 0
    unlogged: int = 0
    left_behind: int = 0
    damaged_files: int = 0
    exit_code: int | None = None
    seconds: float = 0.0
    availability: str = ""
    verdicts: list[tuple[str, str]] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)
    decided: list[str] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    odd_lines: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def judge(toll: Toll) -> list[Check]:
    """All promises."""
    events = first_arrivals(toll.payloads)
    arrived = [one["id"] for one in events]
    missing = set(toll.decided) - set(arrived)
    strange = set(arrived) - set(toll.decided)
    # A reader that drops what it has seen sees each event once; what it drops must be the very same bytes.
    copies = {(one, events_bytes) for one, events_bytes in zip(map(_ident, toll.payloads), toll.payloads, strict=True)}
    outcomes = Counter(one["event_type"] for one in events)
    bad = [one for one in toll.verdicts if one[1] != "ok"]
    tracebacks = [one for one in toll.odd_lines if "Traceback" in one]
    return [
        Check("minutes", round(toll.seconds / 60, 1)),
        Check("events decided", len(toll.decided)),
        Check("outcomes", " ".join(f"{name}:{number}" for name, number in sorted(outcomes.items()))),
        Check("broker killed", toll.broker_kills),
        Check("daemon killed", toll.daemon_kills),
        Check("... of that before it was ready", toll.kills_before_ready),
        Check("... of that on a full disk", toll.kills_on_full_disk),
        Check("disk full", f"{toll.times_full} times"),
        Check("stand-in for the full disk", "none" if toll.small_disk else "RLIMIT_FSIZE"),
        Check("kept in memory only, times told", toll.in_memory, toll.in_memory == 0 if toll.small_disk else None),
        Check("most events waiting in a dead daemon", toll.most_waiting),
        Check("committed, but killed before logged", toll.unlogged),
        Check("events lost", len(missing), not missing),
        Check("arrived unknown to the ledger", len(strange)),
        Check("in the order of decision", in_order(arrived, toll.decided), in_order(arrived, toll.decided)),
        Check("ids ascend", arrived == sorted(arrived), arrived == sorted(arrived)),
        Check("deliveries that repeat an id", len(toll.payloads) - len(events)),
        Check("... with other content", len(copies) - len(events), len(copies) == len(events)),
        Check("integrity checks", len(toll.verdicts)),
        Check("... failed", len(bad), not bad),
        Check("databases moved aside", toll.damaged_files, toll.damaged_files == 0),
        Check("retained states right after", f"{len(toll.recoveries)} recoveries", bool(toll.recoveries)),
        Check("recovery, median s", round(statistics.median(toll.recoveries), 1)),
        Check("recovery, longest s", round(max(toll.recoveries), 1)),
        Check("tracebacks", len(tracebacks), not tracebacks),
        Check("errors in the log", len(toll.errors), not toll.errors),
        Check("events left in the outbox", toll.left_behind, toll.left_behind == 0),
        Check("exit code at the end", toll.exit_code, toll.exit_code == 0),
        Check("last word", toll.availability, toll.availability == "offline"),
    ]


def _ident(payload: bytes) -> str:
    # Made by the daemon, so the id stands where it always stands; cheaper than reading ten thousand objects again.
    return payload.split(b'"id":"', 1)[1][:26].decode()
