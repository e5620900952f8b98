"""Are the blueprints, automations and the dashboard that people are told to copy accepted, and do they act?"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import yaml

from tests.scenarios.household import ROOT

if TYPE_CHECKING:
    from tests.homeassistant.scenes import Scenes

SAMPLES = ROOT / "deploy" / "homeassistant"
BLUEPRINTS = SAMPLES / "blueprints" / "automation" / "earmark"
_ADA = "binary_sensor.kitchen_ears_ada_heard"
_BEN = "binary_sensor.kitchen_ears_ben_heard"
_EVENT = "event.kitchen_utterance"


def _note(text: str) -> list[dict[str, Any]]:
    """An action that leaves a trace which the test can read."""
    return [{"action": "persistent_notification.create", "data": {"notification_id": text, "message": text}}]


USED: dict[str, dict[str, Any]] = {
    "person_heard": {"heard": _ADA, "actions": _note("ada")},
    "unknown_voice": {"utterance": _EVENT, "guests": ["input_boolean.guests"], "actions": _note("unknown")},
    "presence_window": {
        "people": [_ADA, _BEN], "window": {"seconds": 1}, "begin": _note("begin"), "finish": _note("finish"),
    },
    "guest_mode": {"guests": "input_boolean.guests", "strictness": "select.kitchen_profile"},
}  # fmt: skip
"""Blueprint -> what a household fills in."""


def documented() -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The automations and the scripts in the documents, as they would be copied."""
    automations: list[dict[str, Any]] = []
    scripts: dict[str, Any] = {}
    for name in ("home-assistant.md", "mqtt.md"):
        text = (ROOT / "docs" / name).read_text("utf-8")
        for block in re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            found = yaml.safe_load(block) or {}
            automations += found.get("automation", [])
            scripts |= found.get("script", {})
    return automations, scripts


class Samples:
    """The steps about them."""

    def __init__(self, scenes: Scenes) -> None:
        self._scenes = scenes
        self._installed = False

    def need(self) -> None:
        """Install them, where no step has."""
        if not self._installed:
            self.install()

    def install(self) -> str:
        """As a person would: the files into the configuration, an automation of each."""
        house = self._scenes.house
        place = house.config / "blueprints" / "automation" / "earmark"
        shutil.copytree(BLUEPRINTS, place)
        names = sorted(path.stem for path in BLUEPRINTS.glob("*.yaml"))
        assert names == sorted(USED), names
        made: list[dict[str, Any]] = [
            {"id": name, "alias": name, "use_blueprint": {"path": f"earmark/{name}.yaml", "input": filled}}
            for name, filled in USED.items()
        ]
        copied, scripts = documented()
        made += [{"id": f"copied_{number}", **one} for number, one in enumerate(copied)]
        (house.config / "automations.yaml").write_text(yaml.safe_dump(made))
        shutil.copy(SAMPLES / "dashboard.yaml", house.config / "dashboard.yaml")
        (house.config / "scripts.yaml").write_text(yaml.safe_dump(scripts))
        house.rest.call("script.reload")
        for name in scripts:
            house.rest.shows(f"script.{name}", "off")  # which is that it does not run
        house.rest.call("automation.reload")
        for name in names:
            house.rest.shows(f"automation.{name}", "on")
        listed = house.websocket("blueprint/list", domain="automation")
        wrong = {path: one for path, one in listed.items() if path.startswith("earmark/") and "error" in one}
        assert not wrong, wrong
        loaded = house.rest.template("{{ states.automation | selectattr('state', 'eq', 'on') | list | count }}")
        assert int(loaded) == len(made), loaded
        self._installed = True
        told = f"{len(copied)} automations and {len(scripts)} script of the documents"
        return f"{len(names)} blueprints, {told}; {self._dashboard()}"

    def _dashboard(self) -> str:
        """It loads, and names entities that exist."""
        house = self._scenes.house
        loaded = house.websocket("lovelace/config", url_path="earmark-voices")
        named = set(re.findall(r"\b(?:sensor|binary_sensor|event|switch|select|number|text|button)\.\w+", str(loaded)))
        missing = sorted(entity for entity in named if house.rest.state(entity) is None)
        assert len(named) > 15 and not missing, missing
        return f"a dashboard of {len(named)} entities"

    def trigger(self) -> str:
        """Somebody speaks, somebody unknown speaks, guests come."""
        scenes, rest = self._scenes, self._scenes.rest
        rest.call("number.set_value", entity_id="number.kitchen_hold_time", value=10)
        scenes.say("clip-1-ada.ogg", "clip-3-ben.ogg")  # a hold time counts from the next utterance on
        rest.shows(_ADA, "off")
        rest.shows(_BEN, "off", 700)
        before = self._acted("person_heard")
        scenes.say("clip-2-ada.ogg")
        rest.until("Ada is greeted", lambda: self._acted("person_heard") != before)
        rest.until("the window begins", lambda: "begin" in self._notes())
        scenes.say("clip-5-stranger.ogg", "clip-6-stranger.ogg")
        rest.until("the unknown voice is told", lambda: "unknown" in self._notes())
        rest.call("input_boolean.turn_on", entity_id="input_boolean.guests")
        rest.shows("select.kitchen_profile", "strict")
        rest.call("input_boolean.turn_off", entity_id="input_boolean.guests")
        rest.shows("select.kitchen_profile", "balanced")
        rest.until("the window ends", lambda: "finish" in self._notes())
        rest.call("number.set_value", entity_id="number.kitchen_hold_time", value=600)
        return "each of them acted: " + ", ".join(USED)

    def _acted(self, name: str) -> Any:
        return self._scenes.rest.attribute(f"automation.{name}", "last_triggered")

    def _notes(self) -> list[str]:
        found = self._scenes.house.websocket("persistent_notification/get")
        return [one["notification_id"] for one in found]
