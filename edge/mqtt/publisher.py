"""Delivers the outbox to the broker, whatever happens to either; announces, and hears commands.

Takes: messages from any thread. Gives: deliveries, ``problem`` and counters. Must hold: ``publish`` returns when the
message is durable and never waits for the network; every connection begins with a full greeting; one thread does all
that touches the broker; a broker that is away costs neither messages nor processor time.

Fork first, then ``start``: a thread does not survive a fork, and in the child nothing would ever be delivered.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from edge.clock import SystemClock
from edge.errors import BrokerError, StorageError
from edge.mqtt.backoff import Backoff
from edge.mqtt.patience import Patience
from edge.mqtt.problems import stolen_problem, subscribe_refused
from edge.mqtt.security import exposed, tls_context
from edge.mqtt.status import PublisherCounters, Status
from edge.mqtt.topics import ONLINE, Command, Topics
from edge.mqtt.volatile import Volatile
from edge.mqtt.wake import Wake
from edge.outbox import Outbox
from edge.records import Clock, Message
from edge.settings import Mqtt, mqtt_password

if TYPE_CHECKING:
    from edge.mqtt.connection import Connection, Received
    from edge.mqtt.session import Session

_LOG = logging.getLogger(__name__)
_CLOCK: Final = SystemClock()
_WINDOW: Final = 20
"""Messages that wait for their acknowledgement at the same time; mosquitto allows a client as many."""
_STEP_SECONDS: Final = 5.0
_HELD_SECONDS: Final = 5.0
"""A connection that lives this long is a good one."""
_SHORT_LIVES: Final = 3
_GOODBYE_SECONDS: Final = 2.0
_BIRTH_DELAY_SECONDS: Final = (1.0, 5.0)
_RESERVE_USED: Final = StorageError(
    "The disk with the state folder is full; what is heard goes to the room that was kept for about 1,000 events",
    "Free some space on that disk.",
)


def birth_delay() -> float:
    """Seconds to wait after Home Assistant's birth message, so that a house full of devices does not answer at once."""
    return random.uniform(*_BIRTH_DELAY_SECONDS)


