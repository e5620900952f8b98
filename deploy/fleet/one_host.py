"""Change one host: look, change, look again, and take it back where it is not well.

Takes a shell, an action and the pace. Gives how it ended. Must hold: a host that is not well beforehand is not touched;
what counts afterwards is what the host itself says, more than once; what was there before is not blamed on a change;
where one fails, the host is as before or is said to be broken.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final

from deploy.fleet.actions import Action, Foresight
from deploy.fleet.asking import Report, ask
from deploy.fleet.faults import ChangeFailed, HostError
from deploy.fleet.inventory import Pace
from deploy.fleet.journal import State
from deploy.fleet.ssh import Shell
from edge.errors import EarmarkError

_LOOK_SECONDS: Final = 1.0

Say = Callable[[str, str], None]
"""Told of a host's name and what is being done there."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended. ``before``, ``after``: what the host ran. ``faults``: what was wrong with it before."""

    state: State
    before: str = ""
    after: str = ""
    why: str = ""
    faults: tuple[str, ...] = ()


def change(shell: Shell, action: Action, pace: Pace, say: Say, *, allow_faults: bool = False) -> Ended:
    """Change one host. Never raises for what goes wrong there. ``allow_faults``: touch it although it is not well."""
    name = shell.host.name
    before = ask(shell)
    if refusal := unfit(before, pace, allow_faults=allow_faults):
        return Ended("as_before", before.get("model"), before.get("model"), refusal)
    foresight = action.foresee(shell.host, before)
    if foresight.refused:
        return Ended("as_before", foresight.before, foresight.before, foresight.refused)
    if foresight.already:
        return Ended("already", foresight.before, foresight.after, faults=before.faults)
    say(name, f"{foresight.before} -> {foresight.after}")
    return _attempt(shell, action, before, pace, say, foresight=foresight)


def unfit(report: Report, pace: Pace, *, allow_faults: bool) -> str:
    """Why this host may not be changed now; empty where it may."""
    if not report.reachable:
        return report.problem
    if report.clock_wrong(pace.clock_seconds):
        return f"its clock is {report.clock_seconds:+.1f} s wrong, so that its events would stand at the wrong time"
    if report.faults and report.installed and not allow_faults:
        return f"it is not well as it is ({'; '.join(report.faults)})"
    return ""


def watch(shell: Shell, action: Action, before: Report, pace: Pace) -> str:
    """Ask until the host is well with the change and stays so for the time to settle; gives what is wrong with it when
    its time is up, empty where nothing is.
    """
    deadline = time.monotonic() + pace.health_seconds + pace.settle_seconds
    well_since: float | None = None
    while True:
        asked = time.monotonic()
        report = ask(shell)
        why = judge(action, before, report)
        if why:
            well_since = None
        else:
            well_since = asked if well_since is None else well_since
            if asked - well_since >= pace.settle_seconds:
                return ""
        if time.monotonic() > deadline:
            return why or "it did not stay well"
        time.sleep(_LOOK_SECONDS)


def judge(action: Action, before: Report, after: Report) -> str:
    """What is wrong with a host after the change; empty where nothing is."""
    if not after.answers:
        return after.problem or "its daemon does not answer"
    if why := action.amiss(before, after):
        return why
    if new := after.worse_than(before.faults):
        return "; ".join(new)
    if after.number("outbox_dropped") > before.number("outbox_dropped"):
        return f"it gave up {after.number('outbox_dropped') - before.number('outbox_dropped')} events"
    return ""


def is_as_before(now: Report, before: Report) -> bool:
    """Whether a host runs what it ran, and is not worse."""
    if not before.answers:
        return now.reachable and not now.answers
    same = all(now.get(key) == before.get(key) for key in ("version", "fingerprint"))
    return now.answers and same and not now.worse_than(before.faults)


def take_back(shell: Shell, action: Action, pace: Pace, why: str, known: Collection[str]) -> Ended:
    """Undo a change that did well at first. The host is as before once nothing is wrong with it but what is ``known``
    to have been before.
    """
    try:
        action.undo(shell)
    except (ChangeFailed, HostError) as error:
        return Ended("broken", why=f"{why}; and it could not be taken back: {error.cause}")
    deadline = time.monotonic() + pace.health_seconds
    while not (now := ask(shell)).reachable or now.worse_than(known):
        if time.monotonic() > deadline:
            said = "; ".join(now.worse_than(known)) or now.problem
            return Ended("broken", after=now.get("model"), why=f"{why}; and not well since: {said}")
        time.sleep(_LOOK_SECONDS)
    return Ended("as_before", after=now.get("model"), why=why)


def _attempt(shell: Shell, action: Action, before: Report, pace: Pace, say: Say, *, foresight: Foresight) -> Ended:
    """Change it, and take that back where it does not do well."""
    try:
        switched = action.apply(shell, before)
        why = watch(shell, action, before, pace)
        if not why:
            state: State = "done" if switched else "already"
            return Ended(state, foresight.before, foresight.after, faults=before.faults)
    except EarmarkError as error:
        why, now = error.cause, ask(shell)
        if isinstance(error, ChangeFailed) and not error.ended:
            # Neither what it runs now nor a way back would be the last word.
            return Ended("broken", foresight.before, now.get("model"), why)
        if is_as_before(now, before):
            return Ended("as_before", foresight.before, foresight.before, why)
        # What was not switched, or went back by itself, would go back to something older.
        switched = isinstance(error, ChangeFailed) and not error.as_before
    say(shell.host.name, f"not well ({why}); going back")
    ended = Ended("as_before", foresight.before, foresight.before, why)
    return _back(shell, action if switched else None, before, pace, ended)


def _back(shell: Shell, action: Action | None, before: Report, pace: Pace, ended: Ended) -> Ended:
    """Undo a change that failed, if there is any; ``ended``: how it ends where that does."""
    try:
        if action is not None:
            action.undo(shell)
        deadline = time.monotonic() + pace.health_seconds
        while not is_as_before(now := ask(shell), before):
            if time.monotonic() > deadline:
                said = now.problem or "; ".join(now.faults) or f"it runs {now.get('model')}"
                why = f"{ended.why}; and it is not as before: {said}"
                return replace(ended, state="broken", after=now.get("model"), why=why)
            time.sleep(_LOOK_SECONDS)
    except (ChangeFailed, HostError) as error:
        return replace(
            ended, state="broken", after="", why=f"{ended.why}; and it could not be taken back: {error.cause}"
        )
    return ended
