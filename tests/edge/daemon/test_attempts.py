"""What the household is told of attempts to be verified: each end that counts, once, and no more than it may know."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from edge.auth.attempt import Gate
from edge.clock import ManualClock
from edge.control import VerifyRequest
from edge.daemon import verification
from edge.daemon.attempts import REPEAT_SECONDS, Attempts
from edge.errors import LockedOut
from edge.events import EventMaker, schema
from edge.mqtt import Topics
from edge.people import PeopleStore
from edge.records import Message, Person
from edge.settings import Mqtt, Node, Privacy, Settings
from tests.broker import HOST, free_port
from tests.edge.control.service import Raw, verify
from tests.edge.daemon.room import SILENCE, Room, clip
from tests.edge.daemon.test_verification import Drawn

AUTH = Mqtt(host=HOST, auth=True)


class Told(Room):
    """A room whose household is told. Its broker is away: what is said waits, and is read there."""

    def messages(self, topic: str) -> list[Message]:
        assert self.station._outbox is not None
        return [one for _, one in self.station._outbox.pending(100) if one.topic == topic]

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(one.payload) for one in self.messages("earmark/earmark/auth")]


@pytest.fixture
def open_room(
    stage_settings: Settings, stage_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Told]]:
    rooms = []

    def opened(mqtt: Mqtt = AUTH, **privacy: Any) -> Told:
        settings = replace(stage_settings, mqtt=replace(mqtt, port=free_port()), privacy=Privacy(**privacy))
        rooms.append(Told(settings, stage_folder, monkeypatch))
        return rooms[-1]

    yield opened
    for room in rooms:
        room.station.stop(10)


@pytest.fixture
def told_room(open_room: Callable[..., Told]) -> Told:
    return open_room()


def fail(room: Room, times: int, name: str = "Ada") -> None:
    with PeopleStore(room.folder) as store, Gate(room.folder, Settings()) as gate:
        for _ in range(times):
            with gate.begin(store.find(name).id, requester="cli"):
                pass


def test_a_match_is_told_in_full(told_room: Told) -> None:
    """Every key and value, so that no change of the protocol goes unnoticed."""
    attempt = told_room.verify(clip("clip-1-ada.ogg"))["attempt"]
    [told] = told_room.told
    jsonschema.validate(told, schema("auth"))
    assert len(told.pop("id")) == 26 and told.pop("ts")
    assert told == {
        "v": 1, "event_type": "verified", "node": "earmark", "person_id": attempt["person"]["id"], "person": "Ada",
        "reason": "accepted", "probability": attempt["probability"], "threshold": attempt["threshold"],
        "requester": "socket", "challenge": False, "failures": 0, "class": "convenience", "model": attempt["model"],
    }  # fmt: skip
    [message] = told_room.messages("earmark/earmark/auth")
    assert (message.qos, message.retain, message.kind) == (1, False, "event")


def test_another_voice_and_the_same_sound_again_are_told_and_silence_is_not(told_room: Told) -> None:
    told_room.verify(np.concatenate([SILENCE] * 3), timeout=2)
    assert told_room.told == []
    told_room.verify(np.concatenate([clip("clip-4-ben.ogg"), *[SILENCE] * 6]), timeout=6)
    assert told_room.verify(clip("clip-1-ada.ogg"))["exit_code"] == 0
    assert told_room.verify(clip("clip-1-ada.ogg"))["exit_code"] == 7
    kinds = [(told["event_type"], told["reason"], told["failures"]) for told in told_room.told]
    assert kinds == [("failed", "below_threshold", 1), ("verified", "accepted", 0), ("spoof_suspected", "repeat", 1)]
    for told in told_room.told:
        jsonschema.validate(told, schema("auth"))


def test_a_lock_out_is_told_when_it_begins_and_once(told_room: Told) -> None:
    fail(told_room, 4)
    told_room.verify(np.concatenate([clip("clip-4-ben.ogg"), *[SILENCE] * 6]), timeout=6)
    with Raw(told_room.path) as client:
        for number in range(8):
            assert client.ask(**verify(str(number)))["error"]["code"] == "locked_out"
    failed, locked = told_room.told
    assert (failed["event_type"], failed["failures"]) == ("failed", 5)
    jsonschema.validate(locked, schema("auth"))
    assert (locked["event_type"], locked["reason"], locked["failures"]) == ("locked_out", "failures", 5)
    assert 0 < locked["retry_s"] <= 30
    assert "refused" not in locked and "probability" not in locked


def test_what_comes_of_one_persons_attempt_makes_no_news_of_anothers_lock_out(told_room: Told) -> None:
    fail(told_room, 5, "Ben")
    with Raw(told_room.path) as client:
        client.ask(**verify("1", person="Ben"))
    assert told_room.verify(clip("clip-1-ada.ogg"))["exit_code"] == 0
    with Raw(told_room.path) as client:
        client.ask(**verify("2", person="Ben"))
    assert [(told["person"], told["event_type"]) for told in told_room.told] == [
        ("Ben", "locked_out"), ("Ada", "verified"),
    ]  # fmt: skip


def test_somebody_who_is_locked_out_already_is_told_with_the_first_refusal(told_room: Told) -> None:
    fail(told_room, 5)
    with Raw(told_room.path) as client:
        client.ask(**verify("1"))
        client.ask(**verify("2"))
    assert [(told["event_type"], told["refused"]) for told in told_room.told] == [("locked_out", 1)]


def test_other_digits_are_told_without_the_digits(told_room: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    class Challenge:
        @staticmethod
        def draw(language: str) -> Drawn:
            return Drawn(said=False)

    monkeypatch.setattr(verification, "Challenge", Challenge)
    with Raw(told_room.path) as client:
        client.ask(**verify(challenge=True))
        client.line()
        told_room.stage.say(np.concatenate([clip("clip-1-ada.ogg"), SILENCE, SILENCE]))
        assert client.line()["exit_code"] == 1
    [told] = told_room.told
    assert (told["event_type"], told["reason"], told["challenge"]) == ("failed", "other_digits", True)
    jsonschema.validate(told, schema("auth"))


def test_a_match_that_nobody_waits_for_is_not_told(told_room: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asked got no yes, so nothing else may act on one."""
    judged = verification.Verification._judged

    def hung_up(self: verification.Verification, *about: Any) -> Any:
        outcome = judged(self, *about)
        self.cancel()
        return outcome

    monkeypatch.setattr(verification.Verification, "_judged", hung_up)
    assert told_room.verify(clip("clip-1-ada.ogg"))["error"]["code"] == "cancelled"
    assert told_room.told == []
    told_room.verify(np.concatenate([clip("clip-4-ben.ogg"), *[SILENCE] * 6]), timeout=6)
    assert [told["event_type"] for told in told_room.told] == ["failed"]


