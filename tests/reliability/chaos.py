"""``make chaos``: thousands of events while broker and daemon are killed at random moments and the disk is full.

``earmark run`` hears speech through a pipe, as fast as it can, and publishes to a real mosquitto. In rounds of one to
four strikes close together, one or the other gets SIGKILL; some rounds begin with a disk filled to the last byte.
A killed daemon's databases are copied and checked before the next daemon starts. After each round the sound pauses
until everything decided has arrived and every retained state is right, also where the broker came back without any
or with old ones.

    python -m tests.reliability.chaos --events 10000 --kills 50
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.broker import wait_for
from tests.edge.cli import voice_bundle
from tests.reliability.device import BASE, DISCOVERY, Device
from tests.reliability.household import enrol, names
from tests.reliability.ledger import Ledger, expected_states, first_arrivals, open_up
from tests.reliability.report import add_arguments, finish
from tests.reliability.storm import Broker, Disk, speech
from tests.reliability.toll import Toll, judge

_HOLD_SECONDS = 3600
_PATIENCE_SECONDS = 180.0
_FULL_EVERY = 4
"""Each so many rounds the disk is full."""


@dataclass(slots=True)
class Round:
    """``begin``: how many events are to be decided before it. ``strikes``: who is killed, in this order."""

    begin: int
    strikes: list[str]
    full: bool


def rounds(events: int, kills: int, rng: random.Random) -> list[Round]:
    """``kills`` of the broker and as many of the daemon, all over the run."""
    strikes = ["broker"] * kills + ["daemon"] * kills
    rng.shuffle(strikes)
    groups: list[list[str]] = []
    while strikes:
        size = rng.randint(1, 4)
        groups.append(strikes[:size])
        del strikes[:size]
    begins = sorted(rng.randrange(round(0.02 * events), round(0.97 * events)) for _ in groups)
    return [
        Round(begin, group, number % _FULL_EVERY == 1)
        for number, (begin, group) in enumerate(zip(begins, groups, strict=True))
    ]


@dataclass
class Chaos:
    """One run. ``folder`` takes its files."""

    folder: Path
    events: int
    kills: int
    seed: int
    bundle: str
    tell: bool
    toll: Toll = field(default_factory=Toll)
    ledger: Ledger = field(default_factory=Ledger)
    _latest: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=30))

    def run(self) -> Toll:
        begun = time.monotonic()
        self._rng = random.Random(self.seed)
        self._sound = speech(self.seed)
        self._data = memoryview(b"")
        self._timers: list[tuple[float, Callable[[], None]]] = []
        with contextlib.ExitStack() as stack:
            self._disk = Disk(self.folder / "disk")
            stack.callback(self._disk.close)
            enrol(self._disk.state, self.bundle)
            self._people = names(self._disk.state)
            self._broker = Broker(self.folder / "broker")
            stack.callback(self._broker.close)
            self._start()
            stack.callback(self._end)
            for one in rounds(self.events, self.kills, self._rng):
                self._until(lambda one=one: len(self.ledger) >= one.begin, "events are decided")
                self._play(one)
            self._until(lambda: len(self.ledger) >= self.events, "events are decided")
            self._recover()
            # A daemon that was started a moment ago and has heard nothing at all rightly complains of an empty source.
            self._device.feed(memoryview(bytes(9600)), 5.0)
            self.toll.exit_code = self._device.end()
            self._bury()
            final = open_up(self._disk.state, self.folder / "scratch")
            self.toll.verdicts += final.verdicts.items()
            self.toll.left_behind = len(final.waiting)
            self.toll.damaged_files = len(list(self._disk.state.glob("*.corrupt-*")))
            wait_for(lambda: len(first_arrivals(self._broker.payloads)) >= len(self.ledger), "all have arrived", 30)
            self.toll.availability = self._broker.states().get(f"{BASE}/availability", b"").decode()
        self.toll.small_disk, self.toll.times_full = self._disk.small, self._disk.times_full
        self.toll.payloads, self.toll.decided = self._broker.payloads, self.ledger.order
        self.toll.unlogged = self.ledger.unlogged
        self.toll.seconds = time.monotonic() - begun
        return self.toll

    def _play(self, one: Round) -> None:
        """The strikes of a round; each comes a moment after the one before, whatever that one has left."""
        self._broker.save()
        if one.full and (self._disk.small or "daemon" not in one.strikes):
            self._disk.fill(self._device)
            if self._rng.random() < 0.5:
                self._after(self._rng.uniform(1.0, 6.0), self._disk.clear)
        for victim in one.strikes:
            if self._rng.random() < 0.6:
                self._until(self._device.ready.is_set, "the daemon listens")
            self._wait(self._rng.uniform(0.0, 1.5))
            if victim == "broker":
                self._until(lambda: self._broker.up and self._broker.reader.subscribed.is_set(), "a broker to kill")
                self._broker.kill()
                self.toll.broker_kills += 1
                forgetful = self._rng.random() < 0.6
                away = min(10.0, self._rng.expovariate(0.5))
                self._after(away, lambda f=forgetful: self._broker.revive(forgetful=f))
            else:
                self.toll.daemon_kills += 1
                self.toll.kills_before_ready += not self._device.ready.is_set()
                self.toll.kills_on_full_disk += self._disk.full
                self._device.kill()
                self._bury()
                autopsy = open_up(self._disk.state, self.folder / "scratch")
                self.toll.verdicts += autopsy.verdicts.items()
                self.toll.most_waiting = max(self.toll.most_waiting, len(autopsy.waiting))
                self.ledger.found(autopsy.waiting)
                self._start()
        self._until(lambda: not self._timers, "the broker is back")
        self._recover()
        self._disk.clear()
        if self.tell:
            print(
                f"{len(self.ledger):6d} events  {self.toll.broker_kills:3d} + {self.toll.daemon_kills:3d} kills  "
                f"{'full disk  ' if one.full else ''}recovered in {self.toll.recoveries[-1]:.1f} s",
                file=sys.stderr,
                flush=True,
            )

    def _start(self) -> None:
        self._data = memoryview(b"")
        self._device = Device(
            self._disk.state,
            self._broker.port,
            *("--bundle", self.bundle),
            on_line=self._line,
            environment={"EARMARK_HOMEASSISTANT__HOLD_SECONDS": str(_HOLD_SECONDS)},
        )

    def _end(self) -> None:
        self._device.kill()

    def _bury(self) -> None:
        self.toll.odd_lines += self._device.odd

    def _line(self, line: dict[str, Any]) -> None:
        self.ledger.line(line)
        self._latest.append(line)
        self.toll.in_memory += "wait in memory" in line["message"]
        if line["level"] not in {"info", "debug", "warning"}:
            self.toll.errors.append(line["message"])

    def _recover(self) -> None:
        """Without sound, until all that was decided is there and all states are right."""
        begun = time.monotonic()
        difference: object = "nothing was looked at"
        while time.monotonic() - begun < _PATIENCE_SECONDS:
            if self._device.ready.wait(0.2):
                difference = self._difference()
                if not difference:
                    self.toll.recoveries.append(time.monotonic() - begun)
                    return
            if not self._device.alive:
                break
        raise AssertionError(
            f"not right {_PATIENCE_SECONDS:.0f} s after the strikes: {difference}; log: {list(self._latest)}"
        )

    def _difference(self) -> object:
        """What is not as it should be, nothing where all is well."""
        arrived = {one["id"]: one for one in first_arrivals(self._broker.payloads)}
        decided = list(self.ledger.order)
        missing = [one for one in decided if one not in arrived]
        if missing:
            return {"missing": missing}
        states = self._broker.states()
        if len(self.ledger) != len(decided):
            return "events were decided meanwhile"
        found = {topic: json.loads(text) for topic, text in states.items() if text.startswith(b"{")}
        wrong: dict[str, Any] = {}
        for topic, keys in expected_states([arrived[one] for one in decided], self._people).items():
            told = found.get(topic, {})
            if not all(_alike(name, told.get(name), value) for name, value in keys.items()):
                wrong[topic] = (keys, told)
        fixed = {"availability": b"online", "cfg/profile/state": b"balanced", "cfg/listening/state": b"ON"}
        wrong |= {name: states.get(f"{BASE}/{name}") for name, v in fixed.items() if states.get(f"{BASE}/{name}") != v}
        wrong |= {topic: "missing" for topic in (f"{BASE}/info", f"{BASE}/health", DISCOVERY) if topic not in found}
        return wrong

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        """Go on speaking until something is so."""
        begun, seen = time.monotonic(), len(self.ledger)
        while not condition():
            self._speak()
            if len(self.ledger) != seen:
                begun, seen = time.monotonic(), len(self.ledger)
            assert time.monotonic() - begun < _PATIENCE_SECONDS, f"not for {_PATIENCE_SECONDS} s: {what}"
            assert self._device.alive, f"the daemon ended by itself: {self._device.odd[-5:]}"

    def _wait(self, seconds: float) -> None:
        """Go on speaking for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._speak()

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        self._timers.append((time.monotonic() + seconds, act))

    def _speak(self) -> None:
        due = [one for one in self._timers if one[0] <= time.monotonic()]
        for one in due:
            self._timers.remove(one)
            one[1]()
        if not self._data:
            self._data = memoryview(next(self._sound).tobytes())
        taken = self._device.feed(self._data, 0.05)
        self._data = self._data[taken:]


def _alike(name: str, told: Any, value: Any) -> bool:
    if name == "last_heard" and isinstance(told, str):
        # The event's own time is read a moment earlier.
        return abs((datetime.fromisoformat(told) - datetime.fromisoformat(value)).total_seconds()) < 2.0
    return bool(told == value)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=10_000, help="to be decided")
    parser.add_argument("--kills", type=int, default=50, help="of the broker, and as many of the daemon")
    add_arguments(parser, "")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="earmark-chaos-") as name:
        # Feature statistics instead of a network: what is put to the test comes after the models.
        bundle = args.bundle or str(voice_bundle.make(Path(name) / "voices"))
        toll = Chaos(Path(name), args.events, args.kills, args.seed, bundle, tell=not args.quiet).run()
    return finish("chaos", args, judge(toll))


if __name__ == "__main__":
    raise SystemExit(main())