class Publisher:
    """The device's voice.

    Args:
        mqtt: the section of the settings.
        topics: this device's topics.
        outbox: where messages wait; may hold some from an earlier run.
        on_command: called for every command, in the publisher's thread, so it must return soon; None listens to none.
        birth_topic: where Home Assistant says that it has started, empty for nowhere.
        birth_delay: seconds to wait before the answer to that.
        clock: only its monotonic side is used.
        patience: how many commands are obeyed; None for the usual number.

    Raises ``SettingsError`` for a certificate or password file that cannot be used.
    """

    def __init__(
        self,
        mqtt: Mqtt,
        topics: Topics,
        outbox: Outbox,
        on_command: Callable[[Command], None] | None = None,
        *,
        birth_topic: str = "",
        birth_delay: Callable[[], float] = birth_delay,
        clock: Clock = _CLOCK,
        patience: Patience | None = None,
    ) -> None:
        self._mqtt = mqtt
        self._topics = topics
        self._outbox = outbox
        self._on_command = on_command
        self._birth_topic = birth_topic
        self._birth_delay = birth_delay
        self._clock = clock
        self._volatile = Volatile()
        self._patience = patience or Patience(clock)
        self._status = Status()
        self._backoff = Backoff(mqtt.reconnect_max_seconds)
        self._wake = Wake()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._pid = 0
        # Read here: a reload that finds fault with them is refused while the publisher before this one still runs.
        self._password = mqtt_password(mqtt)
        self._context = tls_context(mqtt)
        self._session: Session | None = None
        self._short_lives = 0
        self._announce_at: float | None = None

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us and the connection lives."""
        return self._session is not None

    @property
    def problem(self) -> str | None:
        """What keeps messages from arriving, one sentence with a remedy; None where nothing does."""
        return self._status.problem

    @property
    def warning(self) -> str | None:
        """What lets others read a secret of this connection, one sentence with its remedy."""
        return next((one.sentence() for one in exposed(self._mqtt)), None)

    @property
    def counters(self) -> PublisherCounters:
        """What has happened so far."""
        return self._status.counters

    def start(self) -> None:
        """Begin to deliver."""
        if self._thread is not None:
            return
        for warning in exposed(self._mqtt):
            _LOG.warning("%s", warning.sentence())
        self._retire_strangers()
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name="earmark-mqtt", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> bool:
        """Say ``offline``, disconnect, end. What is undelivered stays in the outbox. False where ``timeout`` seconds
        were not enough; the connection then ends with the process, and the last will says ``offline``.
        """
        self._stopping.set()
        self._wake.set()
        thread = self._thread
        if thread is None:
            self._wake.close()
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(timeout)
        return not thread.is_alive()

    def publish(self, *messages: Message) -> None:
        """Store the messages, in one transaction, and wake the delivery. Never raises for a broker that is away or a
        disk that is full (see ``problem``). Raises ``BrokerError`` in a process forked after ``start``.
        """
        if self._pid not in (0, os.getpid()):
            raise BrokerError("The publisher was started before this process was forked", "Start it after forking.")
        durable = [message for message in messages if not Volatile.takes(message)]
        if durable:
            self._store(durable)
        for message in messages:
            if Volatile.takes(message):
                self._volatile.put(message)
        self._status.count(published=len(messages))
        self._wake.set()

    def wait_until_drained(self, timeout: float) -> bool:
        """Wait until the broker has acknowledged everything published so far, at most ``timeout`` seconds."""
        return self._status.wait(self._drained, timeout)

    def _drained(self) -> bool:
        # In this order: a message leaves the first two only after the session has it, or the broker.
        if self._volatile.waiting or self._outbox.pending(1):
            return False
        session = self._session
        return session is not None and session.idle

    def _store(self, messages: Sequence[Message]) -> None:
        try:
            self._outbox.append_all(messages)
        except StorageError as error:
            self._status.complain("storage", error)
        else:
            if self._outbox.on_reserve:
                self._status.complain("storage", _RESERVE_USED)
            else:
                self._status.clear("storage")

    def _retire_strangers(self) -> None:
        """Clear retained topics of an earlier name of this device, which nobody else would ever clear.

        For that, what is only ever said directly is remembered as well: the availability.
        """
        topics = [message.topic for _, message in self._outbox.states()]
        clear = [Message(topic, b"", 1, True, "state") for topic in topics if not self._topics.owns(topic)]
        self._store([*clear, self._topics.availability(True)])

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._connect_and_deliver()
            except StorageError as error:
                self._status.complain("storage", error)
            except BrokerError as error:
                stolen = self._short_lives >= _SHORT_LIVES
                self._status.complain("broker", stolen_problem(self._mqtt) if stolen else error)
            except Exception:
                # Whatever it is, the device must go on trying: nobody is there to start it again.
                _LOG.exception("The delivery to the broker failed unexpectedly; it is tried again")
            self._stopping.wait(self._backoff.next())
        self._wake.close()

    def _connect_and_deliver(self) -> None:
        """One connection, from the attempt to its end. Raises ``BrokerError`` or ``StorageError``."""
        # Late: paho takes long to import on a small board, and not every command publishes.
        from edge.mqtt.connection import Connection
        from edge.mqtt.session import Session

        self._status.count(attempts=1)
        connection = Connection(
            self._mqtt,
            f"earmark-{self._topics.node}",
            password=self._password,
            context=self._context,
            will=self._topics.availability(False),
            window=_WINDOW,
            wake=self._wake,
        )
        try:
            self._open(connection)
            if not self._stopping.is_set():
                self._outbox.take_back()
                session = Session(connection, self._topics, self._outbox, self._volatile, self._clock)
                session.greet()
                self._begin(connection, session)
                self._deliver(connection, session)
                connection.close()
        finally:
            self._session = None
            self._status.touch()
            # After anything but a goodbye, so that the broker publishes the last will.
            connection.abandon()

    def _open(self, connection: Connection) -> None:
        try:
            connection.open(self._stopping.is_set)
        except BrokerError:
            self._short_lives = 0
            raise

    def _begin(self, connection: Connection, session: Session) -> None:
        """The broker has accepted us."""
        patterns = self._topics.commands if self._on_command else ()
        connection.subscribe((*patterns, self._birth_topic) if self._birth_topic else patterns)
        self._announce_at = None
        self._session = session
        self._status.count(connections=1)
        self._status.clear("refused")
        if self._short_lives < _SHORT_LIVES:
            self._status.clear("broker")
        _LOG.info("Connected to the broker at %s:%d", self._mqtt.host, self._mqtt.effective_port)

    def _deliver(self, connection: Connection, session: Session) -> None:
        """Until the connection ends (raises ``BrokerError``) or the publisher is stopped."""
        since = self._clock.monotonic()
        self._short_lives += 1
        while not self._stopping.is_set():
            if self._clock.monotonic() - since >= _HELD_SECONDS:
                self._held()
            if self._announce_at is not None and self._clock.monotonic() >= self._announce_at:
                self._announce_at = None
                session.greet()
            session.fill()
            try:
                connection.step(self._pause())
            finally:
                # Also after the end: the last acknowledgements may have come with it.
                self._settle(connection, session)
            self._receive(connection)
        self._say_goodbye(connection)
        self._settle(connection, session)

    def _held(self) -> None:
        """The connection is a good one."""
        self._short_lives = 0
        self._backoff.reset()
        self._status.clear("broker")

    def _pause(self) -> float:
        """How long a step may wait. Bounded also so that a broker that stopped answering is noticed."""
        longest = min(_STEP_SECONDS, self._mqtt.keepalive_seconds / 4)
        if self._announce_at is None:
            return longest
        return min(longest, max(0.0, self._announce_at - self._clock.monotonic()))

    def _settle(self, connection: Connection, session: Session) -> None:
        answers = len(connection.settled)
        refusals = session.settle()
        self._status.count(acknowledged=answers - len(refusals), refused=len(refusals))
        refusals += [subscribe_refused(pattern, reason) for pattern, reason in connection.refused_subscriptions]
        connection.refused_subscriptions.clear()
        for refusal in refusals:
            self._status.complain("refused", refusal)
        self._status.touch()

    def _receive(self, connection: Connection) -> None:
        messages, connection.received = connection.received, []
        for message in messages:
            if message.topic == self._birth_topic:
                if message.payload.strip().lower() == ONLINE:
                    self._announce_at = self._clock.monotonic() + self._birth_delay()
            else:
                self._obey(message)

    def _obey(self, message: Received) -> None:
        command = self._topics.command(message.topic, message.payload, message.retained)
        if command is None or self._on_command is None:
            _LOG.info("Ignored a message on %s: retained, too long, or no command", message.topic)
            return
        if not self._patience.allows():
            _LOG.warning("Ignored a command on %s: too many at once", message.topic)
            return
        try:
            self._on_command(command)
        except Exception:
            _LOG.exception("The command %s failed", command.name)

    def _say_goodbye(self, connection: Connection) -> None:
        mid = connection.send(self._topics.availability(False))
        deadline = time.monotonic() + _GOODBYE_SECONDS
        while mid is not None and time.monotonic() < deadline:
            connection.step(_GOODBYE_SECONDS / 10)
            if any(answer.mid == mid for answer in connection.settled):
                break
