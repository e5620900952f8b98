"""This node's part in the view of the house: in which room each person was last heard.

Takes who is enrolled, and events. Gives messages. Must hold: without ``homeassistant.house``, and with
``privacy.mqtt_names: none``, nothing of it is said; a node that leaves clears what it may have said of people, and
takes the house away only where it was alone in it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from edge.errors import StorageError
from edge.events import HouseState, UtteranceEvent
from edge.homeassistant import (
    Document,
    announced,
    change_messages,
    house_document,
    is_house,
    removal_messages,
    topics_of,
)
from edge.mqtt import Topics
from edge.mqtt.house import HouseTopics
from edge.outbox import Outbox
from edge.records import Message
from edge.settings import Settings

_LOG = logging.getLogger(__name__)


class House:
    """``outbox``: knows what an earlier run has announced; None where nothing is published."""

    def __init__(self, settings: Settings, topics: Topics, outbox: Outbox | None, publish: Callable[..., None]) -> None:
        home, names = settings.homeassistant, settings.privacy.mqtt_names
        self._nodes = home.house if home.enabled and names != "none" and outbox is not None else ()
        self._names = names
        self._own = topics.of("availability")
        self._topics = HouseTopics(topics.base, topics.discovery_prefix)
        self._outbox = outbox
        self._publish = publish
        # The document of a device that is called house lies there as well.
        taken = topics.discovery == self._topics.discovery
        self._document: Document | None = announced(self._topics, outbox.states() if outbox and not taken else [])

    def announce(self, people: Mapping[str, str]) -> None:
        """Say who lives there. ``people``: person id -> name."""
        if self._nodes:
            document = house_document(self._topics, self._nodes, people, self._names)
            changes = change_messages(self._topics, self._document, document)
            self._publish(*changes, *self._under_other_names(document))
            self._document = document

    def _under_other_names(self, document: Document) -> list[Message]:
        """Clears where those were heard who are called otherwise now: it names them as they may be called no more."""
        before, now = (self._document or {"cmps": {}})["cmps"], document["cmps"]
        renamed = [one for key, one in now.items() if key in before and before[key].get("name") != one["name"]]
        return [Message(one["state_topic"], b"", 1, True, "state") for one in renamed]

    def leave(self) -> None:
        """Where this device is in the house no more: before it says anything, or it would greet the broker with a
        document that the others may have replaced.
        """
        if not self._nodes and self._document is not None:
            self._goodbye(self._document)
            self._document = None

    def sighting(self, event: UtteranceEvent) -> list[Message]:
        """What an event tells the house."""
        state = HouseState.of(event) if self._nodes else None
        return [] if state is None else [self._topics.sighting(state.speaker_id, state.to_json())]

    def _goodbye(self, document: Document) -> None:
        people = [topic for topic in topics_of({"cmps": document["cmps"]}) if self._topics.owns(topic)]
        goodbye = removal_messages(self._topics, people)
        others = [entry["t"] for entry in document.get("avty", ()) if entry["t"] != self._own]
        if others and is_house(document) and self._outbox is not None:
            goodbye = goodbye[1:]
            try:
                self._outbox.forget(self._topics.discovery)
            except StorageError as error:  # it is known at the next start as well, and left then
                _LOG.error("this device cannot leave the house for now: %s", error.sentence())
                return
            _LOG.warning(
                "this device has left the house, and does not take it away from the others; where they leave it, too, "
                "clear %s (docs/home-assistant.md)",
                self._topics.discovery,
            )
        self._publish(*goodbye)