def test_what_is_cut_off_and_counts_as_failed_is_told(told_room: Told) -> None:
    with Raw(told_room.path) as client:
        client.ask(**verify("1"))
        told_room.stage.lose()
        assert client.line()["error"]["code"] == "microphone"
        assert (told_room.told, told_room.failures()) == ([], 0), "nothing was heard"
    told_room.stage.on_problem(None)
    with Raw(told_room.path) as client:
        client.ask(**verify("2"))
        told_room.stage.say(SILENCE)
        told_room.heard_all()
        told_room.stage.lose()
        client.line()
    assert [(told["event_type"], told["reason"]) for told in told_room.told] == [("failed", "microphone")]
    assert told_room.failures() == 1


def test_who_is_not_enrolled_is_no_news(told_room: Told) -> None:
    with Raw(told_room.path) as client:
        client.ask(**verify(person="Nobody"))
    assert told_room.told == []


@pytest.mark.parametrize("mode", ["alias", "none"])
def test_no_name_leaves_the_device_where_none_may(open_room: Callable[..., Told], mode: str) -> None:
    room = open_room(mqtt_names=mode)
    with PeopleStore(room.folder) as store:
        ident = store.find("Ada").id
    fail(room, 5)
    with Raw(room.path) as client:
        client.ask(**verify())
    [told] = room.told
    jsonschema.validate(told, schema("auth"))
    assert (told["person_id"], told["person"]) == ((ident, ident) if mode == "alias" else (None, "somebody"))
    assert "Ada" not in json.dumps(told)


