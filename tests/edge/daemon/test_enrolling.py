"""Enrolment over MQTT at a daemon that runs: what is told, what is stored, and what ends it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from edge.daemon.station import Station
from edge.events import PHASES, schema
from edge.learning import SENTENCES
from edge.mqtt import Command
from edge.people import PeopleStore
from edge.records import SAMPLE_RATE
from edge.settings import Mqtt, Privacy, Settings
from edge.spoof import Repeats
from tests.broker import HOST, Listener, Mosquitto, free_port, wait_for
from tests.edge.daemon.room import SILENCE, Room, clip

STATE = "earmark/earmark/enrol/state"
NAME = "earmark/earmark/cfg/enrol_name/state"
ENOUGH = tuple(f"ben-enrol-{number}.ogg" for number in range(1, 6))


class Asked(Room):
    """A room whose device may be asked by MQTT to enrol somebody. Its broker is away: what it says waits, and is read
    there.
    """

    def __init__(self, settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.told: list[tuple[str, bytes]] = []
        publish = Station._publish
        monkeypatch.setattr(Station, "_publish", lambda station, *said: (self._note(said), publish(station, *said))[-1])
        super().__init__(settings, folder, monkeypatch)

    def _note(self, said: Any) -> None:
        self.told += [(message.topic, message.payload) for message in said]

    def ask(self, name: str, value: str = "PRESS") -> None:
        kind = "set" if name == "enrol_name" else "do"
        self.station._command(Command(kind, name, value.encode()))

    @property
    def states(self) -> list[dict[str, Any]]:
        return [json.loads(payload) for topic, payload in list(self.told) if topic == STATE]

    @property
    def phase(self) -> str:
        return str(self.states[-1]["phase"])

    def begin(self, name: str = "Cleo") -> None:
        self.ask("enrol_name", name)
        self.ask("enrol_start")
        self.until(lambda: self.tapped, "it listens")

    def until(self, condition: Callable[[], Any], what: str) -> None:
        wait_for(condition, f"{what}; told {self.states[-3:]}")

    def said_until(self, phase: str, *names: str) -> None:
        """Say clips one by one, until ``phase`` is told."""
        for name in names:
            before = len(self.states)
            self.stage.say(clip(name))
            self.heard_all()
            self.until(lambda before=before: len(self.states) > before + 1 or self.phase == phase, "an answer")
            if self.phase == phase:
                return
        self.until(lambda: self.phase == phase, phase)

    def names(self) -> set[str]:
        with PeopleStore(self.folder) as store:
            return {person.name for person in store.people()}


@pytest.fixture
def asked_settings(stage_settings: Settings) -> Settings:
    return replace(stage_settings, mqtt=Mqtt(host=HOST, port=free_port(), enrolment=True))


@pytest.fixture
def asked(asked_settings: Settings, stage_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    with PeopleStore(stage_folder) as store:
        store.remove("Ben")
    made = Asked(asked_settings, stage_folder, monkeypatch)
    try:
        yield made
    finally:
        made.station.stop(10)


def test_somebody_is_enrolled_and_known_from_then_on(asked: Asked) -> None:
    asked.begin("Cleo")
    assert asked.phase == "waiting"
    assert asked.states[-1]["say"] == SENTENCES[0]
    asked.said_until("done", *ENOUGH, *ENOUGH[:1])
    phases = [state["phase"] for state in asked.states]
    assert phases[0] == "idle" and "recording" in phases
    assert [state["clips"] for state in asked.states[1:]] == sorted(state["clips"] for state in asked.states[1:])
    assert {"0 of 5", "4 of 5"} <= {state["message"][:6] for state in asked.states}
    assert asked.states[-1]["percent"] == 100
    with PeopleStore(asked.folder) as store, Repeats(asked.folder) as repeats:
        cleo = store.find("Cleo")
        assert store.consent("Cleo") == "enrolled over MQTT"
        assert repeats.forget(cleo.id) >= 5, "what was said is known if it is played back"
    asked.station.refresh_people()
    asked.events.clear()
    asked.stage.say(clip("clip-3-ben.ogg"))
    wait_for(lambda: asked.events, "an event")
    assert asked.events[0][0] == "identified"


def test_every_state_is_valid_and_names_nobody(asked: Asked) -> None:
    asked.begin("Wilhelmina")
    asked.said_until("waiting", ENOUGH[0])
    asked.ask("enrol_cancel")
    asked.until(lambda: asked.phase == "cancelled", "the end")
    assert len(asked.states) >= 4
    for state in asked.states:
        jsonschema.validate(state, schema("enrolment"))
        assert "Wilhelmina" not in json.dumps(state)
    echoed = [payload for topic, payload in asked.told if topic == NAME]
    assert echoed == [b"", b"Wilhelmina", b""], "no name stays at the broker"
    assert schema("enrolment")["properties"]["phase"]["enum"] == list(PHASES)


def test_cancelled_or_ended_early_nothing_is_stored(asked: Asked) -> None:
    for end in (lambda: asked.ask("enrol_cancel"), asked.stage.lose, lambda: asked.station._set_listening("OFF")):
        asked.begin()
        asked.said_until("waiting", *ENOUGH[:2])
        end()
        asked.until(lambda: asked.phase in ("cancelled", "failed"), "the end")
        asked.until(lambda: not asked.tapped, "it listens no more")
        asked.station._microphone_problem(None)
    assert asked.names() == {"Ada"}


def test_what_was_wrong_is_told_and_said_again(asked: Asked) -> None:
    asked.begin()
    asked.stage.say(np.concatenate([SILENCE, 0.03 * clip(ENOUGH[0]), SILENCE]))
    asked.until(lambda: asked.phase == "too_quiet", "a refusal")
    told = asked.states[-1]
    assert told["say"] == SENTENCES[0] and "closer" in told["hint"]
    assert told["message"].startswith("0 of 5. Too quiet.")
    asked.said_until("waiting", ENOUGH[0])
    assert asked.states[-1]["clips"] == 1


def test_without_anything_to_hear_it_says_so(asked: Asked) -> None:
    asked.begin()
    asked.stage.say(np.zeros(6 * SAMPLE_RATE, np.float32))
    asked.until(lambda: asked.phase == "silent", "that nothing is heard")


@pytest.mark.parametrize(
    ("name", "reason"), [("", "no_name"), ("a/b", "bad_name"), ("unknown", "bad_name"), ("ada", "name_taken")]
)
def test_a_name_that_will_not_do_fails_at_once(asked: Asked, name: str, reason: str) -> None:
    if name:
        asked.ask("enrol_name", name)
    if reason != "bad_name":
        asked.ask("enrol_start")
    assert (asked.phase, asked.states[-1]["reason"]) == ("failed", reason)
    assert asked.states[-1]["message"].startswith("Failed: ")
    assert not asked.tapped


def test_a_known_voice_is_not_enrolled_under_another_name(asked: Asked) -> None:
    asked.begin()
    asked.said_until("failed", *(f"ada-enrol-{number}.ogg" for number in range(1, 6)))
    assert asked.states[-1]["reason"] == "known_voice"
    assert asked.names() == {"Ada"}


def test_one_at_a_time(asked: Asked) -> None:
    asked.begin("Cleo")
    asked.ask("enrol_name", "Dora")
    asked.ask("enrol_start")
    assert asked.phase == "waiting"
    asked.said_until("done", *ENOUGH, *ENOUGH[:1])
    assert asked.names() == {"Ada", "Cleo"}


def test_time_that_is_up_says_what_was_wrong(asked: Asked) -> None:
    asked.station._enroller._limit_seconds = 9.0
    asked.begin()
    asked.stage.say(np.concatenate([0.03 * clip(ENOUGH[0]), *[SILENCE] * 6]))
    asked.until(lambda: asked.phase == "failed", "the end")
    assert asked.states[-1]["reason"] == "too_quiet"
    assert asked.states[-1]["message"].startswith("Failed: too quiet.")


def test_where_names_may_not_leave_the_device_they_are_not_echoed(
    asked_settings: Settings, stage_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = Asked(replace(asked_settings, privacy=Privacy(mqtt_names="alias")), stage_folder, monkeypatch)
    hidden.ask("enrol_name", "Wilhelmina")
    hidden.station.stop(10)
    assert not [payload for _, payload in hidden.told if b"Wilhelmina" in payload]


def test_it_is_off_unless_switched_on(
    asked_settings: Settings, stage_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even with commands; and what an earlier run has told is cleared."""
    Asked(asked_settings, stage_folder, monkeypatch).station.stop(10)
    deaf = Asked(
        replace(asked_settings, mqtt=replace(asked_settings.mqtt, enrolment=False, commands=True)),
        stage_folder, monkeypatch,
    )  # fmt: skip
    deaf.ask("enrol_name", "Cleo")
    deaf.ask("enrol_start")
    deaf.station.stop(10)
    assert not deaf.tapped
    assert [payload for topic, payload in deaf.told if topic in (STATE, NAME)] == [b"", b""]


