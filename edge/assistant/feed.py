"""What is told over MQTT of those who speak to the assistant.

Takes a session and a name for this node; gives results to the broker as the daemon does. Must hold: it stands beside a
daemon on the same state folder, under another node and with an outbox of its own, and never disturbs it; whoever is
enrolled no more is cleared at the broker, also when that was while it did not run. Safe to call from two threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from edge.clock import SystemClock
from edge.daemon.announcer import Announcer
from edge.events import EventMaker
from edge.homeassistant import Document, announced, change_messages, discovery_document, removal_messages
from edge.mqtt import Topics
from edge.records import Message, Result, Voiceprint
from edge.settings import Settings


class Feed:
    """``node``: name of this node. ``publish``: takes any number of messages."""

    def __init__(self, settings: Settings, node: str, model: str, version: str, publish: Callable[..., None]) -> None:
        self._settings = replace(settings, node=replace(settings.node, name=node))
        self._version, self._publish = version, publish
        home = settings.homeassistant
        self._topics = Topics(settings.mqtt.base_topic, node, home.prefix)
        clock = SystemClock()
        maker = EventMaker(self._settings.node, settings.privacy, model=model, clock=clock)
        self._announcer = Announcer(self._topics, maker, clock, publish, hold_seconds=home.hold_seconds)
        self._people: dict[str, str] | None = None
        self._document: Document | None = None
        self._lock = threading.Lock()

    def begin(self, voiceprints: tuple[Voiceprint, ...], states: Sequence[Message] = ()) -> None:
        """Announce the node and its people. ``states``: what an earlier run has left at the broker."""
        self._announcer.recall(states)
        self._document = announced(self._topics, enumerate(states))
        self.people(voiceprints)
        self._announcer.first_states()

    def people(self, voiceprints: tuple[Voiceprint, ...]) -> None:
        """These people are enrolled now."""
        names = {one.person_id: one.name for one in voiceprints}
        with self._lock:
            if names == self._people:
                return
            self._people = names
            self._announce(names)
            self._announcer.set_people(voiceprints)

    def _announce(self, names: dict[str, str]) -> None:
        if not self._settings.homeassistant.enabled:
            if self._document is not None:
                self._publish(*removal_messages(self._topics))
            self._document = None
            return
        mode = self._settings.privacy.mqtt_names
        document = discovery_document(self._topics, names, self._settings.node, self._version, names=mode)
        self._publish(*change_messages(self._topics, self._document, document))
        self._document = document

    def result(self, result: Result, latency_ms: float) -> None:
        """Somebody said something to the assistant."""
        self._announcer.result(result, latency_ms)

    def tick(self) -> None:
        """Let time pass."""
        self._announcer.tick()