def test_nothing_is_told_or_announced_unless_it_is_asked_for(open_room: Callable[..., Told]) -> None:
    room = open_room(replace(AUTH, auth=False))
    room.verify(clip("clip-1-ada.ogg"))
    fail(room, 5)
    with Raw(room.path) as client:
        client.ask(**verify())
    assert room.told == []
    [announced] = room.messages("homeassistant/device/earmark_earmark/config")
    assert b"/auth" not in announced.payload


class Desk:
    """Attempts that are refused at a time of the test's choice."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(1000.0)
        self.told: list[dict[str, Any]] = []
        self.enrolled = {f"p{number}": f"P{number}" for number in range(40)}
        maker = EventMaker(Node("kitchen"), Privacy(), model="m", clock=self.clock, names=self.enrolled)
        self._attempts = Attempts(Topics(node="kitchen"), maker, self.clock, self._publish, told=True)
        self._folder = folder

    def _publish(self, message: Message) -> None:
        self.told.append(json.loads(message.payload))

    def fail(self, ident: str, times: int) -> None:
        """Begin that many attempts and leave each without a judgement; the end of the last one is told."""
        person = Person(ident, ident.upper(), "2026-11-22T10:00:00Z", ())
        with Gate(self._folder, Settings()) as gate:
            for _ in range(times):
                with gate.begin(ident, requester="socket") as attempt:
                    pass
            for _ in range(2):  # as if the lock-out between the two were over, which takes longer than a test may
                self._attempts.ended(gate, VerifyRequest("1", ident), person, attempt, None)

    def refuse(self, ident: str, reason: str, times: int = 1) -> None:
        person = Person(ident, ident.upper(), "2026-11-22T10:00:00Z", ())
        with Gate(self._folder, Settings()) as gate:
            for _ in range(times):
                error = LockedOut(reason, None if reason == "other_factor" else 29.2, "x")
                self._attempts.refused(gate, VerifyRequest("1", ident), person, error)


def test_a_lock_out_that_begins_anew_is_told_although_the_one_before_was_told_just_now(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.fail("p1", 5)
    assert [told["event_type"] for told in desk.told] == ["failed", "locked_out"] * 2
    assert all("refused" not in told for told in desk.told)


def test_of_somebody_who_was_removed_meanwhile_nothing_is_told(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    del desk.enrolled["p1"]
    desk.fail("p1", 1)
    desk.refuse("p1", "failures")
    desk.refuse("p2", "failures")
    assert [told["person_id"] for told in desk.told] == ["p2"]


def test_a_flood_of_refused_attempts_is_no_flood_of_messages(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.refuse("p1", "failures", 300)
    desk.refuse("p2", "failures")
    desk.clock.advance(REPEAT_SECONDS - 1)
    desk.refuse("p1", "failures")
    assert [(told["person_id"], told["refused"]) for told in desk.told] == [("p1", 1), ("p2", 1)]
    desk.clock.advance(1)
    desk.refuse("p1", "failures")
    assert desk.told[-1]["refused"] == 301
    assert desk.told[-1]["retry_s"] == 30


def test_a_lock_out_of_everybody_is_told_once_whoever_is_refused(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for number in range(40):
        desk.refuse(f"p{number}", "busy")
    assert [told["reason"] for told in desk.told] == ["busy"]


def test_where_only_the_pin_helps_no_time_is_told(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.refuse("p1", "other_factor")
    assert "retry_s" not in desk.told[0]
    jsonschema.validate(desk.told[0], schema("auth"))
