"""MQTT for ``simulate``: the daemon's outbox and publisher, for as long as a recording plays.

Takes messages; delivers them to the broker of the settings. Must hold: a daemon on the same state folder is not
disturbed; what could not be delivered stays in the outbox, and is an error at the end.
"""

from __future__ import annotations

from types import TracebackType
from typing import Final

from edge.cli.session import Session
from edge.errors import BrokerError
from edge.instance import SingleInstance
from edge.mqtt import Publisher, Topics
from edge.outbox import Outbox
from edge.records import Message

_DRAIN_SECONDS: Final = 10.0


class Delivery:
    """A context manager; call it with messages. Leaving it waits for the broker. Raises ``BrokerError`` then."""

    def __init__(self, session: Session) -> None:
        settings = session.settings
        self._mqtt = settings.mqtt
        self._lock = SingleInstance(session.folder)
        self._folder = session.folder
        self._topics = Topics(settings.mqtt.base_topic, settings.node.name, settings.homeassistant.prefix)
        self._outbox: Outbox
        self._publisher: Publisher

    def __enter__(self) -> Delivery:
        self._lock.__enter__()
        try:
            self._outbox = Outbox(self._folder / "outbox.sqlite")
            self._publisher = Publisher(self._mqtt, self._topics, self._outbox)
            self._publisher.start()
        except BaseException:
            self._lock.__exit__()
            raise
        return self

    @property
    def states(self) -> list[Message]:
        """The retained messages that stand at the broker, or will. Raises ``StorageError``."""
        return [message for _, message in self._outbox.states()]

    def __call__(self, *messages: Message) -> None:
        """Publish."""
        self._publisher.publish(*messages)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        drained = kind is None and self._publisher.wait_until_drained(_DRAIN_SECONDS)
        problem = self._publisher.problem
        self._publisher.stop()
        waiting = self._outbox.counters.pending
        self._outbox.close()
        self._lock.__exit__()
        if kind is None and not drained:
            where = f"{self._mqtt.host}:{self._mqtt.effective_port}"
            raise BrokerError(
                f"{waiting} messages could not be delivered to the broker at {where}"
                + (f" ({problem.rstrip('.')})" if problem else ""),
                "They wait in the outbox; check mqtt.host and whether the broker runs.",
            )
