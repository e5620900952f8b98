"""What comes by MQTT to be obeyed: which of it is, and what is kept of it for the next start.

Takes the settings and the state folder, then commands. Gives the settings that hold with what was chosen, and calls
what applies a choice. Must hold: without ``mqtt.commands`` nothing is chosen and without ``mqtt.enrolment`` nobody
enrolled; what is no command of ours is logged and changes nothing; the value in force is what is echoed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from edge.daemon.choices import Choices
from edge.events import NameMode
from edge.mqtt import Command, Topics
from edge.mqtt.topics import ACTIONS, ENROL_NAME, NOT_SET, accepted, values
from edge.records import LabelKind, Message
from edge.settings import Settings

_LOG = logging.getLogger(__name__)

Handlers = Mapping[str, Callable[[str], None]]
"""Name -> what obeys it."""

_ANALYSE: Final = "analyse_"
_ENDS: Final = {"profile": "threshold"}
"""A choice -> what it takes the place of, which is set no longer."""


class Commands:
    """``configured``: the settings as they are written; ``switchable``: analyses that may be switched on and off."""

    def __init__(self, configured: Settings, folder: Path, switchable: Sequence[LabelKind] = ()) -> None:
        mqtt = configured.mqtt
        self.chooses = mqtt.enabled and mqtt.commands
        """Whether settings can be changed over MQTT; what was chosen there while they could holds no longer."""
        self.enrols = mqtt.enabled and mqtt.enrolment
        """Whether somebody can be enrolled over MQTT."""
        self.updates = mqtt.enabled and mqtt.updates
        """Whether a newer model can be installed over MQTT."""
        self.switchable = tuple(switchable) if self.chooses else ()
        """What can be switched on and off over MQTT of what is told besides who it is."""
        self.turn = threading.Lock()
        """Held while a command is carried out; whoever holds it is not disturbed by one."""
        self._ended = False
        self._configured = configured
        self.profile = configured.decide.profile
        """As it is written."""
        self._kept = Choices(folder)
        self._written = current(configured, True, switchable)
        # A threshold is chosen instead of the profile, so it ends where the settings name another one.
        self._said = self._written | {"threshold": f"{self._written['profile']} {self._written['threshold']}"}

    def begin(self) -> None:
        """From now on these settings hold: what was chosen and cannot be chosen any more is forgotten."""
        self._kept.keep(self._written if self.chooses else ())

    def end(self) -> None:
        """From now on nothing is carried out, and what is chosen holds from the next start on: on a reload, that of the
        station that is to follow.
        """
        with self.turn:
            self._ended = True

    @property
    def heard(self) -> bool:
        """Whether anything is obeyed at all."""
        return self.chooses or self.enrols or self.updates

    def withdrawn(self, topics: Topics, states: Iterable[Message], names: NameMode) -> list[Message]:
        """What clears those of ``states``, of an earlier run, that no run like this one says: they stand at the broker,
        whether or not Home Assistant is told of them. ``names``: ``privacy.mqtt_names``.
        """
        said = {topics.of("setting", name) for name in current(self._configured, True, self.switchable)}
        said |= {topics.of("enrolment")} if self.enrols else set()
        said |= {topics.of("setting", ENROL_NAME)} if self.enrols and names == "real" else set()
        said |= {topics.of("update")} if self.updates else set()
        ours = (f"{topics.prefix}cfg/", topics.of("enrolment"), topics.of("update"))
        gone = [one.topic for one in states if one.topic.startswith(ours) and one.topic not in said]
        return [Message(topic, b"", 1, True, "state") for topic in gone]

    def restored(self, settings: Settings) -> Settings:
        """Settings with what was chosen earlier."""
        for name, written in self._written.items():
            value = self.value(name)
            settings = settings if value == written else changed(settings, name, value)
        return settings

    def value(self, name: str) -> str:
        """The value of a setting at the start."""
        chosen = self._kept.restore(name, self._said[name], values(name)) if self.chooses else None
        return self._written[name] if chosen is None else chosen

    def obey(
        self, command: Command, settings: Callable[[str, str], None], enrolment: Handlers, updates: Handlers
    ) -> dict[str, str]:
        """Carry out a command. Gives the settings that were changed by it, with the values that are to be echoed.

        ``settings``: changes one of ``current``.
        """
        with self.turn:
            if not self._ended:
                return self._carry_out(command, settings, enrolment, updates)
            # Not echoed: it is not in force here any more.
            self._carry_out(command, lambda name, value: None, {}, {})
            return {}

    def _carry_out(
        self, command: Command, settings: Callable[[str, str], None], enrolment: Handlers, updates: Handlers
    ) -> dict[str, str]:
        value = accepted(command.name, command.text) if command.kind == "set" else None
        if self.chooses and value is not None and command.name in self._written:
            chosen = {command.name: value}
            if command.name in _ENDS:
                chosen[_ENDS[command.name]] = NOT_SET
            for name, one in chosen.items():
                settings(name, one)
                self._kept.remember(name, one, self._said[name])
            return chosen
        if self.enrols and command.name in enrolment and (command.kind == "do") == (command.name in ACTIONS):
            enrolment[command.name](command.text)
            return {}
        if self.updates and command.kind == "do" and command.name in updates:
            updates[command.name](command.text)
            return {}
        shown = "a name" if command.name == ENROL_NAME else command.text[:40]
        _LOG.warning("ignored command", extra={"fields": {"name": command.name, "value": shown}})
        return {}


def current(settings: Settings, listening: bool, switchable: Sequence[LabelKind]) -> dict[str, str]:
    """Every setting that can be changed over MQTT, with its value as it is told there."""
    threshold = settings.decide.threshold
    switches = {f"{_ANALYSE}{kind}": _switch(getattr(settings.privacy, kind)) for kind in switchable}
    return {
        "listening": _switch(listening),
        "profile": settings.decide.profile,
        "threshold": NOT_SET if threshold is None else f"{threshold:g}",
        "hold_time": str(settings.homeassistant.hold_seconds),
        **switches,
    }


def changed(settings: Settings, name: str, value: str) -> Settings:
    """``settings`` with one of ``current`` set to ``value``; ``listening`` is none of them, but how the device is."""
    decide, home, privacy = settings.decide, settings.homeassistant, settings.privacy
    match name:
        case "profile":
            decide = replace(decide, profile=value)  # type: ignore[arg-type]
        case "threshold":
            decide = replace(decide, threshold=None if value == NOT_SET else float(value))
        case "hold_time":
            home = replace(home, hold_seconds=int(value))
        case "analyse_gender":
            privacy = replace(privacy, gender=value == "ON")
        case "analyse_emotion":
            privacy = replace(privacy, emotion=value == "ON")
    return replace(settings, decide=decide, homeassistant=home, privacy=privacy)


def _switch(on: bool) -> str:
    return "ON" if on else "OFF"
