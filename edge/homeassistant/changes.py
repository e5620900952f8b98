"""From one discovery document to another, without leaving orphans in Home Assistant or states at the broker.

Takes: documents. Gives: the messages that publish, change or remove them. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from edge.events import NOBODY, SOMEBODY, UNKNOWN
from edge.homeassistant.document import Announced, Document, as_json, discovery_message, topics_of
from edge.homeassistant.entities import PERSON_PREFIX
from edge.mqtt.topics import Topics
from edge.records import Message


def change_messages(topics: Announced, before: Document | None, after: Document) -> list[Message]:
    """What leads from one document to another without leaving orphans.

    A component that goes is first reduced to its platform, which makes Home Assistant remove the entity, then left
    out. The first of these is not retained: only a Home Assistant that runs needs it, and it must not be replaced in
    the queue. The retained states that nobody announces any more are cleared.
    """
    gone = {key: component for key, component in (before or {}).get("cmps", {}).items() if key not in after["cmps"]}
    announced = set(topics_of(after))
    cleared = [topic for topic in topics_of({"cmps": gone}) if topic not in announced and topics.owns(topic)]
    messages = [discovery_message(topics, after)]
    if gone:
        reduced = after | {"cmps": after["cmps"] | {key: {"p": component["p"]} for key, component in gone.items()}}
        messages.insert(0, Message(topics.discovery, as_json(reduced), 1, False, "event"))
    return messages + [_clear(topic) for topic in dict.fromkeys(cleared) if not topics.hears(topic)]


def announced(topics: Announced, states: Iterable[tuple[int, Message]]) -> Document | None:
    """The document that an earlier run has left (``states``: those of the outbox), for ``change_messages``."""
    payload = next((message.payload for _, message in states if message.topic == topics.discovery), b"")
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) and isinstance(document.get("cmps"), dict) else None


def without_person(document: Document, person_id: str, name: str) -> Document:
    """``document`` as it would be if the person were not enrolled; ``name``: as it was shown."""
    cmps = {key: one for key, one in document["cmps"].items() if key != f"{PERSON_PREFIX}{person_id}"}
    speaker = cmps.get("last_speaker")
    if speaker and isinstance(speaker.get("options"), list) and name not in {SOMEBODY, UNKNOWN, NOBODY}:
        left = [option for option in speaker["options"] if option != name]
        cmps["last_speaker"] = speaker | {"options": left}
    return document | {"cmps": cmps}


def removal_messages(topics: Announced, states: Iterable[str] = ()) -> list[Message]:
    """What removes the device: an empty document, then the retained ``states`` (topics) cleared."""
    return [_clear(topics.discovery), *(_clear(topic) for topic in states if topic != topics.discovery)]


def migration_messages(topics: Topics, old: Iterable[str], document: Document) -> list[Message]:
    """What moves entities announced one by one (``old``: their config topics) into this document, keeping their
    history.

    Each old topic is told to hand over, the document follows, then the old topics are cleared.
    """
    listed = list(old)
    handover = as_json({"migrate_discovery": True})
    return [
        *(Message(topic, handover, 1, False, "event") for topic in listed),
        discovery_message(topics, document),
        *(_clear(topic) for topic in listed),
    ]


def _clear(topic: str) -> Message:
    return Message(topic, b"", 1, True, "state")
