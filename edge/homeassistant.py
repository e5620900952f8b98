"""Home Assistant's MQTT discovery: one document per device, made by pure functions.

Takes: this device's topics, the people, the node's settings. Gives: the document, and the messages that publish,
change or remove it. Must hold: only topics that this version publishes or listens to; the keys below ``cmps`` and
the unique ids never change, since they are an entity's identity; the states of an enum sensor are always among its
options; with ``privacy.mqtt_names: none`` no person appears.

The form is Home Assistant's "device discovery" (end of 2024 and later) with its short names: ``dev`` device, ``o``
origin, ``avty`` availability, ``cmps`` components, ``p`` platform.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from edge.events import NOBODY, SOMEBODY, UNKNOWN, NameMode, shown_name
from edge.mqtt.topics import SETTINGS, Topics
from edge.records import UNSURE, LabelKind, Message
from edge.settings import Node

Document = dict[str, Any]
Component = dict[str, Any]

EVENT_TYPES: Final = ("identified", "unknown", "uncertain", "rejected")
HEALTH_EXPIRES_SECONDS: Final = 300
"""Health comes once a minute; after five missed ones its values count as unknown."""
PERSON_PREFIX: Final = "p_"
LABELS_EXPIRE_SECONDS: Final = 300
"""What a voice sounded like is said of the latest utterance; later than this it says nothing about now."""

_DIAGNOSTIC: Final[Component] = {"entity_category": "diagnostic"}
_PERCENT: Final = "{{ (value_json.probability * 100) | round(0) if value_json.probability is defined else None }}"
_CONFIG: Final[Component] = {"entity_category": "config"}


def discovery_document(
    topics: Topics,
    people: Mapping[str, str],
    node: Node,
    version: str,
    *,
    names: NameMode = "real",
    hardware: str = "",
    commands: bool = False,
    labels: Mapping[LabelKind, Sequence[str]] | None = None,
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
        labels: what is told besides who it is, each with every answer that it can have (``Bundle.options``).
    """
    device: Component = {"ids": [topics.device_id], "name": _device_name(node), "mf": "Earmark", "mdl": "Speaker node"}
    device |= {"sw": version}
    device |= {"hw": hardware} if hardware else {}
    device |= {"sa": node.room} if node.room else {}
    cmps = _voices(topics, people, names) | _labels(topics, labels or {}) | _people(topics, people, names)
    cmps |= (_settings(topics) if commands else {}) | _health(topics)
    for key, component in cmps.items():
        component["unique_id"] = f"{topics.device_id}_{key.removeprefix(PERSON_PREFIX)}"
        if not key.startswith(PERSON_PREFIX):
            component["default_entity_id"] = f"{component['p']}.{topics.node.replace('-', '_')}_{key}"
    return {
        "dev": device,
        "o": {"name": "earmark", "sw": version},
        "avty": [{"t": topics.of("availability")}],
        "qos": 1,
        "cmps": cmps,
    }


def discovery_message(topics: Topics, document: Document) -> Message:
    """What announces the device. Retained, and said again at each connection and after Home Assistant's birth
    message.
    """
    return Message(topics.discovery, _json(document), 1, True, "state")


def change_messages(topics: Topics, before: Document | None, after: Document) -> list[Message]:
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
        messages.insert(0, Message(topics.discovery, _json(reduced), 1, False, "event"))
    return messages + [_clear(topic) for topic in dict.fromkeys(cleared) if not topic.endswith("/set")]


def announced(topics: Topics, states: Iterable[tuple[int, Message]]) -> Document | None:
    """The document that an earlier run has left (``states``: those of the outbox), for ``change_messages``."""
    payload = next((message.payload for _, message in states if message.topic == topics.discovery), b"")
    try:
        document = json.loads(payload)
    except ValueError:
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


def removal_messages(topics: Topics, states: Iterable[str] = ()) -> list[Message]:
    """What removes the device: an empty document, then the retained ``states`` (topics) cleared."""
    return [_clear(topics.discovery), *(_clear(topic) for topic in states if topic != topics.discovery)]


def migration_messages(topics: Topics, old: Iterable[str], document: Document) -> list[Message]:
    """What moves entities announced one by one (``old``: their config topics) into this document, keeping their
    history.

    Each old topic is told to hand over, the document follows, then the old topics are cleared.
    """
    listed = list(old)
    handover = _json({"migrate_discovery": True})
    return [
        *(Message(topic, handover, 1, False, "event") for topic in listed),
        discovery_message(topics, document),
        *(_clear(topic) for topic in listed),
    ]


def topics_of(document: Document) -> list[str]:
    """Every topic that a document makes Home Assistant use."""
    found = [entry["t"] for entry in document.get("avty", ())]
    for component in document.get("cmps", {}).values():
        found += [value for key, value in component.items() if key.endswith("_topic")]
    return list(dict.fromkeys(found))


