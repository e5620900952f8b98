"""States that live in memory only.

Takes: messages with QoS 0 that are states. Gives: the latest per topic, once each, and those retained again after a
reconnection. Must hold: nothing waits for the network; the latest always wins.
"""

from __future__ import annotations

import threading

from edge.records import Message


class Volatile:
    """States with QoS 0: the latest per topic, in memory only.

    They change often and are worthless when they are old, so they are not worth a write to an SD card each. paho
    drops a QoS 0 message that meets no connection; here it waits for one, unless it tells of the moment only and is not
    even retained. Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: dict[str, Message] = {}
        self._due: dict[str, Message] = {}

    @staticmethod
    def takes(message: Message) -> bool:
        """Whether this is such a message."""
        return message.qos == 0 and message.kind == "state"

    def put(self, message: Message) -> None:
        """Replace what was known about the topic."""
        with self._lock:
            self._due[message.topic] = message
            if message.retain:
                self._latest[message.topic] = message

    def renew(self) -> None:
        """Make everything due again but what told of a moment, which is over."""
        with self._lock:
            self._due = dict(self._latest)

    def take(self) -> Message | None:
        """The next one that is due."""
        with self._lock:
            return self._due.pop(next(iter(self._due))) if self._due else None

    @property
    def waiting(self) -> bool:
        """Whether something is due."""
        with self._lock:
            return bool(self._due)
