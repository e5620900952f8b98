"""The entities of a device, as components of its discovery document.

Takes: this device's topics and what it does. Gives: key -> component. Must hold: only topics that this version
publishes or listens to; a template reads only keys that the payload's schema has; the states of an enum sensor are
always among its options; with ``privacy.mqtt_names: none`` no person appears.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

from edge.errors import MicrophoneFault
from edge.events import PHASES, NameMode, shown_name
from edge.mqtt.topics import LONGEST_NAME, NUMBERS, SETTINGS, Topics
from edge.records import UNSURE, LabelKind

Component = dict[str, Any]

EVENT_TYPES: Final = ("identified", "unknown", "uncertain", "rejected")
HEALTH_EXPIRES_SECONDS: Final = 300
"""Health comes once a minute; after five missed ones its values count as unknown."""
PERSON_PREFIX: Final = "p_"
NO_FAULT: Final = "none"
"""State of the microphone's fault where there is none."""
LABELS_EXPIRE_SECONDS: Final = 300
"""What a voice sounded like is said of the latest utterance; later than this it says nothing about now."""

_DIAGNOSTIC: Final[Component] = {"entity_category": "diagnostic"}
_PERCENT: Final = "{{ (value_json.probability * 100) | round(0) if value_json.probability is defined else None }}"
_CONFIG: Final[Component] = {"entity_category": "config"}


def voices(topics: Topics) -> dict[str, Component]:
    """What is heard.

    The last speaker is no enumeration: Home Assistant drops a name that comes before the document that lists it, and
    cannot write a state that a new document lists no more.
    """
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


def labels(topics: Topics, told: Mapping[LabelKind, Sequence[str]]) -> dict[str, Component]:
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
        for kind, options in told.items()
    }


def people(topics: Topics, enrolled: Mapping[str, str], names: NameMode) -> dict[str, Component]:
    """Who was heard lately."""
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
        for ident, name in enrolled.items()
    }


def settings(topics: Topics) -> dict[str, Component]:
    """What ``mqtt.commands`` lets people change."""

    def common(name: str) -> Component:
        return {"command_topic": topics.command_topic(name), "state_topic": topics.of("setting", name)} | _CONFIG

    hold = NUMBERS["hold_time"]
    return {
        "listening": {"p": "switch", "name": "Listening", "icon": "mdi:microphone"} | common("listening"),
        "profile": {
            "p": "select",
            "name": "Strictness",
            "icon": "mdi:shield-account",
            "options": list(SETTINGS["profile"]),
        }
        | common("profile"),
        "hold_time": {
            "p": "number",
            "name": "Hold time",
            "icon": "mdi:timer-outline",
            "device_class": "duration",
            "unit_of_measurement": hold.unit,
            "min": hold.low,
            "max": hold.high,
            "step": 1,
            "mode": "box",
        }
        | common("hold_time"),
    }


def enrolment(topics: Topics, names: NameMode) -> dict[str, Component]:
    """What ``mqtt.enrolment`` lets people do. A name that may not leave the device is not echoed either."""
    state = {"state_topic": topics.of("enrolment")}
    named = {"state_topic": topics.of("setting", "enrol_name")} if names == "real" else {}
    return {
        "enrol_name": {
            "p": "text",
            "name": "Name to enrol",
            "icon": "mdi:account-plus",
            "command_topic": topics.command_topic("enrol_name"),
            "min": 0,  # empty when nobody is being enrolled
            "max": LONGEST_NAME,
        }
        | named
        | _CONFIG,
        "enrol_start": {
            "p": "button",
            "name": "Start enrolment",
            "icon": "mdi:account-voice",
            "command_topic": topics.action_topic("enrol_start"),
        }
        | _CONFIG,
        "enrol_cancel": {
            "p": "button",
            "name": "Cancel enrolment",
            "icon": "mdi:account-cancel",
            "command_topic": topics.action_topic("enrol_cancel"),
        }
        | _CONFIG,
        "enrol_status": {
            "p": "sensor",
            "name": "Enrolment",
            "icon": "mdi:account-voice",
            "device_class": "enum",
            "options": list(PHASES),
            "value_template": "{{ value_json.phase }}",
            "json_attributes_topic": topics.of("enrolment"),
        }
        | state,
        "enrol_message": {
            "p": "sensor",
            "name": "Enrolment message",
            "icon": "mdi:message-text",
            "value_template": "{{ value_json.message }}",
        }
        | state,
        "enrol_progress": {
            "p": "sensor",
            "name": "Enrolment progress",
            "icon": "mdi:progress-check",
            "unit_of_measurement": "%",
            "value_template": "{{ value_json.percent }}",
        }
        | state,
    }


def health(topics: Topics) -> dict[str, Component]:
    """How the device is."""
    state = {"state_topic": topics.of("health")} | _DIAGNOSTIC
    number = {"p": "sensor", "state_class": "measurement", "expire_after": HEALTH_EXPIRES_SECONDS} | state
    info = {"p": "sensor", "state_topic": topics.of("info")} | _DIAGNOSTIC

    def attributes(*keys: str) -> Component:
        told = ", ".join(f"'{key}': value_json.{key} | default(none)" for key in keys)
        return {
            "json_attributes_topic": topics.of("health"),
            "json_attributes_template": f"{{{{ {{{told}}} | tojson }}}}",
        }

    return {
        "mic_problem": {
            "p": "binary_sensor",
            "name": "Microphone",
            "device_class": "problem",
            "value_template": "{{ 'ON' if value_json.mic_problem else 'OFF' }}",
        }
        | attributes("mic_fault", "mic_reason")
        | state,
        "mic_fault": {
            "p": "sensor",
            "name": "Microphone fault",
            "icon": "mdi:microphone-question",
            "device_class": "enum",
            "options": [NO_FAULT, *get_args(MicrophoneFault)],
            "value_template": f"{{{{ value_json.mic_fault | default('{NO_FAULT}') }}}}",
        }
        | state,
        "overloaded": {
            "p": "binary_sensor",
            "name": "Overload",
            "device_class": "problem",
            "value_template": "{{ 'ON' if value_json.overloaded else 'OFF' }}",
        }
        | attributes("dropped_samples", "behind_ms")
        | state,
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
        "false_frames": {
            "name": "Sounds that were no speech",
            "icon": "mdi:account-off",
            "value_template": "{{ value_json.not_speech }}",
            "enabled_by_default": False,
        }
        | number
        | {"state_class": "total_increasing"},
        "enrolled": {
            "name": "People enrolled",
            "icon": "mdi:account-group",
            "value_template": "{{ value_json.enrolled }}",
        }
        | number,
        "last_restart": {
            "name": "Last restart",
            "device_class": "timestamp",
            "value_template": "{{ value_json.started }}",
        }
        | info,
        "model": {
            "name": "Model",
            "icon": "mdi:waveform",
            "value_template": "{{ value_json.bundle }} {{ value_json.bundle_version }}",
            "enabled_by_default": False,
        }
        | info,
    }
