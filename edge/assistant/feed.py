"""What is told over MQTT of those who speak to the assistant.

Takes a session and a name for this node; gives results to the broker as the daemon does. Must hold: it stands beside a
daemon on the same state folder, under another node and with an outbox of its own, and never disturbs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from edge.clock import SystemClock
from edge.daemon.announcer import Announcer
from edge.events import EventMaker
from edge.homeassistant import change_messages, discovery_document
from edge.mqtt import Topics
from edge.records import Message, Result, Voiceprint
from edge.settings import Settings

FOLDER = "assistant"
"""Below the state folder: lock and outbox of this node."""


class Feed:
    """``node``: name of this node. ``publish``: takes any number of messages."""

    def __init__(self, settings: Settings, node: str, model: str, version: str, publish: Callable[..., None]) -> None:
        self._settings = replace(settings, node=replace(settings.node, name=node))
        self._version, self._publish = version, publish
        home = settings.homeassistant
        self._topics = Topics(settings.mqtt.base_topic, node, home.prefix)
        clock = SystemClock()
        maker = EventMaker(self._settings.node, settings.privacy, model=model, clock=clock)
        self._announcer = Announcer(self._topics, maker, clock, self._send, hold_seconds=home.hold_seconds)
        self._people: tuple[Voiceprint, ...] | None = None

    def begin(self, voiceprints: tuple[Voiceprint, ...]) -> None:
        """Announce the node and its people."""
        self.people(voiceprints)
        self._announcer.first_states()

    def people(self, voiceprints: tuple[Voiceprint, ...]) -> None:
        """These people are enrolled now."""
        known = None if self._people is None else {(one.person_id, one.name) for one in self._people}
        if known == {(one.person_id, one.name) for one in voiceprints}:
            return
        self._people = voiceprints
        if self._settings.homeassistant.enabled:
            names = {one.person_id: one.name for one in voiceprints}
            mode = self._settings.privacy.mqtt_names
            document = discovery_document(self._topics, names, self._settings.node, self._version, names=mode)
            self._publish(*change_messages(self._topics, None, document))
        self._announcer.set_people(voiceprints)

    def result(self, result: Result, latency_ms: float) -> None:
        """Somebody said something to the assistant."""
        self._announcer.result(result, latency_ms)

    def tick(self) -> None:
        """Let time pass."""
        self._announcer.tick()

    def _send(self, *messages: Message) -> None:
        self._publish(*messages)
