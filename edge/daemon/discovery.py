"""The device as Home Assistant is told of it, from one document to the next.

Takes who is enrolled and what is told of voices; publishes the document where it has changed. Must hold: what an
earlier run has announced and nobody announces any more is taken back, also where discovery was switched off since.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from edge.daemon.commands import Commands
from edge.daemon.house import House
from edge.homeassistant import Document, announced, change_messages, discovery_document, removal_messages
from edge.mqtt import Topics
from edge.outbox import Outbox
from edge.records import LabelKind
from edge.settings import Settings


class Discovery:
    """``settings``: of this run; ``outbox``: knows what an earlier run has announced."""

    def __init__(
        self,
        topics: Topics,
        settings: Settings,
        version: str,
        *,
        commands: Commands,
        outbox: Outbox | None,
        publish: Callable[..., None],
    ) -> None:
        self._topics = topics
        self._settings = settings
        self._version = version
        self._commands = commands
        self._publish = publish
        self._document: Document | None = announced(topics, outbox.states() if outbox else [])
        self.house = House(settings, topics, outbox, publish)

    def announce(self, people: Mapping[str, str], labels: Mapping[LabelKind, Sequence[str]]) -> None:
        """Say what there is now. ``people``: person id -> name; ``labels``: what is told or can be switched on, with
        every answer of it.
        """
        self.house.announce(people)
        if not self._settings.homeassistant.enabled:
            if self._document is not None:
                self._publish(*removal_messages(self._topics))
            self._document = None
            return
        document = discovery_document(
            self._topics,
            people,
            self._settings.node,
            self._version,
            names=self._settings.privacy.mqtt_names,
            commands=self._commands.chooses,
            enrolment=self._commands.enrols,
            auth=self._settings.mqtt.auth,
            labels=labels,
            switches=self._commands.switchable,
            audio=self._settings.mqtt.audio,
            updates=self._settings.mqtt.updates,
        )
        self._publish(*change_messages(self._topics, self._document, document))
        self._document = document
