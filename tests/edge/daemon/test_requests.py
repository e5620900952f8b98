"""Requests over MQTT: what is answered, to whom it is refused, and that no answer says more than it may."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from edge.daemon import requests
from edge.errors import StorageError
from edge.events import schema
from edge.forgetting import Forgotten
from edge.mqtt import Command
from edge.mqtt.topics import REQUESTS
from edge.people import PeopleStore
from edge.records import Person
from edge.settings import Mqtt, Settings
from tests.broker import HOST, free_port, wait_for
from tests.edge.daemon.desk import STATUS, Desk
from tests.edge.daemon.room import Room

VALID = Draft202012Validator(schema("response"))


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> list[Person]:
    """Who was forgotten everywhere; ``test_removal`` does it in earnest."""
    gone: list[Person] = []

    def forget(settings: Settings, folder: Path, person: Person) -> Forgotten:
        gone.append(person)
        return Forgotten(broker="cleared", problems=("the outbox /var/lib/earmark/outbox.sqlite is in use",))

    monkeypatch.setattr(requests, "forget", forget)
    return gone


@pytest.fixture
def open_desk(tmp_path: Path, forgotten: list[Person]) -> Iterator[Callable[..., Desk]]:
    desks = []

    def opened(*about: Any, **more: Any) -> Desk:
        desks.append(Desk(tmp_path, *about, **more))
        return desks[-1]

    yield opened
    for desk in desks:
        desk.close()


@pytest.fixture
def desk(open_desk: Callable[..., Desk]) -> Desk:
    return open_desk()


def test_the_status_is_told_without_paths_processes_and_secrets(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(enrols=False)
    answer = desk.ask("status", {"transaction": "t-1"})
    VALID.validate(answer)
    kept = {key: value for key, value in STATUS.items() if key in requests._STATUS}
    assert answer["data"] == kept | {"room": "Kitchen"}
    assert (answer["v"], answer["status"], answer["transaction"]) == (1, "ok", "t-1")
    hidden = ("/var", "/usr", "/etc", "/srv", "4711", "process", "reload_refused", "security_warning")
    assert not any(word in json.dumps(answer) for word in hidden)


def test_a_daemon_that_runs_tells_all_of_it(
    stage_settings: Settings, stage_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shows that the control socket's status has every key that is passed on."""
    asked = replace(stage_settings, mqtt=Mqtt(host=HOST, port=free_port(), commands=True))
    room = Room(asked, stage_folder, monkeypatch)
    outbox = room.station._outbox
    assert outbox is not None
    try:
        room.station._command(Command("ask", "status", b""))
        topic = "earmark/earmark/response/status"
        [message] = wait_for(lambda: [one for _, one in outbox.pending(99) if one.topic == topic], "the answer")
    finally:
        room.station.stop(10)
    answer = json.loads(message.payload)
    VALID.validate(answer)
    assert answer["data"]["enrolled"] == 2 and answer["data"]["live"] is True
    assert str(stage_folder) not in message.payload.decode()
    assert not room.station._requests._thread or not room.station._requests._thread.is_alive()


def test_who_is_enrolled(desk: Desk) -> None:
    answer = desk.ask("people")
    VALID.validate(answer)
    about = {"clips": 2, "speech_s": 8.0}
    told = [{key: one[key] for key in ("id", "name", *about)} for one in answer["data"]["people"]]
    assert told == [{"id": desk.people[name], "name": name, **about} for name in ("Ada", "Ben")]
    assert answer["data"]["enrolled"] == 2
    assert all(one["created"].startswith("20") for one in answer["data"]["people"])
    assert "transaction" not in answer


@pytest.mark.parametrize("by", ["name", "id"])
def test_somebody_is_renamed_by_name_or_id(desk: Desk, by: str) -> None:
    who = "ada" if by == "name" else desk.people["Ada"]
    answer = desk.ask("rename", {"person": who, "name": " Ada L. ", "transaction": 7})
    VALID.validate(answer)
    assert (answer["transaction"], answer["data"]) == (7, {"id": desk.people["Ada"], "name": "Ada L."})
    assert desk.names() == ["Ada L.", "Ben"]


@pytest.mark.parametrize("by", ["name", "id"])
def test_somebody_is_removed_and_forgotten_and_the_answer_names_nobody(
    desk: Desk, forgotten: list[Person], by: str
) -> None:
    """The answer may wait in the outbox, where nothing of the person is to be left."""
    answer = desk.ask("remove", {"person": "Ben" if by == "name" else desk.people["Ben"]})
    VALID.validate(answer)
    assert answer["data"] == {"removed": True, "broker": "cleared", "left": 1}
    assert desk.names() == ["Ada"]
    assert [person.id for person in forgotten] == [desk.people["Ben"]]


def refused(desk: Desk, verb: str, body: object) -> str:
    """The code of an error, which says in words what is wrong."""
    before = desk.names()
    answer = desk.ask(verb, body)
    VALID.validate(answer)
    assert answer["status"] == "error"
    assert answer["error"].endswith(".") and answer["remedy"]
    assert desk.names() == before
    return str(answer["code"])


