"""What people can change and do from Home Assistant, as components of the discovery document.

Takes: this device's topics and what it lets people do. Gives: key -> component. Must hold: as in ``entities``; each of
them listens to a command, or says how it goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from edge.events import PHASES, NameMode
from edge.homeassistant.entities import Component
from edge.mqtt.topics import LONGEST_NAME, NUMBERS, SETTINGS, Topics
from edge.records import LabelKind

_CONFIG: Final[Component] = {"entity_category": "config"}


def settings(topics: Topics) -> dict[str, Component]:
    """What ``mqtt.commands`` lets people change."""
    hold, threshold = NUMBERS["hold_time"], NUMBERS["threshold"]
    return {
        "listening": {"p": "switch", "name": "Listening", "icon": "mdi:microphone"} | _changeable(topics, "listening"),
        "profile": {
            "p": "select",
            "name": "Strictness",
            "icon": "mdi:shield-account",
            "options": list(SETTINGS["profile"]),
        }
        | _changeable(topics, "profile"),
        "threshold": {
            "p": "number",
            "name": "Accept probability",
            "icon": "mdi:account-check-outline",
            "min": threshold.low,
            "max": threshold.high,
            "step": threshold.step,
            "mode": "slider",
            "enabled_by_default": False,
        }
        | _changeable(topics, "threshold"),
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
        | _changeable(topics, "hold_time"),
    }


def switches(topics: Topics, kinds: Sequence[LabelKind]) -> dict[str, Component]:
    """Which of the ``labels`` can be switched on and off."""
    words: dict[LabelKind, tuple[str, str]] = {
        "gender": ("Analyse voice gender", "mdi:account-question-outline"),
        "emotion": ("Analyse emotion", "mdi:emoticon-neutral-outline"),
    }
    return {
        f"analyse_{kind}": {"p": "switch", "name": words[kind][0], "icon": words[kind][1]}
        | _changeable(topics, f"analyse_{kind}")
        for kind in kinds
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


def _changeable(topics: Topics, setting: str) -> Component:
    return {"command_topic": topics.command_topic(setting), "state_topic": topics.of("setting", setting)} | _CONFIG
