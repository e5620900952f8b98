"""A staged rollout: canary, then waves; at the first host that fails everything stops.

Takes a journal, shells and an action. Gives an exit code; the journal says the rest. Must hold: a wave begins only when
all hosts before it are done, and still well after the time to soak; hosts in hand are finished when somebody stops the
rollout; what was interrupted can go on.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping

from deploy.fleet.actions import Action
from deploy.fleet.asking import Report, ask
from deploy.fleet.inventory import Pace
from deploy.fleet.journal import SETTLED, Journal, now
from deploy.fleet.one_host import Ended, Say, change, take_back
from deploy.fleet.ssh import Shell
from edge.errors import EXIT_ENVIRONMENT, EXIT_INTERRUPTED, EXIT_NO, EXIT_OK


class Rollout:
    """``shells``: by name, for every host of the journal. ``say``: told what happens, by several threads."""

    def __init__(
        self,
        journal: Journal,
        shells: Mapping[str, Shell],
        action: Action,
        pace: Pace,
        say: Say,
        *,
        allow_faults: bool = False,
    ) -> None:
        self._journal = journal
        self._shells = shells
        self._action = action
        self._pace = pace
        self._say = say
        self._allow_faults = allow_faults

    def run(self) -> int:
        """Go through the waves left. Gives 0; 1 where a host failed and all are well; 5 where one is broken."""
        done: list[str] = []
        for wave in self._journal.waves:
            names = [name for name in wave if self._journal.hosts[name].state not in SETTLED]
            # Also of a rollout that goes on: what ended it may have ended the time to soak.
            if names and done and not self._soaked(done):
                return self._end(self._verdict())
            if names and self._interrupted(names):
                return self._end(EXIT_INTERRUPTED)
            done += wave
            if not self._settled(wave):
                return self._end(self._verdict())
        return self._end(EXIT_OK)

    def _settled(self, wave: tuple[str, ...]) -> bool:
        return all(self._journal.hosts[name].state in SETTLED for name in wave)

    def _interrupted(self, names: list[str]) -> bool:
        """Change the hosts of a wave at once; whether Ctrl-C was pressed meanwhile. They are finished all the same; a
        second Ctrl-C leaves them as they are.
        """
        results: queue.SimpleQueue[tuple[str, Ended]] = queue.SimpleQueue()
        for name in names:
            self._journal.note(name, state="working", why="")
            # As daemons, since whoever presses Ctrl-C twice does not want to wait for them.
            threading.Thread(target=self._one, args=(name, results), name=name, daemon=True).start()
        began, stopped, left = time.monotonic(), False, len(names)
        while left:
            try:
                name, ended = self._next(results)
            except KeyboardInterrupt:
                if stopped:
                    raise
                stopped = True
                self._say("", "finishing the hosts in hand; `earmark fleet resume` goes on afterwards")
                continue
            self._note(name, ended, time.monotonic() - began)
            left -= 1
        return stopped

    @staticmethod
    def _next(results: queue.SimpleQueue[tuple[str, Ended]]) -> tuple[str, Ended]:
        return results.get()

    def _one(self, name: str, results: queue.SimpleQueue[tuple[str, Ended]]) -> None:
        try:
            ended = change(self._shells[name], self._action, self._pace, self._say, allow_faults=self._allow_faults)
        except Exception as error:
            # A mistake of ours: nobody knows how far it went.
            ended = Ended("broken", why=f"Earmark made a mistake ({type(error).__name__}: {error})")
        results.put((name, ended))

    def _note(self, name: str, ended: Ended, seconds: float) -> None:
        self._journal.note(
            name, state=ended.state, before=ended.before, after=ended.after, why=ended.why, seconds=round(seconds, 1),
            faults=ended.faults,
        )  # fmt: skip
        self._say(name, in_words(ended))

    def _soaked(self, done: list[str]) -> bool:
        """Wait, then look at every host that is done once more; whether all are well."""
        if not self._pace.soak_seconds:
            return True
        self._say("", f"waiting {self._pace.soak_seconds:g} s before the next wave")
        time.sleep(self._pace.soak_seconds)
        well = True
        for name in done:
            report = ask(self._shells[name])
            known = self._journal.hosts[name].faults
            new = "; ".join(report.worse_than(known))
            if why := report.problem or self._action.amiss(Report(name, reachable=True), report) or new:
                well = False
                if self._journal.hosts[name].state == "already":
                    # What was there before this rollout is not this rollout's to take back.
                    ended = Ended("broken", after=report.get("model"), why=f"{why}; nothing was changed there")
                else:
                    self._say(name, f"not well any more ({why}); going back")
                    self._journal.note(name, state="working", why=why)  # it is not done, whatever comes in between
                    ended = take_back(self._shells[name], self._action, self._pace, why, known)
                self._note(name, ended, 0.0)
        return well

    def _verdict(self) -> int:
        states = {entry.state for entry in self._journal.hosts.values()}
        return EXIT_ENVIRONMENT if "broken" in states else EXIT_NO

    def _end(self, code: int) -> int:
        self._journal.ended = now() if code == EXIT_OK else ""
        self._journal.save()
        return code


def in_words(ended: Ended) -> str:
    """One line for people."""
    match ended.state:
        case "done":
            return f"well with {ended.after}" if ended.after else "well"
        case "already":
            return f"has {ended.after} already" if ended.after else "nothing to do"
        case "as_before":
            return f"FAILED, and is as before: {ended.why}"
        case _:
            return f"BROKEN: {ended.why}"
