"""Typed payloads and their JSON: what the world outside is told, and nothing more.

Takes: a ``records.Result`` and what the device knows about itself. Gives: frozen payloads with ``to_json() -> bytes``.
Must hold: schema version 1 (``edge/schemas/*.v1.json``); flat objects, an utterance below 1 KB; what is not known is an
absent key, not a null; no embedding and no audio; a name only where ``privacy.mqtt_names`` allows one. Pure but for the
clock and the source of random bits, which are passed in.
"""

from edge.events.ids import IdMaker, timestamp
from edge.events.maker import EventMaker
from edge.events.names import NOBODY, SOMEBODY, UNKNOWN, NameMode, shown_name
from edge.events.payloads import (
    AUTH_TYPES,
    LARGEST_UTTERANCE_BYTES,
    PHASES,
    SCHEMA_VERSION,
    SCHEMAS,
    AudioState,
    AuthEvent,
    AuthType,
    EnrolmentState,
    HealthState,
    HouseState,
    InfoState,
    LastState,
    PersonState,
    Phase,
    Response,
    UpdateState,
    UtteranceEvent,
    schema,
)

__all__ = [
    "AUTH_TYPES",
    "LARGEST_UTTERANCE_BYTES",
    "NOBODY",
    "PHASES",
    "SCHEMAS",
    "SCHEMA_VERSION",
    "SOMEBODY",
    "UNKNOWN",
    "AudioState",
    "AuthEvent",
    "AuthType",
    "EnrolmentState",
    "EventMaker",
    "HealthState",
    "HouseState",
    "IdMaker",
    "InfoState",
    "LastState",
    "NameMode",
    "PersonState",
    "Phase",
    "Response",
    "UpdateState",
    "UtteranceEvent",
    "schema",
    "shown_name",
    "timestamp",
]
