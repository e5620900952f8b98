"""``make soak``: a day of sound through ``earmark run``, faster than real time, with a clock that jumps.

The real daemon (segmenter, network, decisions, outbox, MQTT to a real mosquitto) hears the script of ``day`` through a
pipe; its clock shows the time of the sound. Memory, threads and descriptors are read from /proc every few minutes of
that time. On the way the clock is set back and forth, the machine "sleeps" (SIGSTOP until the broker has given it
up, and a clock that is hours ahead afterwards), the broker is restarted, and a television never stops to talk.

    python -m tests.reliability.soak --hours 24
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.records import SAMPLE_RATE
from tests.broker import Listener, Mosquitto, wait_for
from tests.reliability import day
from tests.reliability.clockwork import VARIABLE, SharedClock
from tests.reliability.device import BASE, NODE, Device, Usage
from tests.reliability.household import enrol
from tests.reliability.report import Check, add_arguments, finish
from tests.reliability.verdict import judge

BEGIN = 1_795_327_200.0
"""Sunday, 22 November 2026, 06:00 UTC."""
KEEPALIVE_SECONDS = 5
_SAMPLES_PER_HOUR = 24
_STEPS_SECONDS = (-3600.0, 3600.0, -86400.0 * 365, 86400.0 * 365, -2.0, 2.0, 86400.0 * 3650, -86400.0 * 3650)
"""What a time server, a person or a board without a battery does to the clock; it comes back to where it was."""


@dataclass(slots=True)
class Sample:
    """``at_s``: seconds of sound heard so far. ``folder_bytes``: what the state folder holds."""

    at_s: float
    usage: Usage
    folder_bytes: int
    log_bytes: int


@dataclass(slots=True)
class Run:
    """What a simulation leaves to be judged."""

    scenes: list[day.Scene]
    hours: float
    samples: list[Sample] = field(default_factory=list)
    steps: int = 0
    sleeps: int = 0
    broker_restarts: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    speaking: list[bytes] = field(default_factory=list)
    health: list[dict[str, Any]] = field(default_factory=list)
    availability: list[bytes] = field(default_factory=list)
    left: dict[str, bytes] = field(default_factory=dict)
    odd_lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    log_lines: int = 0
    exit_code: int | None = None
    wall_seconds: float = 0.0


class Soak:
    """One simulation. ``folder`` takes its files; ``brief``: one sleep and one restart of the broker."""

    def __init__(self, folder: Path, hours: float, seed: int, bundle: str, *, tell: bool, brief: bool = False) -> None:
        self._folder = folder
        self._seed = seed
        self._tell = tell
        self._brief = brief
        self.run = Run(day.scenes(hours), hours)
        self._state = folder / "state"
        enrol(self._state, bundle)
        self._clock = SharedClock(folder / "clock")
        self._heard = 0.0
        self._offset = 0.0
        self._clock.set(0.0, BEGIN)
        self._broker = Mosquitto(folder, extra="max_queued_messages 0\n").start()
        self._listener = Listener(self._broker.port, "earmark/#")
        self._device = Device(
            self._state,
            self._broker.port,
            *("--bundle", bundle),
            program=("tests.reliability.clockwork",),
            on_line=self._line,
            environment={
                VARIABLE: str(folder / "clock"),
                "EARMARK_MQTT__KEEPALIVE_SECONDS": str(KEEPALIVE_SECONDS),
            },
        )

    def play(self) -> Run:
        """All of it."""
        begun = time.monotonic()
        try:
            wait_for(lambda: self._device.ready.is_set() or not self._device.alive, "the daemon listens", 300)
            happenings = self._happenings()
            due_s = 0.0
            for scene in self.run.scenes:
                self._say(f"{scene.start / 3600:6.2f} h  {scene.name}")
                for piece in day.sound(scene, self._seed):
                    self._hear(piece)
                    if self._heard >= due_s:
                        due_s += 3600 / _SAMPLES_PER_HOUR * min(1.0, self.run.hours / 24)
                        self._measure()
                    while happenings and self._heard >= happenings[0][0]:
                        happenings.pop(0)[1]()
            self.run.exit_code = self._device.end()
            wait_for(lambda: self._listener.last(f"{BASE}/availability") == b"offline", "the goodbye")
        finally:
            self._device.kill()
            self._collect()
            self._listener.close()
            self._broker.stop()
        self.run.wall_seconds = time.monotonic() - begun
        return self.run

    def _happenings(self) -> list[tuple[float, Any]]:
        """When what happens: steps of the clock all over the day, two sleeps, and a broker that is restarted."""
        length = self.run.hours * 3600
        found: list[tuple[float, Any]] = []
        for number, step in enumerate(_STEPS_SECONDS):
            found.append(((number + 0.5) / len(_STEPS_SECONDS) * length, lambda step=step: self._step(step)))
        often = slice(1 if self._brief else None)
        found += [(share * length, self._sleep) for share in (0.31, 0.77)[often]]
        found += [(share * length, self._restart_broker) for share in (0.2, 0.45, 0.6, 0.9)[often]]
        return sorted(found, key=lambda one: one[0])

    def _hear(self, piece: day.Pcm) -> None:
        data = memoryview(piece.tobytes())
        waited = time.monotonic()
        while data:
            taken = self._device.feed(data, 1.0)
            data = data[taken:]
            if taken:
                waited = time.monotonic()
            assert self._device.alive, f"the daemon ended: {self._device.odd[-5:]}"
            assert time.monotonic() - waited < 300, "the daemon takes no more sound"
        self._heard += len(piece) / SAMPLE_RATE
        self._clock.set(self._heard, BEGIN + self._heard + self._offset)

    def _step(self, seconds: float) -> None:
        self._offset += seconds
        self.run.steps += 1
        self._say(f"{self._heard / 3600:6.2f} h    the clock is set by {seconds:+.0f} s")

    def _sleep(self) -> None:
        """The machine sleeps for hours; the broker misses it after one and a half times the keep-alive."""
        self._say(f"{self._heard / 3600:6.2f} h    the machine sleeps")
        self._device.signal(signal.SIGSTOP)
        before = len(self._listener.payloads(f"{BASE}/availability"))
        try:
            wait_for(
                lambda: b"offline" in self._listener.payloads(f"{BASE}/availability")[before:], "the broker misses it"
            )
        finally:
            self._offset += 7 * 3600.0
            self._clock.set(self._heard, BEGIN + self._heard + self._offset)
            self._device.signal(signal.SIGCONT)
        self.run.sleeps += 1
        wait_for(lambda: self._listener.last(f"{BASE}/availability") == b"online", "it is back")

    def _restart_broker(self) -> None:
        self._say(f"{self._heard / 3600:6.2f} h    the broker is restarted")
        # All that was acknowledged has been handed on: the test's reader must not miss what this broker forgets.
        wait_for(self._listener.subscribed.is_set, "the listener is there")
        self._broker.stop()
        before = len(self._listener.payloads(f"{BASE}/availability"))
        self._listener.subscribed.clear()
        self._broker.start()
        wait_for(self._listener.subscribed.is_set, "the listener is back")
        wait_for(lambda: b"online" in self._listener.payloads(f"{BASE}/availability")[before:], "the daemon is back")
        self.run.broker_restarts += 1

    def _measure(self) -> None:
        held = sum(one.stat().st_size for one in self._state.iterdir() if one.is_file())
        sample = Sample(self._heard, self._device.usage(), held, self._device.log_bytes)
        self.run.samples.append(sample)

    def _line(self, line: dict[str, Any]) -> None:
        if line["level"] not in {"info", "debug"}:
            self.run.warnings.append(f"{line['level']}: {line['message']}")

    def _collect(self) -> None:
        run = self.run
        run.events = [json.loads(one) for one in self._listener.payloads(f"{BASE}/utterance")]
        run.health = [json.loads(one) for one in self._listener.payloads(f"{BASE}/health")]
        run.speaking = self._listener.payloads(f"{BASE}/speaking/state")
        run.availability = self._listener.payloads(f"{BASE}/availability")
        run.left = {one.topic: one.payload for one in self._listener.heard if one.topic.startswith(f"earmark/{NODE}/")}
        run.odd_lines = self._device.odd
        run.log_lines = self._device.log_lines

    def _say(self, text: str) -> None:
        if self._tell:
            used = self.run.samples[-1].usage if self.run.samples else None
            print(f"{text:50s} {used or ''}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=24.0, help="of sound; fewer than 24 shorten every scene")
    add_arguments(parser, "compact")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="earmark-soak-") as name:
        run = Soak(Path(name), args.hours, args.seed, args.bundle, tell=not args.quiet).play()
    checks: list[Check] = judge(run)
    return finish("soak", args, checks)


if __name__ == "__main__":
    raise SystemExit(main())
