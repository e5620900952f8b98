"""Whether a rollout could begin on a host.

Takes a shell and the reports of all hosts. Gives findings. Must hold: nothing is changed there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from deploy.fleet.asking import Report
from deploy.fleet.faults import HostError
from deploy.fleet.inventory import Pace
from deploy.fleet.settings import settings_differ
from deploy.fleet.ssh import Shell

_ROOM_MB: Final = 500
"""What a version of Earmark needs with the kit that it comes in."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of one host."""

    name: str
    status: Literal["ok", "warn", "fail"]
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


def check_host(shell: Shell, report: Report, everybody: Sequence[Report], pace: Pace) -> list[Finding]:
    """All checks of one host; after one that makes the others pointless, no more."""
    if not report.reachable:
        return [Finding("login", "fail", report.problem)]
    found = [Finding("login", "ok", f"{shell.host.address} answers")]
    try:
        for check in (_root, _room, _settings):
            found += check(shell)
    except HostError as error:
        return [*found, Finding("root", "fail", f"{error.cause}. {error.remedy}".strip())]
    found.append(_clock(report, pace))
    if not report.answers:
        return [*found, Finding("daemon", "fail", report.problem)]
    if report.faults:
        found.append(Finding("daemon", "fail", "; ".join(report.faults)))
    else:
        found.append(Finding("daemon", "ok", f"listens since {report.get('started')}"))
    lost = report.number("outbox_dropped")
    waiting = f"{report.number('outbox_pending')} messages wait"
    found.append(Finding("outbox", "warn" if lost else "ok", waiting + (f", {lost} were given up" if lost else "")))
    found.append(_as_the_others("version", lambda one: one.get("version"), report, everybody))
    found.append(_as_the_others("bundle", lambda one: one.get("model"), report, everybody))
    return found


def _root(shell: Shell) -> list[Finding]:
    done = shell.run(["id", "-u"])
    if not shell.host.sudo:
        return [Finding("root", "ok", f"works as account {done.out.strip()}, as the inventory says")]
    root = done.out.strip() == "0"
    return [Finding("root", "ok" if root else "fail", "sudo works" if root else f"sudo says {done.last_words}")]


def _room(shell: Shell) -> list[Finding]:
    done = shell.run(["df", "-Pm", shell.home()], root=False)
    try:
        free = int(done.out.strip().splitlines()[-1].split()[3])
    except (ValueError, IndexError):
        return [Finding("room", "warn", "the free space is not told")]
    return [Finding("room", "ok" if free >= _ROOM_MB else "warn", f"{free} MB are free")]


def _settings(shell: Shell) -> list[Finding]:
    differ = settings_differ(shell)
    if differ is None:
        return []
    said = "differ from the inventory; `earmark fleet settings` brings them there" if differ else "as in the inventory"
    return [Finding("settings", "warn" if differ else "ok", said)]


def _clock(report: Report, pace: Pace) -> Finding:
    if report.clock_seconds is None:
        return Finding("clock", "warn", "its clock is not told")
    said = f"{report.clock_seconds:+.3f} s, give or take {report.clock_uncertain_seconds:.3f} s"
    return Finding("clock", "fail" if report.clock_wrong(pace.clock_seconds) else "ok", said)


def _as_the_others(what: str, value: Callable[[Report], str], report: Report, everybody: Sequence[Report]) -> Finding:
    counted = Counter(value(one) for one in everybody if one.answers)
    usual, number = counted.most_common(1)[0]
    mine = value(report)
    if mine == usual or number == counted[mine]:
        return Finding(what, "ok", mine)
    return Finding(what, "warn", f"{mine}, and {usual} on {number} hosts")
