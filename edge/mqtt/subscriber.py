"""A plain subscriber: what somebody at the other end of the broker sees. For the demonstration and the benchmark.

Takes a broker's address and patterns; gives what arrived, with the moment of arrival. Must hold: shares nothing
with the publisher but the broker.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge.errors import BrokerError


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as it came. ``monotonic``/``now``: when, on both clocks."""

    topic: str
    payload: bytes
    retained: bool
    monotonic: float
    now: float


class Subscriber:
    """A context manager: subscribed when entered, gone when left.

    Raises ``BrokerError`` where the broker does not accept the subscription within ``timeout_seconds``.
    """

    def __init__(self, host: str, port: int, *patterns: str, timeout_seconds: float = 5.0) -> None:
        self._address = (host, port)
        self._patterns = patterns
        self._timeout_seconds = timeout_seconds
        self._changed = threading.Condition()
        self._ready = False
        self._arrivals: list[Arrival] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    def __enter__(self) -> Subscriber:
        host, port = self._address
        try:
            self._client.connect(host, port)
        except OSError as error:
            raise BrokerError(
                f"The broker at {host}:{port} cannot be reached ({error})", "Start it, or name another."
            ) from error
        self._client.loop_start()
        with self._changed:
            if not self._changed.wait_for(lambda: self._ready, self._timeout_seconds):
                self._client.loop_stop()
                raise BrokerError(f"The broker at {host}:{port} does not accept a subscription", "Check its log.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def arrivals(self) -> tuple[Arrival, ...]:
        """Everything so far, in order."""
        with self._changed:
            return tuple(self._arrivals)

    def wait_for(self, enough: Callable[[tuple[Arrival, ...]], bool], timeout_seconds: float) -> bool:
        """Wait until what arrived is ``enough``; False where the time was not."""
        with self._changed:
            return self._changed.wait_for(lambda: enough(tuple(self._arrivals)), timeout_seconds)

    def _on_connect(self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if not reason.is_failure:
            for pattern in self._patterns:
                client.subscribe(pattern, qos=1)

    def _on_subscribe(self, *_: Any) -> None:
        with self._changed:
            self._ready = True
            self._changed.notify_all()

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        arrival = Arrival(message.topic, bytes(message.payload), message.retain, time.monotonic(), time.time())
        with self._changed:
            self._arrivals.append(arrival)
            self._changed.notify_all()