def test_what_cannot_be_is_refused_with_a_sentence(desk: Desk) -> None:
    assert refused(desk, "rename", {"person": "Nobody", "name": "Cleo"}) == "unknown_person"
    assert refused(desk, "remove", {"person": "p9999"}) == "unknown_person"
    assert refused(desk, "rename", {"person": "Ada", "name": "ben"}) == "name_taken"
    for name in ("a/b", "unknown", "p7c1e", "..."):
        assert refused(desk, "rename", {"person": "Ada", "name": name}) == "bad_name"


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("status", b"PRESS"), ("status", b"[]"), ("status", b'"x"'), ("status", b"\xff\xfe"), ("status", b"{" * 900),
        ("status", b'{"a": NaN}'), ("status", b'{"transaction": 1, "transaction": 2}'), ("status", {"person": "Ada"}),
        ("people", {"transaction": True}), ("people", {"transaction": 1.5}), ("people", {"transaction": "x" * 65}),
        ("people", {"transaction": "a\nb"}), ("people", {"transaction": ""}), ("people", {"transaction": 1 << 60}),
        ("people", {"transaction": ["x"]}), ("rename", {}), ("rename", {"person": "Ada"}), ("rename", {"name": "Cleo"}),
        ("rename", {"person": ["Ada"], "name": "Cleo"}), ("rename", {"person": "Ada", "name": "C" * 33}),
        ("remove", {}), ("remove", {"person": ""}), ("remove", {"person": None}), ("remove", {"person": "x" * 65}),
        ("remove", {"person": "Ada", "yes": True}),
    ],
)  # fmt: skip
def test_what_is_no_request_changes_nothing_and_is_answered(desk: Desk, verb: str, body: object) -> None:
    assert refused(desk, verb, body) == "bad_request"


@pytest.mark.parametrize("verb", ["people", "rename", "remove"])
def test_people_are_neither_told_nor_changed_unless_it_is_switched_on(
    open_desk: Callable[..., Desk], verb: str
) -> None:
    """``mqtt.commands`` alone gives the status and no more."""
    desk = open_desk(enrols=False)
    body = {"people": {}, "rename": {"person": "Ada", "name": "Cleo"}, "remove": {"person": "Ada"}}[verb]
    assert refused(desk, verb, body) == "switched_off"
    assert not any(name.encode() in desk.published[-1].payload for name in desk.people)


@pytest.mark.parametrize("mode", ["alias", "none"])
def test_no_name_and_with_none_no_id_leaves_the_device(open_desk: Callable[..., Desk], mode: str) -> None:
    desk = open_desk(mode)
    ident = desk.people["Ada"]
    told = desk.ask("people")["data"]
    assert told["enrolled"] == 2
    assert [one["name"] for one in told["people"]] == ([*desk.people.values()] if mode == "alias" else [])
    unknown, known = (desk.ask("remove", {"person": who}) for who in ("Nobody", "Ada"))
    assert unknown == known, "whether somebody of that name is enrolled is not told"
    assert desk.names() == ["Ada", "Ben"]
    desk.ask("rename", {"person": ident, "name": "Ben"})
    renamed = desk.ask("rename", {"person": ident, "name": "Cleo"})
    VALID.validate(renamed)
    assert renamed["data"] == ({"id": ident, "name": ident} if mode == "alias" else {"id": None, "name": "somebody"})
    assert desk.ask("remove", {"person": ident})["data"]["removed"] is True
    said = b" ".join(message.payload for message in desk.published)
    hidden = [b"Ada", b"Ben", b"Cleo"] + ([one.encode() for one in desk.people.values()] if mode == "none" else [])
    assert not any(word in said for word in hidden)


def test_a_fault_of_the_device_is_told_without_its_paths(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise StorageError("/var/lib/earmark/people.sqlite cannot be read", "Ask Ada.")

    monkeypatch.setattr(PeopleStore, "people", broken)
    answer = desk.ask("people", {"transaction": "t"})
    VALID.validate(answer)
    assert (answer["code"], answer["transaction"]) == ("failed", "t")
    assert "/var" not in json.dumps(answer) and "Ada" not in json.dumps(answer)
    assert "people.sqlite cannot be read" in caplog.text


def test_what_nobody_knows_is_ignored(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.requests.take(Command("ask", "reboot", b"{}"))
    desk.ask("status")
    assert len(desk.published) == 1
    assert "ignored request" in caplog.text


def test_asking_does_not_wait_and_too_much_of_it_is_ignored(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    monkeypatch.setattr(PeopleStore, "people", lambda _: go.wait(60) and ())
    for _ in range(40):
        desk.requests.take(Command("ask", "people", b""))
    assert desk.published == []
    go.set()
    wait_for(lambda: len(desk.published) >= requests._MOST_WAITING, "the answers")
    assert len(desk.published) <= requests._MOST_WAITING + 1


def test_what_takes_longer_than_the_daemons_end_is_not_answered_any_more(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing left to publish with."""
    at_work, go = threading.Event(), threading.Event()

    def people(_: PeopleStore) -> tuple[Person, ...]:
        at_work.set()
        go.wait(60)
        return ()

    monkeypatch.setattr(PeopleStore, "people", people)
    desk.requests.take(Command("ask", "people", b""))
    assert at_work.wait(60)
    desk.requests.stop(0.01)
    go.set()
    wait_for(lambda: not any(one.name == "requests" for one in threading.enumerate()), "its end")
    assert desk.published == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.sampled_from(["Ada", "Ben"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
bodies = st.dictionaries(st.sampled_from(["transaction", "person", "name", "op"]), json_values, max_size=4)


@hypothesis_settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(verb=st.sampled_from(REQUESTS), payload=st.binary(max_size=60) | bodies.map(lambda b: json.dumps(b).encode()))
def test_whatever_is_asked_the_answer_is_valid(desk: Desk, verb: str, payload: bytes) -> None:
    answer = json.loads(desk.requests._response(Command("ask", verb, payload)).to_json())
    VALID.validate(answer)
    assert answer["status"] == "ok" or answer["code"] not in ("failed", "error")
