"""A newer model, offered to Home Assistant as an update and installed from there."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from edge.bundle import pack, seal
from edge.bundle.locate import PACKAGED
from edge.settings import DEFAULT_BUNDLE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.homeassistant.scenes import Scenes

ENTITY = "update.kitchen_model_update"
_SUMMARY = "The same, with a higher number."


class Updating:
    """The step about it."""

    def __init__(self, scenes: Scenes) -> None:
        self._scenes = scenes
        self._rest = scenes.rest

    def installed(self) -> str:
        """Disabled at first; then offered, installed at a press, and taken back by a command on the device."""
        scenes, rest = self._scenes, self._rest
        scenes.hear(EARMARK_MQTT__UPDATES="true")
        scenes.complete()
        assert rest.state(ENTITY) is None, "it is there for those who enable it"
        scenes.house.websocket("config/entity_registry/update", entity_id=ENTITY, disabled_by=None)
        rest.shows(ENTITY, "off", 180)  # Home Assistant takes half a minute
        before = str(rest.attribute(ENTITY, "installed_version"))
        version = f"{before}.1"
        brought = self._bring(version)
        rest.shows(ENTITY, "on")
        assert rest.attribute(ENTITY, "latest_version") == version
        assert rest.attribute(ENTITY, "release_summary") == _SUMMARY
        rest.call("update.install", entity_id=ENTITY)
        self._has(version, "off", before)
        heard = rest.value("event.kitchen_utterance")
        scenes.say("clip-1-ada.ogg")
        rest.until("a new event", lambda: rest.value("event.kitchen_utterance") not in (heard, "unavailable"))
        assert str(rest.attribute("event.kitchen_utterance", "model")).endswith(f"-{version}")
        scenes.earmark("bundle", "back", DEFAULT_BUNDLE)
        self._has(before, "on", version)
        brought.unlink()
        rest.shows(ENTITY, "off")
        scenes.hear()
        rest.until("no update any more", lambda: rest.state(ENTITY) is None)
        return f"{before} became {version} and {before} again; {scenes.complete()}"

    def _has(self, version: str, state: str, before: str) -> None:
        def now() -> bool:
            attributes = (self._rest.state(ENTITY) or {}).get("attributes", {})
            return attributes.get("installed_version") == version and attributes.get("in_progress") is False

        self._rest.until(lambda: f"{version} after {before}: {self._rest.state(ENTITY)}", now, 180)
        self._rest.shows(ENTITY, state)

    def _bring(self, version: str) -> Path:
        """The bundle in use with another version, put where the documents say."""
        made = self._scenes.state.parent / "newer"
        shutil.copytree(PACKAGED / DEFAULT_BUNDLE, made)
        card = json.loads((made / "card.json").read_text("utf-8"))
        seal(made, card | {"version": version, "summary": _SUMMARY})
        target: Path = self._scenes.state / "updates" / "newer.earmark"
        pack(made, target)
        return target
