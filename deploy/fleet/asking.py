"""How a host is, by its own word.

Takes a shell. Gives a ``Report``. Must hold: nothing is changed there; a host that does not answer is a report, too;
the clock's error is told with its uncertainty, half of the time that the question was under way.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from deploy.fleet.faults import HostError
from deploy.fleet.ssh import Shell

_MOST_AT_ONCE: Final = 16
_CLOCK_TRIES: Final = 3
_STATUS_SECONDS: Final = 60.0
_TOLD: Final = (
    "version", "bundle", "bundle_version", "encoder", "space", "enrolled", "outbox_pending", "outbox_dropped", "started"
)  # fmt: skip
"""What ``fleet status --json`` passes on of ``earmark status --json``."""


@dataclass(frozen=True, slots=True)
class Report:
    """``problem``: why there is no status, empty where there is one. ``installed``: whether Earmark is there at all.
    ``status``: what ``earmark status --json`` said. ``clock_seconds``: how far its clock is ahead of ours, None where
    it was not told.
    """

    name: str
    reachable: bool
    installed: bool = False
    problem: str = ""
    status: Mapping[str, Any] = field(default_factory=dict)
    clock_seconds: float | None = None
    clock_uncertain_seconds: float = 0.0

    @property
    def answers(self) -> bool:
        """Whether its daemon told its status."""
        return bool(self.status)

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with it, none where it is well."""
        if self.problem:
            return (self.problem,)
        told = self.status.get("faults")
        return tuple(str(one) for one in told) if isinstance(told, list) else ()

    def worse_than(self, known: Collection[str]) -> tuple[str, ...]:
        """Its faults of other kinds than those of ``known``, which were there before."""
        kinds = {_kind(fault) for fault in known}
        return tuple(fault for fault in self.faults if _kind(fault) not in kinds)

    @property
    def healthy(self) -> bool:
        """Whether its daemon answers and finds nothing wrong with itself."""
        return self.answers and not self.faults

    def get(self, key: str) -> str:
        """A value of the status as a text, empty where it is missing."""
        value = self.status.get(key)
        return "" if value is None else str(value)

    def number(self, key: str) -> int:
        """A number of the status, 0 where it is missing."""
        value = self.status.get(key)
        if isinstance(value, float) and math.isfinite(value):
            return int(value)
        return value if isinstance(value, int) else 0

    def clock_wrong(self, most_seconds: float) -> bool:
        """Whether its clock is surely more than ``most_seconds`` wrong."""
        if self.clock_seconds is None:
            return False
        return abs(self.clock_seconds) - self.clock_uncertain_seconds > most_seconds

    def to_json(self) -> dict[str, Any]:
        """For ``--json``; keys are documented in docs/fleet.md."""
        return {
            "host": self.name,
            "reachable": self.reachable,
            "installed": self.installed,
            "healthy": self.healthy,
            "faults": list(self.faults),
            **{key: self.status.get(key) for key in _TOLD},
            "uptime_seconds": self.status.get("uptime_s"),
            "clock_skew_seconds": None if self.clock_seconds is None else round(self.clock_seconds, 3),
            "clock_uncertain_seconds": round(self.clock_uncertain_seconds, 3),
        }


def ask(shell: Shell) -> Report:
    """Ask one host."""
    name = shell.host.name
    try:
        clock, uncertain = _clock(shell)
        done = shell.earmark("status", "--json", seconds=_STATUS_SECONDS)
    except HostError as error:
        return Report(name, reachable=False, problem=error.cause)
    told = done.json
    if done.code in {126, 127}:
        said = f"Earmark is not installed at {shell.host.earmark} ({done.last_words})"
        return Report(name, True, False, said, {}, clock, uncertain)
    if "error" in told or not told:
        error_told = told.get("error")
        said = str(error_told.get("message")) if isinstance(error_told, dict) else done.last_words
        return Report(name, True, True, said, {}, clock, uncertain)
    return Report(name, True, True, "", told, clock, uncertain)


def ask_all(shells: Sequence[Shell], on_report: Callable[[Report], None] = lambda report: None) -> list[Report]:
    """Ask several at once; reports in the order of the shells."""
    with ThreadPoolExecutor(max_workers=min(_MOST_AT_ONCE, max(1, len(shells)))) as pool:

        def one(shell: Shell) -> Report:
            report = ask(shell)
            on_report(report)
            return report

        return list(pool.map(one, shells))


def _kind(fault: str) -> str:
    return fault.partition(":")[0]


def _clock(shell: Shell) -> tuple[float | None, float]:
    """Seconds by which its clock is ahead, and how uncertain that is: the best of a few tries."""
    shell.run(["true"], root=False)  # the connection is made before anything is measured
    best: tuple[float | None, float] = (None, float("inf"))
    for _ in range(_CLOCK_TRIES):
        sent = time.time()
        done = shell.run(["date", "+%s.%N"], root=False)
        received = time.time()
        try:
            there = float(done.out.strip())
        except ValueError:
            continue
        if math.isfinite(there) and (received - sent) / 2 < best[1]:
            best = (there - (sent + received) / 2, (received - sent) / 2)
    return best if best[0] is not None else (None, 0.0)
