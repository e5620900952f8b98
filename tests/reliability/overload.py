"""``make overload``: more sound than the machine can handle.

``earmark run`` listens to a virtual microphone at which two people never stop to talk, and each second of sound costs
it more than a second (it sleeps between blocks, so that the machine is too slow by as much as is asked for, whatever it
is). Watched over MQTT: how far it is behind, what is lost and whether that is told, whether sentences are still
recognised, and how soon it is well again once the machine is fast enough.

    python -m tests.reliability.overload --minutes 3 --slowness 2
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge.audio import read_samples
from edge.audio.buffer import BUFFER_SECONDS
from edge.demo.stage import ASSETS
from edge.records import SAMPLE_RATE
from tests.broker import Listener, Mosquitto, wait_for
from tests.reliability.device import BASE, Device
from tests.reliability.household import enrol
from tests.reliability.report import Check, add_arguments, finish
from tests.virtual_microphone import VirtualMicrophone

_LATENCY_SECONDS = BUFFER_SECONDS * 2
"""A sentence waits in the buffer at most ``BUFFER_SECONDS``, and then it takes its own length times the slowness."""
_PATIENCE_SECONDS = 120.0
_PRESENT_MS = 2000
"""Whoever tells of a sentence this soon is at the present."""


@dataclass(slots=True)
class Run:
    """What was seen. ``reports``: of health while there was too much; ``calm``: the last one, afterwards."""

    reports: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    later: list[dict[str, Any]] = field(default_factory=list)
    calm: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    caught_up_s: float = 0.0
    warnings: list[str] = field(default_factory=list)
    rss_mb: tuple[float, float] = (0.0, 0.0)
    exit_code: int = -1


def talk(seconds: float) -> np.ndarray:
    """Ada and Ben for so long, with pauses of a second between sentences."""
    pause = np.zeros(SAMPLE_RATE, np.float32)
    names = ("clip-1-ada.ogg", "clip-3-ben.ogg", "ada-enrol-1.ogg", "ben-enrol-1.ogg")
    parts = [part for name in names for part in (read_samples(ASSETS / name), pause)]
    length = round(seconds * SAMPLE_RATE)
    return np.concatenate(parts * (1 + length // sum(map(len, parts))))[:length]


def play(folder: Path, microphone: VirtualMicrophone, bundle: str, seconds: float, slowness: float, wait: bool) -> Run:
    """Too much for ``seconds`` (at least until something is lost), then enough; ``wait`` until that is told."""
    run = Run()
    number = folder / "slowness"
    number.write_text("0")
    with contextlib.ExitStack() as opened:
        broker = Mosquitto(folder, extra="max_queued_messages 0\n").start()
        opened.callback(broker.stop)
        listener = Listener(broker.port, f"{BASE}/#")
        opened.callback(listener.close)
        if not (folder / "state").exists():
            enrol(folder / "state", bundle)
        device = Device(
            folder / "state",
            broker.port,
            *("--bundle", bundle, "--source", "mic"),
            program=("tests.reliability.faulty", "run"),
            on_line=lambda line: run.warnings.append(line["message"]) if line["level"] == "warning" else None,
            environment=microphone.environment | {"FAULTY_SLOW": str(number)},
        )
        opened.callback(device.kill)

        def reports() -> list[dict[str, Any]]:
            assert device.alive, f"the daemon ended: {device.odd[-5:]}"
            return [json.loads(payload) for payload in listener.payloads(f"{BASE}/health")]

        def events() -> list[dict[str, Any]]:
            return [json.loads(payload) for payload in listener.payloads(f"{BASE}/utterance")]

        wait_for(lambda: microphone.recorders() == 1, "the daemon records", _PATIENCE_SECONDS)
        wait_for(reports, "the first report", _PATIENCE_SECONDS)
        before = device.usage().rss_mb
        number.write_text(str(slowness))
        begun = time.monotonic()
        while time.monotonic() - begun < seconds or not any(report["overloaded"] for report in reports()):
            assert time.monotonic() - begun < seconds + _PATIENCE_SECONDS, "nothing is lost, or nobody is told"
            microphone.play(talk(13))
        run.seconds = time.monotonic() - begun
        run.rss_mb = (before, device.usage().rss_mb)
        run.reports, run.events = reports(), events()
        number.write_text("0")
        relieved = time.monotonic()
        known = len(events())
        while not any(event["latency_ms"] < _PRESENT_MS for event in events()[known:]):
            assert time.monotonic() - relieved < _PATIENCE_SECONDS, "it does not catch up"
            microphone.play(np.concatenate([np.zeros(SAMPLE_RATE, np.float32), talk(8)]))
        run.caught_up_s = time.monotonic() - relieved
        if wait:
            wait_for(lambda: not reports()[-1]["overloaded"], "the end of the overload is told", _PATIENCE_SECONDS)
        run.calm, run.later = reports()[-1], events()[known:]
        run.exit_code = device.stop()
    return run


def judge(run: Run, waited: bool) -> list[Check]:
    """What was promised."""
    lost = max(report["dropped_samples"] for report in run.reports) / SAMPLE_RATE
    behind = max(report["behind_ms"] for report in run.reports) / 1000
    latency = max((event["latency_ms"] for event in run.events), default=0) / 1000
    named = sum(event["event_type"] == "identified" for event in run.events)
    told = [line for line in run.warnings if "cannot keep up" in line]
    overloaded = any(report["overloaded"] for report in run.reports)
    checks = [
        Check("seconds of too much sound", round(run.seconds)),
        Check("seconds lost, as health counts them", round(lost, 1), lost > 0),
        Check("health says overloaded", overloaded, overloaded),
        Check("warnings in the log", len(told), 1 <= len(told) <= 2 + run.seconds / 60),
        Check("furthest behind, s", round(behind, 1), behind <= BUFFER_SECONDS + 1),
        Check("longest wait for an event, s", round(latency, 1), latency <= _LATENCY_SECONDS),
        Check("events meanwhile, of them with a name", f"{len(run.events)}, {named}", named > 0 if waited else None),
        Check("RSS before and after, MB", "{:.1f}, {:.1f}".format(*run.rss_mb), run.rss_mb[1] <= run.rss_mb[0] + 25),
        Check("caught up after, s", round(run.caught_up_s, 1)),  # `play` ends with an error where it does not
        Check("exit code after SIGTERM", run.exit_code, run.exit_code == 0),
    ]
    if waited:
        checks.append(Check("health says that it is over", not run.calm["overloaded"], not run.calm["overloaded"]))
    return checks


def main(argv: list[str] | None = None) -> int:
    """Print what was seen; gives the exit code."""
    parser = argparse.ArgumentParser(prog="make overload", description="More sound than the machine can handle.")
    parser.add_argument("--minutes", type=float, default=3.0, help="of too much sound")
    parser.add_argument("--slowness", type=float, default=2.0, help="seconds that a second of sound costs, and more")
    add_arguments(parser, bundle="compact")
    args = parser.parse_args(argv)
    microphone = VirtualMicrophone()
    with tempfile.TemporaryDirectory(prefix="earmark-overload-") as folder:
        try:
            microphone.start()
            run = play(Path(folder), microphone, args.bundle, 60 * args.minutes, args.slowness, wait=True)
        finally:
            microphone.remove()
    return finish("overload", args, judge(run, waited=True))


if __name__ == "__main__":
    sys.exit(main())
