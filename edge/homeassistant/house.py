"""The discovery document of a house of several nodes: in which room each person was last heard.

Takes: the house's topics, its nodes and people. Gives: the document. Must hold: the same nodes and people give the same
bytes, whichever node says them, so that it does not matter which does; an older sighting that comes late changes
nothing. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from edge.events import NameMode, shown_name
from edge.homeassistant.document import Document
from edge.homeassistant.entities import PERSON_PREFIX, Component, availability
from edge.mqtt.house import HOUSE_DEVICE, HouseTopics

_MODEL: Final = "House"

# A node that was cut off delivers what it has heard meanwhile. A clock that was ahead must not silence the others.
_NEWER: Final = "value_json.ts >= this.attributes.ts | default('') or this.attributes.ts > utcnow().isoformat()"
_ROOM: Final = f"{{{{ (value_json.room if {_NEWER} else this.state) if value_json is defined else None }}}}"
_ATTRIBUTES: Final = (
    "{{ (({'ts': value_json.ts, 'node': value_json.node, 'speaker_id': value_json.speaker_id} "
    f"if {_NEWER} else "
    "{'ts': this.attributes.ts, 'node': this.attributes.node, 'speaker_id': this.attributes.speaker_id}) "
    "if value_json is defined else {}) | tojson }}"
)


def house_document(topics: HouseTopics, nodes: Iterable[str], people: Mapping[str, str], names: NameMode) -> Document:
    """``nodes``: names of all that are in the house; ``people``: person id -> name; ``names``:
    ``privacy.mqtt_names``, not ``none``. Without a version, which may differ from node to node.
    """
    return {
        "dev": {"ids": [HOUSE_DEVICE], "name": "House ears", "mf": "Earmark", "mdl": _MODEL},
        "o": {"name": "earmark"},
        "avty": [availability(topics.availability(node)) for node in sorted(set(nodes))],
        "avty_mode": "any",
        "qos": 1,
        "cmps": {
            f"{PERSON_PREFIX}{ident}": _person(topics, ident, shown_name(ident, people[ident], names))
            for ident in sorted(people)
        },
    }


def is_house(document: Document) -> bool:
    """Whether it is a house's, and not that of a device which was called house."""
    device = document.get("dev")
    return isinstance(device, dict) and device.get("mdl") == _MODEL


def _person(topics: HouseTopics, ident: str, shown: str) -> Component:
    return {
        "p": "sensor",
        "name": f"{shown} room",
        "icon": "mdi:account-voice",
        "unique_id": f"{HOUSE_DEVICE}_{ident}",
        "state_topic": topics.person(ident),
        "value_template": _ROOM,
        "json_attributes_topic": topics.person(ident),
        "json_attributes_template": _ATTRIBUTES,
    }
