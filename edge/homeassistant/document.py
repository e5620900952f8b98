"""One discovery document per device, made by a pure function.

Takes: this device's topics, the people, the node's settings. Gives: the document. Must hold: the keys below ``cmps``
and the unique ids never change, since they are an entity's identity.

The form is Home Assistant's "device discovery" (end of 2024 and later) with its short names: ``dev`` device, ``o``
origin, ``avty`` availability, ``cmps`` components, ``p`` platform.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from edge.events import NameMode
from edge.homeassistant import controls, entities
from edge.homeassistant.entities import PERSON_PREFIX, Component
from edge.homeassistant.updates import update
from edge.mqtt.topics import Topics
from edge.records import LabelKind, Message
from edge.settings import Node

Document = dict[str, Any]


class Announced(Protocol):
    """What a device and a house have in common."""

    @property
    def discovery(self) -> str:
        """Topic of the document."""

    def owns(self, topic: str) -> bool:
        """Whether a retained topic is its own."""

    def hears(self, topic: str) -> bool:
        """Whether it listens there."""


def discovery_document(
    topics: Topics,
    people: Mapping[str, str],
    node: Node,
    version: str,
    *,
    names: NameMode = "real",
    hardware: str = "",
    commands: bool = False,
    enrolment: bool = False,
    auth: bool = False,
    labels: Mapping[LabelKind, Sequence[str]] | None = None,
    switches: Sequence[LabelKind] = (),
    audio: bool = False,
    updates: bool = False,
) -> Document:
    """The document of this device.

    Args:
        topics: this device's.
        people: person id -> name.
        node: name and room.
        version: of Earmark.
        names: ``privacy.mqtt_names``.
        hardware: such as ``Raspberry Pi 4``, shown where given.
        commands: ``mqtt.commands``; without it there is nothing to switch or select.
        enrolment: ``mqtt.enrolment``; without it nobody can be enrolled from there.
        auth: ``mqtt.auth``.
        labels: what is told besides who it is, each with every answer that it can have (``Bundle.options``).
        switches: which of ``labels`` can be switched on and off.
        audio: ``mqtt.audio``.
        updates: ``mqtt.updates``.
    """
    device: Component = {"ids": [topics.device_id], "name": _device_name(node), "mf": "Earmark", "mdl": "Speaker node"}
    device |= {"sw": version}
    device |= {"hw": hardware} if hardware else {}
    device |= {"sa": node.room} if node.room else {}
    cmps = entities.voices(topics) | entities.labels(topics, labels or {}, switches)
    cmps |= entities.attempts(topics) if auth else {}
    cmps |= entities.people(topics, people, names)
    cmps |= controls.settings(topics) if commands else {}
    cmps |= controls.switches(topics, switches)
    cmps |= entities.sound(topics) if audio else {}
    cmps |= controls.enrolment(topics, names) if enrolment else {}
    cmps |= update(topics) if updates else {}
    cmps |= entities.health(topics)
    for key, component in cmps.items():
        component["unique_id"] = f"{topics.device_id}_{key.removeprefix(PERSON_PREFIX)}"
        if not key.startswith(PERSON_PREFIX):
            component["default_entity_id"] = f"{component['p']}.{topics.node.replace('-', '_')}_{key}"
    return {
        "dev": device,
        "o": {"name": "earmark", "sw": version},
        "avty": [entities.availability(topics.of("availability"))],
        "qos": 1,
        "cmps": cmps,
    }


def discovery_message(topics: Announced, document: Document) -> Message:
    """What announces the device. Retained, and said again at each connection and after Home Assistant's birth
    message.
    """
    return Message(topics.discovery, as_json(document), 1, True, "state")


def topics_of(document: Document) -> list[str]:
    """Every topic that a document makes Home Assistant use."""
    found = [entry["t"] for entry in document.get("avty", ())]
    for component in document.get("cmps", {}).values():
        found += [value for key, value in component.items() if key.endswith("_topic")]
        found += [entry["t"] for entry in component.get("avty", ())]
    return list(dict.fromkeys(found))


def _device_name(node: Node) -> str:
    place = node.room or node.name.replace("_", " ").replace("-", " ").strip().capitalize()
    return "Earmark" if place in {"", "Earmark"} else f"{place} ears"


def as_json(value: Any) -> bytes:
    """UTF-8 JSON without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
