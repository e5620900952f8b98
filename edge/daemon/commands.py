"""What comes by MQTT to be obeyed: which of it is, and what is kept of it for the next start.

Takes the settings and the state folder, then commands. Gives the settings that hold with what was chosen, and calls
what applies a choice. Must hold: without ``mqtt.commands`` nothing is chosen and without ``mqtt.enrolment`` nobody
enrolled; what is no command of ours is logged and changes nothing; the value in force is what is echoed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from edge.daemon.choices import Choices
from edge.mqtt import Command
from edge.mqtt.topics import ACTIONS, ENROL_NAME, accepted, values
from edge.settings import Settings

_LOG = logging.getLogger(__name__)

Handlers = Mapping[str, Callable[[str], None]]
"""Name -> what obeys it."""


class Commands:
    """``configured``: the settings as they are written."""

    def __init__(self, configured: Settings, folder: Path) -> None:
        mqtt = configured.mqtt
        self.chooses = mqtt.enabled and mqtt.commands
        """Whether settings can be changed over MQTT; what was chosen there while they could holds no longer."""
        self.enrols = mqtt.enabled and mqtt.enrolment
        """Whether somebody can be enrolled over MQTT."""
        self._kept = Choices(folder)
        self._written = {
            "listening": "ON",
            "profile": configured.decide.profile,
            "hold_time": str(configured.homeassistant.hold_seconds),
        }

    @property
    def heard(self) -> bool:
        """Whether anything is obeyed at all."""
        return self.chooses or self.enrols

    def restored(self, settings: Settings) -> Settings:
        """Settings with what was chosen earlier."""
        decide = replace(settings.decide, profile=self.value("profile"))  # type: ignore[arg-type]
        home = replace(settings.homeassistant, hold_seconds=int(self.value("hold_time")))
        return replace(settings, decide=decide, homeassistant=home)

    def value(self, name: str) -> str:
        """The value of a setting at the start."""
        written = self._written[name]
        return self._kept.restore(name, written, values(name)) if self.chooses else written

    def obey(self, command: Command, settings: Handlers, enrolment: Handlers) -> str | None:
        """Carry out a command. Gives the value of a setting that is to be echoed, None for anything else."""
        value = accepted(command.name, command.text) if command.kind == "set" else None
        if self.chooses and value is not None and command.name in settings:
            settings[command.name](value)
            self._kept.remember(command.name, value, self._written[command.name])
            return value
        if self.enrols and command.name in enrolment and (command.kind == "do") == (command.name in ACTIONS):
            enrolment[command.name](command.text)
            return None
        shown = "a name" if command.name == ENROL_NAME else command.text[:40]
        _LOG.warning("ignored command", extra={"fields": {"name": command.name, "value": shown}})
        return None