def test_what_is_in_no_list_is_ignored(asked: Asked) -> None:
    before = len(asked.told)
    for kind, name in (("do", "enrol_name"), ("set", "enrol_start"), ("do", "restart"), ("set", "profile")):
        asked.station._command(Command(kind, name, b"strict"))  # type: ignore[arg-type]
    assert len(asked.told) == before


@pytest.mark.broker
def test_everything_goes_over_a_broker(
    asked_settings: Settings, stage_folder: Path, monkeypatch: pytest.MonkeyPatch, mosquitto: Mosquitto
) -> None:
    """Name, start and states as somebody at the broker sees them; what is retained starts nothing."""
    listener = Listener(mosquitto.port)
    base = "earmark/earmark"
    listener.say(f"{base}/cmd/enrol_start", "PRESS", retain=True)
    listener.say(f"{base}/cfg/enrol_name/set", "Mallory", retain=True)
    with PeopleStore(stage_folder) as store:
        store.remove("Ben")
    there = replace(asked_settings, mqtt=replace(asked_settings.mqtt, port=mosquitto.port))
    device = Asked(there, stage_folder, monkeypatch)
    try:
        listener.wait(f"{base}/availability", b"online")
        listener.say(f"{base}/cfg/enrol_name/set", "Cleo")
        listener.wait(f"{base}/cfg/enrol_name/state", b"Cleo")
        assert [state["phase"] for state in device.states] == ["idle"]
        listener.say(f"{base}/cmd/enrol_start", "PRESS")
        wait_for(lambda: device.tapped, "it listens")
        device.said_until("done", *ENOUGH, *ENOUGH[:1])
        wait_for(lambda: b'"done"' in (listener.last(STATE) or b""), "the end, at the broker")
        device.station.refresh_people()
        with PeopleStore(stage_folder) as store:
            listener.wait(f"{base}/person/{store.find('Cleo').id}/state")
        assert listener.payloads(NAME)[-1] == b""
        document = json.loads(listener.wait("homeassistant/device/earmark_earmark/config"))
        assert {"enrol_start", "enrol_status"} <= set(document["cmps"]) and "listening" not in document["cmps"]
    finally:
        device.station.stop(10)
        listener.close()
    assert device.names() == {"Ada", "Cleo"}