def speaker_options(people: Mapping[str, str], names: NameMode) -> list[str]:
    """Every value that ``speaker`` can have in the ``last`` topic."""
    shown = [SOMEBODY] if names == "none" else [shown_name(ident, name, names) for ident, name in people.items()]
    return list(dict.fromkeys([*shown, UNKNOWN, NOBODY]))


def _voices(topics: Topics, people: Mapping[str, str], names: NameMode) -> dict[str, Component]:
    last = topics.of("last")
    return {
        "utterance": {
            "p": "event",
            "name": "Utterance",
            "icon": "mdi:account-voice",
            "state_topic": topics.of("utterance"),
            "event_types": list(EVENT_TYPES),
        },
        "last_speaker": {
            "p": "sensor",
            "name": "Last speaker",
            "icon": "mdi:account-voice",
            "device_class": "enum",
            "options": speaker_options(people, names),
            "state_topic": last,
            "value_template": "{{ value_json.speaker }}",
            "json_attributes_topic": last,
        },
        "confidence": {
            "p": "sensor",
            "name": "Confidence",
            "icon": "mdi:gauge",
            "state_topic": last,
            "value_template": _PERCENT,
            "unit_of_measurement": "%",
            "state_class": "measurement",
        }
        | _DIAGNOSTIC,
        "someone_speaking": {
            "p": "binary_sensor",
            "name": "Someone speaking",
            "device_class": "sound",
            "state_topic": topics.of("speaking"),
        },
    }


def _labels(topics: Topics, labels: Mapping[LabelKind, Sequence[str]]) -> dict[str, Component]:
    """Read from the event, which nobody keeps: no state with somebody's emotion stays at the broker."""
    utterance = topics.of("utterance")
    words: dict[LabelKind, tuple[str, str]] = {
        "gender": ("Perceived voice gender", "mdi:account-question"),
        "emotion": ("Perceived emotion", "mdi:emoticon-outline"),
    }
    return {
        kind: {
            "p": "sensor",
            "name": words[kind][0],
            "icon": words[kind][1],
            "device_class": "enum",
            "options": list(options),
            "state_topic": utterance,
            "value_template": f"{{{{ value_json.{kind} | default('{UNSURE}') }}}}",
            "json_attributes_topic": utterance,
            "json_attributes_template": f"{{{{ {{'probability': value_json.{kind}_p | default(none)}} | tojson }}}}",
            "expire_after": LABELS_EXPIRE_SECONDS,
        }
        for kind, options in labels.items()
    }


def _people(topics: Topics, people: Mapping[str, str], names: NameMode) -> dict[str, Component]:
    if names == "none":
        return {}
    return {
        f"{PERSON_PREFIX}{ident}": {
            "p": "binary_sensor",
            "name": f"{shown_name(ident, name, names)} heard",
            "device_class": "occupancy",
            "state_topic": topics.of("person", ident),
            "value_template": "{{ value_json.heard }}",
            "json_attributes_topic": topics.of("person", ident),
        }
        for ident, name in people.items()
    }


def _settings(topics: Topics) -> dict[str, Component]:
    def common(name: str) -> Component:
        return {"command_topic": topics.command_topic(name), "state_topic": topics.of("setting", name)} | _CONFIG

    return {
        "listening": {"p": "switch", "name": "Listening", "icon": "mdi:microphone"} | common("listening"),
        "profile": {
            "p": "select",
            "name": "Strictness",
            "icon": "mdi:shield-account",
            "options": list(SETTINGS["profile"]),
        }
        | common("profile"),
    }


def _health(topics: Topics) -> dict[str, Component]:
    health = {"state_topic": topics.of("health")} | _DIAGNOSTIC
    number = {"p": "sensor", "state_class": "measurement", "expire_after": HEALTH_EXPIRES_SECONDS} | health
    return {
        "mic_problem": {
            "p": "binary_sensor",
            "name": "Microphone",
            "device_class": "problem",
            "value_template": "{{ 'ON' if value_json.mic_problem else 'OFF' }}",
        }
        | health,
        "latency": {
            "name": "Latency p95",
            "device_class": "duration",
            "unit_of_measurement": "ms",
            "value_template": "{{ value_json.latency_p95_ms | default(None) }}",
        }
        | number,
        "snr": {
            "name": "Signal to noise",
            "icon": "mdi:signal",
            "unit_of_measurement": "dB",
            "value_template": "{{ value_json.snr_db | default(None) }}",
            "enabled_by_default": False,
        }
        | number,
        "enrolled": {
            "name": "People enrolled",
            "icon": "mdi:account-group",
            "value_template": "{{ value_json.enrolled }}",
        }
        | number,
    }


def _device_name(node: Node) -> str:
    place = node.room or node.name.replace("_", " ").replace("-", " ").strip().capitalize()
    return "Earmark" if place in {"", "Earmark"} else f"{place} ears"


def _clear(topic: str) -> Message:
    return Message(topic, b"", 1, True, "state")


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
