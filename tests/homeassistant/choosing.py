"""What a household chooses from Home Assistant beside the strictness, and how loud it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.homeassistant.entities import SOUND_EXPIRES_SECONDS

if TYPE_CHECKING:
    from tests.homeassistant.scenes import Scenes

THRESHOLD, PROFILE = "number.kitchen_threshold", "select.kitchen_profile"
GENDER, SWITCH = "sensor.kitchen_gender", "switch.kitchen_analyse_gender"
LEVEL, SNR = "sensor.kitchen_sound_level", "sensor.kitchen_sound_snr"
TELLING = {"EARMARK_PRIVACY__LABELS_ACKNOWLEDGED": "true", "EARMARK_MODELS__PACKS": "gender"}


class Choosing:
    """The steps about it."""

    def __init__(self, scenes: Scenes) -> None:
        self._scenes = scenes
        self._rest = scenes.rest

    def threshold(self) -> str:
        """Disabled until somebody enables it; then it and the strictness take turns."""
        rest, listed = self._rest, self._scenes.house.websocket("config/entity_registry/list")
        assert {one["entity_id"]: one["disabled_by"] for one in listed}[THRESHOLD] == "integration"
        self._scenes.house.websocket("config/entity_registry/update", entity_id=THRESHOLD, disabled_by=None)
        rest.shows(THRESHOLD, "unknown", 180)  # Home Assistant takes its time before it takes the entity in
        assert [rest.attribute(THRESHOLD, key) for key in ("min", "max", "step")] == [0.5, 0.99, 0.01]
        rest.call("number.set_value", entity_id=THRESHOLD, value=0.99)
        rest.shows(THRESHOLD, "0.99")
        self._scenes.say("clip-1-ada.ogg")
        event = "event.kitchen_utterance"
        rest.until("an event that was decided by it", lambda: rest.attribute(event, "threshold") == 0.99)
        told = f"{rest.attribute(event, 'event_type')} at {rest.attribute(event, 'probability')}"
        rest.call("select.select_option", entity_id=PROFILE, option="strict")
        rest.shows(PROFILE, "strict")
        rest.shows(THRESHOLD, "unknown")
        rest.call("select.select_option", entity_id=PROFILE, option="balanced")
        rest.shows(PROFILE, "balanced")
        return f"0.99 is asked for ({told}), until a strictness is chosen"

    def analyses(self) -> str:
        """Announced where they can be switched, and unavailable while they are off."""
        rest, scenes = self._rest, self._scenes
        scenes.hear(**TELLING)
        rest.shows(SWITCH, "off")
        rest.shows(GENDER, "unavailable")
        assert rest.state("switch.kitchen_analyse_emotion") is None, "no pack tells it"
        rest.call("switch.turn_on", entity_id=SWITCH)
        rest.shows(SWITCH, "on")
        scenes.say("clip-1-ada.ogg")
        rest.until("what the voice sounds like", lambda: rest.value(GENDER) in ("female", "male", "unsure"))
        told = rest.value(GENDER)
        rest.call("switch.turn_off", entity_id=SWITCH)
        rest.shows(GENDER, "unavailable")  # long before the answer would expire
        return f"off, then {told}, then off; {self._without(SWITCH, GENDER)}"

    def sound(self) -> str:
        """Live, and unavailable while nobody listens."""
        rest, scenes = self._rest, self._scenes
        assert rest.state(LEVEL) is None, "nothing is said unless it is switched on"
        scenes.hear(EARMARK_MQTT__AUDIO="true")
        scenes.say("clip-1-ada.ogg")
        rest.until("somebody is louder than the room", lambda: _number(rest.value(SNR)) > 10)
        told = f"{rest.value(LEVEL)} dBFS, {rest.value(SNR)} dB above the background"
        rest.call("switch.turn_off", entity_id="switch.kitchen_listening")
        rest.shows(LEVEL, "unavailable", 4 * SOUND_EXPIRES_SECONDS)
        rest.call("switch.turn_on", entity_id="switch.kitchen_listening")
        rest.until("a level again", lambda: _number(rest.value(LEVEL)) >= -120)
        return f"{told}; {self._without(LEVEL, SNR)}"

    def _without(self, *entities: str) -> str:
        """The usual daemon again, with which these entities go."""
        self._scenes.hear()
        self._rest.until("the entities go", lambda: not [one for one in entities if self._rest.state(one)])
        return self._scenes.complete()


def _number(state: str | None) -> float:
    """A state that is none yet is less than all."""
    try:
        return float(state or "")
    except ValueError:
        return float("-inf")
