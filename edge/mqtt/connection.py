"""One connection of the publisher, from CONNECT to its end; the only place in it that imports paho.

Takes: settings, credentials, a last will. Gives: what was acknowledged, what was received, and ``BrokerError`` when
it ends. Must hold: no thread and no memory of its own. paho keeps unacknowledged messages and sends them again by
itself; here every connection is a fresh client that is thrown away, so that the outbox alone knows what is still to
be sent, and the waiting between attempts is ours. One thread drives it (``open``, ``step``, ``send``, ``close``).
"""

from __future__ import annotations

import select
import ssl
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.errors import BrokerError
from edge.mqtt.problems import connect_problem, giant_problem, lost_problem, nonsense_problem, refusal_problem
from edge.mqtt.wake import Wake
from edge.records import Message
from edge.settings import Mqtt, Secret

_CONNACK_SECONDS: Final = 10.0
_FLUSH_SECONDS: Final = 1.0
LARGEST_PACKET_BYTES: Final = 65_536
"""Nothing that this device listens to is longer; MQTT 5 tells the broker, with MQTT 3.1.1 the connection ends."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The broker's answer to a message. ``refusal``: its reason where it said no, else empty; ``code``: its number."""

    mid: int
    refusal: str = ""
    code: int = 0


@dataclass(frozen=True, slots=True)
class Received:
    """A message from the broker."""

    topic: str
    payload: bytes
    retained: bool


