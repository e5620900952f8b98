"""Forgetting somebody while a daemon has the outbox."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge import forgetting
from edge.instance import SingleInstance
from edge.outbox import Outbox
from edge.records import Message, Person
from edge.settings import Mqtt, Settings

ADA = Person("p0001", "Ada", "2026-11-22T09:00:00Z", ())
STATE = Message("earmark/kitchen/person/p0001/state", b'{"person": "Ada"}', 1, True, "state")


class Time:
    """Passes only where it is waited; ``meanwhile``: what happens at the first wait."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self.now = 0.0
        self.waits = 0
        self._meanwhile = meanwhile

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.waits += 1
        if self.waits == 1:
            self._meanwhile()


def cleared(outbox: Outbox) -> list[str]:
    return [message.topic for _, message in outbox.pending() if not message.payload]


@pytest.mark.parametrize("daemon", ["stays", "ends", "clears"])
def test_a_daemon_is_waited_for_as_long_as_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, daemon: str
) -> None:
    path = tmp_path / "outbox.sqlite"
    with ExitStack() as running, Outbox(path) as outbox:
        outbox.append(STATE)
        running.enter_context(SingleInstance(tmp_path))
        meanwhile = {"stays": lambda: None, "ends": running.close, "clears": lambda: outbox.forget(STATE.topic)}
        time = Time(meanwhile[daemon])
        monkeypatch.setattr(forgetting, "time", time)
        told = forgetting.forget(Settings(mqtt=Mqtt(enabled=False)), tmp_path, ADA)
        assert told.broker == ("cleared" if daemon == "clears" else "waiting")
        assert cleared(outbox) == ([STATE.topic] if daemon == "ends" else [])
        assert (time.waits > 1) == (daemon == "stays")
