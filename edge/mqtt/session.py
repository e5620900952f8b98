"""What is said during one connection: the greeting, then the queue, in order and with a bounded number on the way.

Takes: an open ``Connection``, the outbox, the states that live in memory only. Gives: messages to the broker, and
their settlement back to the outbox. Must hold: an event leaves the outbox only after an acknowledgement that says
yes; what the broker refuses is set aside and does not block what follows; nothing depends on what an earlier
connection did.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from edge.errors import BrokerError
from edge.mqtt.connection import Connection, Settled
from edge.mqtt.problems import TEMPORARY_REFUSALS, publish_refused
from edge.mqtt.topics import Topics
from edge.mqtt.volatile import Volatile
from edge.outbox import Outbox
from edge.records import Clock, Message

_PATIENCE_SECONDS: Final = 60.0
"""How long the broker may leave everything unacknowledged before the connection is given up for a new one."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """A message on its way. ``ident``: its id in the outbox, None where it is not from there."""

    ident: int | None
    topic: str


class Session:
    """One connection's conversation; driven by one thread."""

    def __init__(
        self, connection: Connection, topics: Topics, outbox: Outbox, volatile: Volatile, clock: Clock
    ) -> None:
        self._clock = clock
        self._connection = connection
        self._topics = topics
        self._outbox = outbox
        self._volatile = volatile
        self._greeting: deque[tuple[int | None, Message]] = deque()
        self._greeted: set[int] = set()
        self._sent: dict[int, _Sent] = {}
        self._cursor = 0
        self._filling = False
        self._progress = clock.monotonic()

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way, and the greeting is said."""
        return not self._filling and not self._greeting and not self._sent

    def greet(self) -> None:
        """Say everything that a broker or Home Assistant that knows nothing must know: that we are there, the discovery
        document, then all retained states. Raises ``StorageError``.
        """
        online = self._topics.availability(True)
        known = self._outbox.states()
        own = next((ident for ident, one in known if one.topic == online.topic), None)
        states = [(ident, one) for ident, one in known if ident != own]
        # Discovery first: Home Assistant drops a state that an entity does not know yet.
        states.sort(key=lambda one: one[1].topic.startswith(self._topics.prefix))
        self._greeting = deque([(own, online), *states])
        self._greeted |= {ident for ident, _ in self._greeting if ident is not None}
        self._volatile.renew()

    def fill(self) -> None:
        """Send as much as the window allows. Raises ``BrokerError`` or ``StorageError``."""
        self._filling = True
        while len(self._sent) < self._connection.window and (following := self._next()) is not None:
            self._send(*following)
        self._filling = False

    def settle(self) -> list[BrokerError]:
        """Tell the outbox what the broker has taken; gives what it refused. Raises ``BrokerError`` where the broker
        refuses for now only, or is silent for too long, so that a later connection tries again.
        """
        answers, self._connection.settled = self._connection.settled, []
        self._check_progress(bool(answers))
        taken: list[int] = []
        refusals: list[BrokerError] = []
        passing: BrokerError | None = None
        for answer in answers:
            sent = self._sent.pop(answer.mid, None)
            if sent is None:
                continue
            if not answer.refusal:
                taken += [] if sent.ident is None else [sent.ident]
            elif answer.code in TEMPORARY_REFUSALS:
                passing = publish_refused(sent.topic, answer.refusal)
            else:
                refusals.append(self._refuse(sent, answer))
        if taken:
            self._outbox.acknowledge(*taken)
        if passing is not None:
            raise passing
        return refusals

    def _check_progress(self, answered: bool) -> None:
        """A broker that forgets acknowledgements would fill the window and block the queue for ever."""
        now = self._clock.monotonic()
        if answered or not self._sent:
            self._progress = now
        elif now - self._progress > _PATIENCE_SECONDS:
            raise BrokerError(
                f"The broker takes messages but has acknowledged none for {_PATIENCE_SECONDS:.0f} s", "See its log."
            )

    def _refuse(self, sent: _Sent, answer: Settled) -> BrokerError:
        if sent.ident is not None:
            self._outbox.set_aside(sent.ident)
        return publish_refused(sent.topic, answer.refusal)

    def _next(self) -> tuple[int | None, Message] | None:
        if self._greeting:
            return self._greeting.popleft()
        volatile = self._volatile.take()
        if volatile is not None:
            return None, volatile
        while found := self._outbox.pending(1, self._cursor):
            ident, message = found[0]
            self._cursor = ident
            if ident not in self._greeted:
                return ident, message
        return None

    def _send(self, ident: int | None, message: Message) -> None:
        mid = self._connection.send(message)
        if mid is None:
            raise BrokerError("The connection to the broker was lost", "Check that the broker runs.")
        self._sent[mid] = _Sent(ident, message.topic)
