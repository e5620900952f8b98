"""Enrolment from Home Assistant: a name, a press of a button, clips played into the microphone, and what is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge.audio import read_samples
from edge.demo.stage import ASSETS
from edge.people import PeopleStore

if TYPE_CHECKING:
    from tests.homeassistant.scenes import Scenes

STATUS, MESSAGE, PROGRESS = (f"sensor.kitchen_enrol_{name}" for name in ("status", "message", "progress"))
NAME = "text.kitchen_enrol_name"
NOISY_DB = 10.0
"""Speech over background, where 15 are asked for."""
CLIPS = [f"ben-enrol-{number}.ogg" for number in range(1, 6)]


class Enrolling:
    """The steps about it."""

    def __init__(self, scenes: Scenes) -> None:
        self._scenes = scenes
        self._rest = scenes.rest

    def _begin(self, name: str) -> None:
        self._rest.call("text.set_value", entity_id=NAME, value=name)
        self._rest.shows(NAME, name)
        self._rest.call("button.press", entity_id="button.kitchen_enrol_start")
        self._rest.shows(STATUS, "waiting")

    def cancelled(self) -> str:
        """Nothing is stored."""
        before = self._rest.value("sensor.kitchen_enrolled")
        self._begin("Dora")
        self._scenes.say(CLIPS[0])
        self._rest.until("one is good", lambda: (self._rest.value(MESSAGE) or "").startswith("1 of 5"))
        self._rest.call("button.press", entity_id="button.kitchen_enrol_cancel")
        self._rest.shows(STATUS, "cancelled")
        self._rest.shows(NAME, "")
        assert self._rest.value("sensor.kitchen_enrolled") == before
        return str(self._rest.value(MESSAGE))

    def refused(self) -> str:
        """A loud background is told at once, with what to do about it."""
        self._begin("Dora")
        speech = read_samples(ASSETS / CLIPS[0])
        level = float(np.sqrt(np.mean(speech**2))) / 10 ** (NOISY_DB / 20)
        sound = np.random.default_rng(3).normal(0, level, len(speech) + 64_000).astype(np.float32)
        sound[32_000 : 32_000 + len(speech)] += speech
        self._scenes.microphone.play(sound)
        self._rest.shows(STATUS, "too_noisy")
        told = str(self._rest.value(MESSAGE))
        assert told.startswith("0 of 5. Too noisy. Find a quieter moment"), told
        self._rest.call("button.press", entity_id="button.kitchen_enrol_cancel")
        self._rest.shows(STATUS, "cancelled")
        return told[:60]

    def done(self) -> str:
        """Live status and progress; then the person is there, and known. Cleo speaks with Ben's voice."""
        with PeopleStore(self._scenes.state) as store:
            there = [person.name for person in store.people()]
        if "Ben" in there:
            self._scenes.earmark("people", "remove", "Ben", "--yes")
        self._begin("Cleo")
        seen = []
        for clip in [*CLIPS, "clip-3-ben.ogg", *CLIPS]:
            before = self._rest.value(MESSAGE)
            player = self._scenes.microphone.begin_file(self._scenes.wav(clip))
            self._rest.shows(STATUS, "recording")
            player.wait(60)
            self._rest.until("an answer", lambda before=before: self._answered(before))
            seen.append(f"{self._rest.value(STATUS)} {self._rest.value(PROGRESS)} %")
            if self._rest.value(STATUS) == "done":
                break
        self._rest.shows(STATUS, "done", 300)
        self._rest.shows(PROGRESS, "100")
        heard = "binary_sensor.kitchen_ears_cleo_heard"
        self._rest.until("Cleo's entity", lambda: self._rest.value(heard) is not None)
        self._scenes.say("clip-4-ben.ogg")
        self._rest.shows("sensor.kitchen_last_speaker", "Cleo")
        self._rest.shows(heard, "on")
        self._rest.shows(NAME, "")
        return f"{'; '.join(seen)}; Cleo is heard; {self._scenes.complete()}"

    def _answered(self, before: str | None) -> bool:
        return self._rest.value(STATUS) not in ("recording", "idle") and self._rest.value(MESSAGE) != before
