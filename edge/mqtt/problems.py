"""What went wrong with the broker, in one sentence with a remedy.

Takes: exceptions of a connection attempt and the broker's reason texts. Gives: ``BrokerError``.
Must hold: unreachable, refused, wrong password, TLS and a stolen client id are told apart; no secret appears.
"""

from __future__ import annotations

import errno
import socket
import ssl
from typing import Final

from edge.errors import BrokerError
from edge.settings import Mqtt

TEMPORARY_REFUSALS: Final = frozenset({0x80, 0x83, 0x97})
"""MQTT 5 reason codes of a PUBACK that may pass: unspecified, implementation specific, quota exceeded."""

_UNREACHABLE: Final = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})
_CREDENTIALS: Final = frozenset({"not authorized", "bad user name or password", "bad authentication method", "banned"})

_CAUSES: Final[tuple[tuple[type[Exception], str, str], ...]] = (
    (
        ssl.SSLCertVerificationError,
        "The certificate of the broker at {where} is not trusted: {detail}",
        "Check mqtt.ca_file, and that mqtt.host is the name in the certificate.",
    ),
    (
        ssl.SSLError,
        "TLS with the broker at {where} failed: {detail}",
        "Check that this port speaks TLS 1.2 or newer, and the files in mqtt.cert_file and mqtt.key_file.",
    ),
    (socket.gaierror, "The broker's name '{host}' cannot be resolved: {detail}", "Check mqtt.host and the network."),
    (
        ConnectionRefusedError,
        "Nothing answers at {where}: the connection was refused",
        "Start the broker, or check mqtt.host and mqtt.port.",
    ),
    (TimeoutError, "The broker at {where} cannot be reached", "Check the network, mqtt.host and firewalls."),
    (
        ConnectionError,
        "What answers at {where} closed the connection at once",
        "Check mqtt.port and mqtt.tls: is it a broker, and does that port want TLS?",
    ),
)
"""The first that fits; the special ones come before the general ones."""


def connect_problem(mqtt: Mqtt, error: Exception) -> BrokerError:
    """Why no connection came about."""
    where = f"{mqtt.host}:{mqtt.effective_port}"
    for kind, cause, remedy in _CAUSES:
        if isinstance(error, kind):
            detail = getattr(error, "verify_message", "") or getattr(error, "reason", "") or error
            return BrokerError(cause.format(where=where, host=mqtt.host, detail=detail), remedy)
    if getattr(error, "errno", None) in _UNREACHABLE:
        return connect_problem(mqtt, TimeoutError())
    return BrokerError(f"The broker at {where} cannot be reached: {error}", "Check mqtt.host and mqtt.port.")


def refusal_problem(mqtt: Mqtt, reason: str) -> BrokerError:
    """Why the broker answered the connection with a no. ``reason``: its reason code in words."""
    where = f"{mqtt.host}:{mqtt.effective_port}"
    word = reason.lower()
    if word in _CREDENTIALS:
        return BrokerError(
            f"The broker at {where} refuses {_who(mqtt)} ({reason})", "Check mqtt.username and mqtt.password_file."
        )
    if word == "unsupported protocol version":
        return BrokerError(f"The broker at {where} does not speak MQTT {mqtt.protocol}", 'Set mqtt.protocol: "3.1.1".')
    return BrokerError(f"The broker at {where} refuses the connection ({reason})", "See the broker's log.")


def lost_problem(mqtt: Mqtt, reason: str) -> BrokerError:
    """Why a connection ended."""
    where = f"{mqtt.host}:{mqtt.effective_port}"
    if reason.lower() == "session taken over":
        return stolen_problem(mqtt)
    if reason.lower() == "keep alive timeout":
        return BrokerError(f"The broker at {where} stopped answering", "Check the network.")
    return BrokerError(f"The connection to the broker at {where} was lost", "Check that the broker runs.")


def nonsense_problem(mqtt: Mqtt) -> BrokerError:
    """What came is not MQTT."""
    return BrokerError(
        f"What answers at {mqtt.host}:{mqtt.effective_port} does not speak MQTT as it should",
        "Check mqtt.host, mqtt.port and mqtt.protocol.",
    )


def stolen_problem(mqtt: Mqtt) -> BrokerError:
    """Another client uses our id, so that the two throw each other out."""
    return BrokerError(
        f"The broker at {mqtt.host}:{mqtt.effective_port} ends each connection at once, as if it were used twice",
        "Give every device its own node.name.",
    )


def giant_problem(mqtt: Mqtt, length: int) -> BrokerError:
    """A message that is longer than anything we listen to (a retained one comes at every connection)."""
    return BrokerError(
        f"The broker at {mqtt.host}:{mqtt.effective_port} sends a message of {length} bytes, which is no command",
        "See who may publish to the topics that this device listens to, and clear what is retained there.",
    )


def publish_refused(topic: str, reason: str) -> BrokerError:
    """The broker does not allow a topic (only MQTT 5 says so)."""
    return BrokerError(
        f"The broker does not allow this user to publish to {topic} ({reason})", "Extend its access list for this user."
    )


def subscribe_refused(topic: str, reason: str) -> BrokerError:
    """The broker does not allow listening to a topic."""
    return BrokerError(
        f"The broker does not allow this user to subscribe to {topic} ({reason})",
        "Extend its access list for this user.",
    )


def _who(mqtt: Mqtt) -> str:
    return f"the user '{mqtt.username}'" if mqtt.username else "a client without a user name"
