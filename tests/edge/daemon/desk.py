"""Requests over MQTT without a daemon around them: a people database, and what is answered."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from edge.clock import ManualClock
from edge.daemon.requests import Requests
from edge.daemon.verification import Scene
from edge.events import EventMaker, NameMode
from edge.mqtt import Command, Topics
from edge.people import PeopleStore
from edge.records import Message
from edge.settings import Mqtt, Node, Privacy, Settings
from tests.broker import wait_for
from tests.edge.people_clips import clips

KITCHEN = Topics("earmark", "kitchen")
STATUS: dict[str, Any] = {
    "version": "0.1.0", "node": "kitchen", "bundle": "compact", "bundle_version": "1.0.0", "space": "s-192/1",
    "profile": "balanced", "enrolled": 2, "live": True, "listening": True, "switched_off": False, "busy": False,
    "started": "2026-11-22T10:00:00.000Z", "uptime_s": 60, "mic_problem": False, "mic_fault": None,
    "latency_p95_ms": None, "snr_db": 18.2, "utterances": 3, "not_speech": 0, "dropped_samples": 0, "overloaded": False,
    "behind_ms": None, "outbox_pending": 0, "outbox_dropped": 0, "reconnects": 0, "rss_mb": 61.5,
    "state": "/var/lib/earmark", "bundle_path": "/usr/share/earmark/compact", "pid": 4711, "source": "/srv/a.wav",
    "mic_reason": "it is in use by another program (process 812)",
    "reload_refused": {"at": "now", "why": "/etc/earmark/earmark.yaml is wrong"},
    "security_warning": "anybody can read /etc/earmark/mqtt-password",
}  # fmt: skip
"""As the control socket tells it, with what the broker must not hear at the end."""


class Desk:
    """``people``: who is enrolled; ``published``: what was answered."""

    def __init__(self, folder: Path, names: NameMode = "real", *, enrols: bool = True) -> None:
        self.store = PeopleStore(folder)
        self.people = {name: self.store.add(name, clips(1, 2)).id for name in ("Ada", "Ben")}
        self.published: list[Message] = []
        privacy = Privacy(mqtt_names=names)
        settings = Settings(node=Node("kitchen", "Kitchen"), mqtt=Mqtt(enabled=False), privacy=privacy)
        scene = cast(Scene, SimpleNamespace(settings=settings, folder=folder, store=self.store))
        clock = ManualClock(1_795_433_402.0)
        maker = EventMaker(settings.node, privacy, model="m", clock=clock)
        self.requests = Requests(
            KITCHEN, maker, clock, self.published.append, lambda: scene, status=lambda: STATUS, enrols=enrols
        )

    def ask(self, verb: str, body: object = b"") -> dict[str, Any]:
        """Ask, and give the answer."""
        before = len(self.published)
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.requests.take(Command("ask", verb, payload))
        wait_for(lambda: len(self.published) > before, f"an answer to {verb}")
        message = self.published[-1]
        assert (message.topic, message.qos, message.retain) == (f"earmark/kitchen/response/{verb}", 1, False)
        answer: dict[str, Any] = json.loads(message.payload)
        return answer

    def names(self) -> list[str]:
        return [person.name for person in self.store.people()]

    def close(self) -> None:
        self.requests.stop(10)
        self.store.close()