class Connection:
    """A client that is used once.

    Args:
        mqtt: where and how.
        client_id: must be unique at the broker.
        password: for ``mqtt.username``, None for none.
        context: for TLS, None for a plain connection.
        will: published by the broker when this connection ends without a goodbye; None for nothing.
        window: messages that may wait for their acknowledgement at the same time; a broker may allow fewer.
        wake: interrupts ``step`` from another thread.
    """

    def __init__(
        self,
        mqtt: Mqtt,
        client_id: str,
        *,
        password: Secret | None,
        context: ssl.SSLContext | None,
        will: Message | None,
        window: int,
        wake: Wake,
    ) -> None:
        self._mqtt = mqtt
        self._wake = wake
        self.window = window
        self._connack: ReasonCode | None = None
        self._lost: ReasonCode | None = None
        self._subscribing: dict[int, str] = {}
        self.settled: list[Settled] = []
        self.received: list[Received] = []
        self.refused_subscriptions: list[tuple[str, str]] = []
        five = mqtt.protocol == "5"
        self._client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            # MQTT 5 says this at connect(), and paho raises where both are given.
            clean_session=None if five else True,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        self._client.max_inflight_messages_set(window)
        self._client.max_queued_messages_set(0)
        if will is not None:
            self._client.will_set(will.topic, will.payload, will.qos, will.retain)
        if mqtt.username:
            self._client.username_pw_set(mqtt.username, password.reveal() if password else None)
        if context is not None:
            self._client.tls_set_context(context)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe

    def open(self, stopping: Callable[[], bool]) -> bool:
        """Connect and wait for the broker's answer; False where ``stopping`` came first. Raises ``BrokerError``."""
        host = self._mqtt.host.strip("[]")
        try:
            # Blocking, at most 5 s plus the name look-up: unlike connect_async it tells what went wrong.
            if self._mqtt.protocol == "5":
                wishes = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
                wishes.MaximumPacketSize = LARGEST_PACKET_BYTES
                self._client.connect(
                    host, self._mqtt.effective_port, self._mqtt.keepalive_seconds, clean_start=True, properties=wishes
                )
            else:
                self._client.connect(host, self._mqtt.effective_port, self._mqtt.keepalive_seconds)
        except (OSError, ValueError) as error:
            raise connect_problem(self._mqtt, error) from error
        deadline = time.monotonic() + _CONNACK_SECONDS
        while self._connack is None:
            if stopping():
                return False
            left = deadline - time.monotonic()
            if left <= 0:
                raise connect_problem(self._mqtt, TimeoutError())
            try:
                self.step(left)
            except BrokerError:
                if self._connack is None:
                    raise connect_problem(self._mqtt, ConnectionResetError()) from None
        if self._connack.is_failure:
            raise refusal_problem(self._mqtt, str(self._connack))
        return True

    def step(self, timeout: float) -> None:
        """Wait at most ``timeout`` seconds for traffic or a wake-up, and handle it. Raises ``BrokerError`` at the
        end.
        """
        sock = self._client.socket()
        if sock is None:
            raise self._end()
        poll = select.poll()
        poll.register(sock, select.POLLIN | (select.POLLOUT if self._client.want_write() else 0))
        poll.register(self._wake, select.POLLIN)
        # TLS may hold decrypted bytes that poll knows nothing of; and what needs no acknowledgement is settled already.
        ready = dict(poll.poll(0 if _buffered(sock) or self.settled else 1000 * timeout))
        self._wake.clear()
        events = ready.get(sock.fileno(), 0)
        if events & ~select.POLLOUT or _buffered(sock):
            self._read()
        while (rest := self._client.socket()) is not None and _buffered(rest):
            self._read()
        if self._client.want_write():
            self._client.loop_write()
        self._refuse_giants()
        self._client.loop_misc()
        if self._client.socket() is None or self._lost is not None:
            raise self._end()

    def _read(self) -> None:
        """Take what has come. Raises ``BrokerError`` where that is not MQTT."""
        try:
            self._client.loop_read()
        except Exception as error:  # paho raises whatever its decoding stumbles over, struct.error and IndexError too
            self.abandon()
            raise nonsense_problem(self._mqtt) from error

    def _refuse_giants(self) -> None:
        """End the connection before a message fills the memory. paho has no bound of its own for what it receives."""
        length = getattr(self._client, "_in_packet", {}).get("remaining_length", 0)
        if length > LARGEST_PACKET_BYTES:
            self.abandon()
            raise giant_problem(self._mqtt, length)

    def send(self, message: Message) -> int | None:
        """Hand a message to the socket; gives the number that will show up in ``settled``, None where it was not
        taken.

        paho's own verdicts are of no use here (a result code of success for what the access list forbids, exceptions
        from ``wait_for_publish``): only ``settled`` counts.
        """
        info = self._client.publish(message.topic, message.payload, message.qos, message.retain)
        return info.mid if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def subscribe(self, patterns: Iterable[str]) -> None:
        """Listen; what the broker refuses shows up in ``refused_subscriptions``."""
        for pattern in patterns:
            code, mid = self._client.subscribe(pattern, qos=1)
            if code == MQTTErrorCode.MQTT_ERR_SUCCESS and mid is not None:
                self._subscribing[mid] = pattern

    @property
    def subscribing(self) -> bool:
        """Whether the broker still owes an answer to a subscription."""
        return bool(self._subscribing)

    def close(self) -> None:
        """Say goodbye, so that the last will is not published, and close."""
        self._client.disconnect()
        deadline = time.monotonic() + _FLUSH_SECONDS
        while self._client.socket() is not None and time.monotonic() < deadline:
            try:
                self.step(0.05)
            except BrokerError:
                break
        self.abandon()

    def abandon(self) -> None:
        """Close the socket without a word."""
        sock = self._client.socket()
        if sock is not None:
            sock.close()

    def _end(self) -> BrokerError:
        return lost_problem(self._mqtt, str(self._lost or ""))

    def _on_connect(
        self,
        client: paho.Client,
        data: object,
        flags: paho.ConnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._connack = code
        # MQTT 5: a broker ends the connection of a client that has more on the way than this.
        self.window = max(1, min(self.window, getattr(properties, "ReceiveMaximum", self.window)))

    def _on_disconnect(
        self,
        client: paho.Client,
        data: object,
        flags: paho.DisconnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._lost = self._lost or code

    def _on_publish(
        self, client: paho.Client, data: object, mid: int, code: ReasonCode, properties: Properties | None
    ) -> None:
        self.settled.append(Settled(mid, str(code), code.value) if code.is_failure else Settled(mid))

    def _on_message(self, client: paho.Client, data: object, message: paho.MQTTMessage) -> None:
        with suppress(UnicodeDecodeError):  # the topic is no text, so it is none that was subscribed to
            self.received.append(Received(message.topic, bytes(message.payload), message.retain))

    def _on_subscribe(
        self, client: paho.Client, data: object, mid: int, codes: list[ReasonCode], properties: Properties | None
    ) -> None:
        pattern = self._subscribing.pop(mid, "")
        self.refused_subscriptions += [(pattern, str(code)) for code in codes if code.is_failure]


class _Client(paho.Client):
    """paho's client; but it reads a hundred small pieces at a time, where it would try for as many as 256 MB each."""

    def _sock_recv(self, bufsize: int) -> bytes:
        return super()._sock_recv(min(bufsize, LARGEST_PACKET_BYTES))


def _buffered(sock: object) -> bool:
    return isinstance(sock, ssl.SSLSocket) and sock.fileno() >= 0 and sock.pending() > 0
