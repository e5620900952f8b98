"""One short connection, to see whether the broker takes this device.

Takes: the section of the settings, and what would be listened to. Gives: what of it the broker refuses. Must hold:
publishes nothing, not even a last will; has a client id of its own, so that a device that runs is not thrown out.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Final

from edge.errors import BrokerError
from edge.mqtt.problems import subscribe_refused
from edge.mqtt.security import tls_context
from edge.mqtt.wake import Wake
from edge.settings import Mqtt, mqtt_password

_ANSWER_SECONDS: Final = 5.0


def probe(mqtt: Mqtt, patterns: Sequence[str] = ()) -> list[BrokerError]:
    """Connect, subscribe to ``patterns``, and go; gives a refusal per pattern that is not allowed.

    Raises ``BrokerError`` where the broker cannot be reached or does not take us, and ``SettingsError`` for a
    certificate or password file that cannot be used.
    """
    from edge.mqtt.connection import Connection

    password, context = mqtt_password(mqtt), tls_context(mqtt)
    name = f"earmark-doctor-{secrets.token_hex(3)}"
    wake = Wake()
    connection = Connection(mqtt, name, password=password, context=context, will=None, window=1, wake=wake)
    try:
        connection.open(lambda: False)
        connection.subscribe(patterns)
        deadline = time.monotonic() + _ANSWER_SECONDS
        while connection.subscribing and time.monotonic() < deadline:
            connection.step(deadline - time.monotonic())
        connection.close()
    finally:
        connection.abandon()
        wake.close()
    return [subscribe_refused(pattern, reason) for pattern, reason in connection.refused_subscriptions]
