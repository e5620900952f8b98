"""Verification on the daemon's live sound: what it answers, what it counts, and that the feed goes on as if nobody
asked.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.auth.attempt import Gate
from edge.challenge import ChallengeOutcome
from edge.clock import SystemClock
from edge.control import Client
from edge.daemon import verification
from edge.daemon.station import Station
from edge.errors import SettingsError
from edge.people import PeopleStore
from edge.pipeline import Pipeline
from edge.records import SAMPLE_RATE, Float32
from edge.settings import Control, Settings
from tests.broker import wait_for
from tests.edge.control.service import Raw, verify
from tests.edge.daemon.room import SILENCE, Room, clip


def test_the_right_voice_matches_as_soon_as_it_is_sure(room: Room) -> None:
    told = room.verify(clip("clip-1-ada.ogg"))
    assert (told["exit_code"], told["attempt"]["outcome"]) == (0, "match")
    assert told["sentence"].startswith("voice matches Ada")
    assert room.failures() == 0


def test_another_voice_does_not_and_counts(room: Room) -> None:
    told = room.verify(np.concatenate([clip("clip-4-ben.ogg"), *[SILENCE] * 6]), timeout=6)
    assert (told["exit_code"], told["attempt"]["match"]) == (1, False)
    assert room.failures() == 1


def test_what_is_chosen_over_mqtt_makes_it_harder_and_never_easier(room: Room) -> None:
    for chosen, target in (("relaxed", 0.003), ("strict", 0.001)):
        room.station._change("profile", chosen)
        assert room.station.settings.decide.profile == chosen
        told = room.verify(np.concatenate([clip("clip-4-ben.ogg"), *[SILENCE] * 6]), timeout=6)
        assert told["attempt"]["target_far"] == target


def test_silence_is_no_decision_and_counts_for_nothing(room: Room) -> None:
    told = room.verify(np.concatenate([SILENCE] * 3), timeout=2)
    assert (told["exit_code"], told["attempt"]["reason"]) == (3, "silent")
    assert room.failures() == 0


def test_what_was_said_before_the_request_is_not_heard(room: Room) -> None:
    room.stage.say(clip("clip-1-ada.ogg"))
    room.heard_all()
    assert room.verify(np.concatenate([SILENCE] * 3), timeout=2)["exit_code"] == 3


def test_the_feed_goes_on_as_if_nobody_had_asked(
    stage_settings: Settings, stage_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = np.concatenate([clip("clip-1-ada.ogg"), clip("clip-3-ben.ogg"), clip("clip-5-stranger.ogg"), SILENCE])
    heard = []
    for name, asks in (("alone", False), ("asked", True)):
        room = Room(stage_settings, Path(shutil.copytree(stage_folder, tmp_path / name)), monkeypatch)
        if asks:
            assert room.verify(said)["exit_code"] == 0
        else:
            room.stage.say(said)
        room.heard_all()
        room.station.stop(10)
        heard.append(room.events)
    assert len(heard[0]) >= 3
    assert heard[0] == heard[1]


def test_one_at_a_time_and_the_other_is_told(room: Room) -> None:
    with Raw(room.path) as first, Raw(room.path) as second:
        first.ask(**verify("1"))
        assert second.ask(**verify("2"))["error"]["code"] == "busy"
        assert second.ask(id="s", op="status")["status"]["busy"] is True
        room.stage.say(clip("clip-1-ada.ogg"))
        assert first.line()["exit_code"] == 0
        assert second.ask(**verify("3"))["stage"] == "listening"


def cancelled(room: Room, samples: Float32, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the verification has heard all of it, which has a thread of its own beside the feed."""
    made: list[Pipeline] = []

    def build(*arguments: Any, **more: Any) -> Pipeline:
        made.append(Pipeline(*arguments, **more))
        return made[-1]

    monkeypatch.setattr(verification, "Pipeline", build)
    with Raw(room.path) as client:
        client.ask(**verify("v", timeout=60))
        room.stage.say(samples)
        wait_for(
            lambda: made and round(made[0].counters.audio_seconds * SAMPLE_RATE) == len(samples),
            "the verification has heard it",
        )
        client.send({"id": "c", "op": "cancel", "request": "v"})
        told = {line["id"]: line for line in (client.line(), client.line())}
        assert told["v"]["error"]["code"] == "cancelled"
        assert told["v"]["exit_code"] != 0


