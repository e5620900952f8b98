"""What a device shows, as components of its discovery document; what can be changed stands in ``controls``.

Takes: this device's topics and what it does. Gives: key -> component. Must hold: only topics that this version
publishes or listens to; a template reads only keys that the payload's schema has; the states of an enum sensor are
always among its options; with ``privacy.mqtt_names: none`` no person appears.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, get_args

from edge.errors import MicrophoneFault
from edge.events import AUTH_TYPES, NameMode, shown_name
from edge.mqtt.topics import OFFLINE, ONLINE, Topics
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
SOUND_EXPIRES_SECONDS: Final = 30
"""How loud it is comes every 5 s while the device listens."""

_DIAGNOSTIC: Final[Component] = {"entity_category": "diagnostic"}
_PERCENT: Final = "{{ (value_json.probability * 100) | round(0) if value_json.probability is defined else None }}"


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


def attempts(topics: Topics) -> dict[str, Component]:
    """What came of attempts to be verified, with ``mqtt.auth``."""
    return {
        "auth": {
            "p": "event",
            "name": "Verification",
            "icon": "mdi:account-check",
            "state_topic": topics.of("auth"),
            "event_types": list(AUTH_TYPES),
        }
    }


def labels(
    topics: Topics, told: Mapping[LabelKind, Sequence[str]], switched: Collection[LabelKind]
) -> dict[str, Component]:
    """Read from the event, which nobody keeps: no state with somebody's emotion stays at the broker. One that can be
    ``switched`` on and off is unavailable while it is off.
    """
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
        | (_while_on(topics, f"analyse_{kind}") if kind in switched else {})
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


def sound(topics: Topics) -> dict[str, Component]:
    """How loud it is, with ``mqtt.audio``."""
    common = {
        "p": "sensor",
        "state_topic": topics.of("audio"),
        "state_class": "measurement",
        "expire_after": SOUND_EXPIRES_SECONDS,
    } | _DIAGNOSTIC
    return {
        "sound_level": {
            "name": "Sound level",
            "icon": "mdi:volume-high",
            "unit_of_measurement": "dBFS",
            "value_template": "{{ value_json.level_dbfs }}",
        }
        | common,
        "sound_snr": {
            "name": "Sound above background",
            "icon": "mdi:signal",
            "unit_of_measurement": "dB",
            "value_template": "{{ value_json.snr_db }}",
        }
        | common,
    }


def availability(topic: str) -> Component:
    """That of a device which says on ``topic`` whether it is there.

    With its payloads, though they are Home Assistant's own: where a document comes while Home Assistant 2026.2 still
    loads a platform, in another thread, it may check this part without filling anything in, and drop an entity.
    """
    return {"t": topic, "pl_avail": ONLINE.decode(), "pl_not_avail": OFFLINE.decode()}


def _while_on(topics: Topics, setting: str) -> Component:
    """Available while the device is and this switch is on."""
    switch = {"t": topics.of("setting", setting), "pl_avail": "ON", "pl_not_avail": "OFF"}
    return {"avty": [availability(topics.of("availability")), switch], "avty_mode": "all"}


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
