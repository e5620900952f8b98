"""A JSON Schema of the discovery documents that Home Assistant accepts, as far as Earmark uses them.

By the MQTT integration's documentation of each platform. Home Assistant drops a key that it does not know without a
word, so a typing error would otherwise be seen only as something that is missing.
"""

from typing import Any

_TOPIC = {"type": "string", "pattern": "^[^+#\\s]+$"}
_TEXT = {"type": "string", "minLength": 1}
_WORDS = {"type": "array", "items": _TEXT, "minItems": 1, "uniqueItems": True}
_TEMPLATE = {"type": "string", "pattern": "^\\{\\{.*\\}\\}$"}
_NUMBER = {"type": "number"}
_AVAILABILITY = {
    "type": "array",
    "minItems": 1,
    "items": {
        "required": ["t", "pl_avail", "pl_not_avail"],
        "properties": {"t": _TOPIC, "pl_avail": _TEXT, "pl_not_avail": _TEXT},
        "additionalProperties": False,
    },
}

_ANY: dict[str, Any] = {
    "unique_id": {"type": "string", "pattern": "^[a-zA-Z0-9_-]+$"},
    "name": _TEXT,
    "default_entity_id": {"type": "string", "pattern": "^[a-z_]+\\.[a-z0-9_]+$"},
    "icon": {"type": "string", "pattern": "^mdi:[a-z0-9-]+$"},
    "entity_category": {"enum": ["config", "diagnostic"]},
    "enabled_by_default": {"type": "boolean"},
    "device_class": _TEXT,
    "avty": _AVAILABILITY,
    "avty_mode": {"enum": ["all", "any", "latest"]},
}
_TOLD: dict[str, Any] = {
    "state_topic": _TOPIC,
    "value_template": _TEMPLATE,
    "json_attributes_topic": _TOPIC,
    "json_attributes_template": _TEMPLATE,
}
_READ_ONLY = _TOLD | {"entity_category": {"const": "diagnostic"}, "expire_after": {"type": "integer", "minimum": 1}}
_ASKED = {"command_topic": _TOPIC, "state_topic": _TOPIC}
_PLATFORMS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "event": (_TOLD | {"event_types": _WORDS}, ["state_topic", "event_types"]),
    "sensor": (
        _READ_ONLY
        | {
            "device_class": {"enum": ["enum", "duration", "timestamp"]},
            "options": _WORDS,
            "unit_of_measurement": {"enum": ["%", "ms", "dB", "dBFS"]},
            "state_class": {"enum": ["measurement", "total_increasing"]},
        },
        ["state_topic"],
    ),
    "binary_sensor": (
        _READ_ONLY | {"device_class": {"enum": ["occupancy", "sound", "problem"]}},
        ["state_topic", "device_class"],
    ),
    "switch": (_ASKED, ["command_topic", "state_topic"]),
    "select": (_ASKED | {"options": _WORDS}, ["command_topic", "state_topic", "options"]),
    "number": (
        _ASKED
        | {
            "device_class": {"enum": ["duration"]},
            "unit_of_measurement": {"const": "s"},
            "min": _NUMBER, "max": _NUMBER, "step": _NUMBER, "mode": {"enum": ["box", "slider"]},
        },
        ["command_topic", "state_topic", "min", "max"],
    ),
    "text": (_ASKED | {"min": _NUMBER, "max": {"maximum": 255}}, ["command_topic"]),
    "button": ({"command_topic": _TOPIC}, ["command_topic"]),
    "update": (
        _ASKED | {"value_template": _TEMPLATE, "payload_install": _TEXT},
        ["command_topic", "state_topic", "payload_install"],
    ),
}  # fmt: skip


def _component(platform: str, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    """One of a platform. What has ``device_class: enum`` has options, and neither unit nor state class; nothing else
    has options but a selection.
    """
    enumeration = {
        "if": {"properties": {"device_class": {"const": "enum"}}, "required": ["device_class"]},
        "then": {"required": ["options"], "properties": {"unit_of_measurement": False, "state_class": False}},
        "else": {"properties": {"options": platform == "select"}},
    }
    return {
        "if": {"properties": {"p": {"const": platform}}},
        "then": {
            "properties": {"p": True} | _ANY | properties,
            "required": ["p", "unique_id", "name", *required],
            "additionalProperties": False,
        }
        | enumeration,
    }


DISCOVERY: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["dev", "o", "cmps", "avty"],
    "additionalProperties": False,
    "properties": {
        "dev": {
            "type": "object",
            "required": ["ids", "name"],
            "additionalProperties": False,
            "properties": {"ids": _WORDS} | dict.fromkeys(("name", "mf", "mdl", "sw", "hw", "sa"), _TEXT),
        },
        "o": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": False,
            "properties": dict.fromkeys(("name", "sw"), _TEXT),
        },
        "avty": _AVAILABILITY,
        "avty_mode": {"enum": ["all", "any", "latest"]},
        "qos": {"enum": [0, 1]},
        "cmps": {
            "type": "object",
            "propertyNames": {"pattern": "^[a-zA-Z0-9_-]+$"},
            "additionalProperties": {
                "properties": {"p": {"enum": list(_PLATFORMS)}},
                "allOf": [_component(name, *parts) for name, parts in _PLATFORMS.items()],
            },
        },
    },
}
"""What every document must satisfy."""