def test_cancelling_takes_back_nothing_that_was_said(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else somebody could listen for a while, see that no yes comes, and try again for ever."""
    cancelled(room, clip("clip-4-ben.ogg"), monkeypatch)
    assert room.failures() == 1
    cancelled(room, SILENCE, monkeypatch)
    assert room.failures() == 1


def test_whoever_hangs_up_makes_room_for_the_next(room: Room) -> None:
    with Raw(room.path) as client:
        client.ask(**verify(timeout=60))
    with Client(room.path) as other:
        wait_for(lambda: not other.status()["busy"], "the end of the verification that nobody waits for")
    assert room.verify(clip("clip-1-ada.ogg"))["exit_code"] == 0


def test_who_is_enrolled_is_not_told_to_whoever_asks(room: Room) -> None:
    with Raw(room.path) as client:
        unknown = client.ask(**verify(person="Nobody"))
        status = client.ask(id="s", op="status")
    assert unknown["exit_code"] == 2
    assert status["status"]["enrolled"] == 2
    assert "Ada" not in json.dumps([unknown, status])


def test_a_microphone_that_is_lost_is_said_and_costs_no_attempt(room: Room) -> None:
    with Raw(room.path) as client:
        client.ask(**verify("1"))
        room.stage.lose()
        told = client.line()
        assert (told["error"]["code"], told["exit_code"]) == ("microphone", 5)
        assert room.failures() == 0
        told = client.ask(**verify("2"))
        assert "unplugged" in told["error"]["message"]


def test_a_microphone_that_is_switched_off_is_said(room: Room) -> None:
    room.station._set_listening(False)
    with Raw(room.path) as client:
        assert client.ask(**verify())["error"]["code"] == "microphone"
        assert client.ask(id="s", op="status")["status"]["listening"] is False


def test_the_end_of_the_sound_is_no_error(room: Room) -> None:
    with Raw(room.path) as client:
        client.ask(**verify())
        room.stage.close()
        assert client.line()["exit_code"] == 3


def test_somebody_locked_out_is_told_how_long(room: Room) -> None:
    with PeopleStore(room.folder) as store, Gate(room.folder, Settings()) as gate:
        for _ in range(5):
            with gate.begin(store.find("Ada").id, requester="cli"):
                pass
    with Raw(room.path) as client:
        told = client.ask(**verify())
        assert (told["exit_code"], told["error"]["code"]) == (4, "locked_out")
        assert 0 < told["error"]["retry_seconds"] <= 30
        assert client.ask(**verify(person="Ben"))["stage"] == "listening"


class Drawn:
    """A challenge whose digits were, or were not, said."""

    digits = (4, 0, 7, 1, 9, 2)

    def __init__(self, said: bool) -> None:
        self._said = said

    def text(self) -> str:
        return "4 0 7 1 9 2"

    def seconds_left(self) -> float:
        return 15.0

    def check(self, samples: Float32) -> ChallengeOutcome:
        return ChallengeOutcome(
            self._said, self.digits, 0.99, "said" if self._said else "other_digits", 0.2, len(samples) / SAMPLE_RATE
        )


@pytest.mark.parametrize(("said", "code", "failures"), [(True, 0, 0), (False, 1, 1)])
def test_digits_are_told_first_and_must_be_said(
    room: Room, monkeypatch: pytest.MonkeyPatch, said: bool, code: int, failures: int
) -> None:
    drawn: list[str] = []

    class Challenge:
        @staticmethod
        def draw(language: str) -> Drawn:
            drawn.append(language)
            return Drawn(said)

    monkeypatch.setattr(verification, "Challenge", Challenge)
    with Raw(room.path) as client:
        first = client.ask(**verify(challenge=True, language="de"))
        assert (first["stage"], first["digits"], first["text"]) == ("challenge", list(Drawn.digits), "4 0 7 1 9 2")
        assert client.line()["stage"] == "listening"
        room.stage.say(np.concatenate([clip("clip-1-ada.ogg"), SILENCE, SILENCE]))
        told = client.line()
    assert drawn == ["de"]
    assert told["exit_code"] == code
    assert told["attempt"]["challenge"]["said_right"] is said
    assert room.failures() == failures


def test_a_challenge_that_cannot_be_drawn_is_no_failed_attempt(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    with Raw(room.path) as client:
        told = client.ask(**verify(challenge=True, language="xx"))
    assert told["event"] == "error"
    assert told["exit_code"] != 0
    assert room.failures() == 0


def test_the_socket_is_gone_with_the_station_and_never_there_where_it_is_switched_off(
    stage_settings: Settings, stage_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room(stage_settings, stage_folder, monkeypatch)
    assert room.path.is_socket()
    room.station.stop(10)
    assert not room.path.exists()
    room = Room(replace(stage_settings, control=Control(enabled=False)), stage_folder, monkeypatch)
    assert not room.path.exists()
    room.station.stop(10)


def test_a_group_that_does_not_exist_prevents_the_start(stage_settings: Settings, stage_folder: Path) -> None:
    wrong = replace(stage_settings, control=Control(group="no-such-group-here"))
    with pytest.raises(SettingsError, match=r"control\.group"):
        Station(wrong, stage_folder, SystemClock(), realtime=False)


def test_a_socket_that_cannot_be_made_is_a_warning(
    stage_settings: Settings, stage_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (stage_folder / "control.sock").write_text("mine")
    room = Room(stage_settings, stage_folder, monkeypatch)
    room.stage.say(clip("clip-1-ada.ogg"))
    room.heard_all()
    room.station.stop(10)
    assert "no socket" in caplog.text
    assert room.events
    assert (stage_folder / "control.sock").read_text() == "mine"
