"""A node's part in the house: what it says of whom, and what it leaves behind when it goes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.daemon.house import House
from edge.events import UtteranceEvent, schema
from edge.forgetting import forget
from edge.mqtt import Topics
from edge.mqtt.house import HouseTopics
from edge.outbox import Outbox, erasure
from edge.records import Person
from edge.settings import HomeAssistant, Mqtt, Node, Privacy, Settings

TOPICS = Topics("earmark", "kitchen")
HOUSE = HouseTopics()
BOTH = Settings(
    node=Node("kitchen", "Kitchen"), homeassistant=HomeAssistant(house=("kitchen", "hall")), mqtt=Mqtt(enabled=False)
)
ALONE = replace(BOTH, homeassistant=HomeAssistant(house=("kitchen",)))
OUT = replace(BOTH, homeassistant=HomeAssistant())
PEOPLE = {"p0001": "Ada", "p0002": "Ben"}
SIGHTING = UtteranceEvent(
    event_type="identified", id="1", ts="2026-11-22T10:00:00.000Z", node="kitchen", room="Kitchen", speaker_id="p0001",
    speaker="Ada", probability=0.9,
)  # fmt: skip


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "outbox.sqlite") as made:
        yield made


def house(outbox: Outbox, settings: Settings) -> House:
    return House(settings, TOPICS, outbox, lambda *messages: outbox.append_all(messages))


def kept(outbox: Outbox) -> dict[str, bytes]:
    """What is said again at each connection."""
    return {message.topic: message.payload for _, message in outbox.states()}


def cleared(outbox: Outbox) -> set[str]:
    return {message.topic for _, message in outbox.pending(100) if message.retain and not message.payload}


def test_a_sighting_is_kept_by_the_broker_and_said_once(outbox: Outbox) -> None:
    (message,) = house(outbox, BOTH).sighting(SIGHTING)
    assert (message.topic, message.qos, message.retain, message.kind) == (HOUSE.person("p0001"), 1, True, "event")
    assert json.loads(message.payload) == {
        "v": 1, "ts": SIGHTING.ts, "node": "kitchen", "room": "Kitchen", "speaker_id": "p0001", "speaker": "Ada",
        "probability": 0.9,
    }  # fmt: skip
    (nowhere,) = house(outbox, BOTH).sighting(replace(SIGHTING, room=None))
    assert json.loads(nowhere.payload)["room"] == "kitchen"
    assert set(json.loads(message.payload)) <= set(schema("house")["properties"])
    assert house(outbox, BOTH).sighting(replace(SIGHTING, speaker_id=None, speaker="unknown")) == []


@pytest.mark.parametrize(
    "settings",
    [OUT, replace(BOTH, privacy=Privacy(mqtt_names="none")),
     replace(BOTH, homeassistant=HomeAssistant(enabled=False, house=("kitchen",)))],
)  # fmt: skip
def test_nothing_is_said_where_it_is_off_or_no_name_may_leave_the_device(outbox: Outbox, settings: Settings) -> None:
    part = house(outbox, settings)
    part.leave()
    part.announce(PEOPLE)
    assert part.sighting(SIGHTING) == []
    assert outbox.pending(10) == []


def test_with_aliases_no_name_is_in_the_document(outbox: Outbox) -> None:
    house(outbox, replace(BOTH, privacy=Privacy(mqtt_names="alias"))).announce(PEOPLE)
    document = kept(outbox)[HOUSE.discovery]
    assert b"p0001 room" in document and b"Ada" not in document


def test_every_node_says_the_same_whatever_the_order_of_names_and_people(outbox: Outbox, tmp_path: Path) -> None:
    house(outbox, BOTH).announce(PEOPLE)
    elsewhere = replace(BOTH, node=Node("hall", "Hall"), homeassistant=HomeAssistant(house=("hall", "kitchen", "hall")))
    with Outbox(tmp_path / "hall.sqlite") as other:
        House(elsewhere, Topics("earmark", "hall"), other, lambda *messages: other.append_all(messages)).announce(
            dict(reversed(PEOPLE.items()))
        )
        assert kept(other) == kept(outbox)


@pytest.mark.parametrize(
    ("settings", "people"),
    [(BOTH, PEOPLE | {"p0001": "Adelheid"}), (replace(BOTH, privacy=Privacy(mqtt_names="alias")), {"p0001": "Ada"})],
)
def test_what_was_said_under_a_name_that_somebody_has_no_more_is_cleared(
    outbox: Outbox, settings: Settings, people: dict[str, str]
) -> None:
    """The broker keeps it, with the name in it, until the person is heard again."""
    house(outbox, BOTH).announce({"p0001": "Ada"})
    house(outbox, BOTH).announce({"p0001": "Ada"})
    assert cleared(outbox) == set()
    house(outbox, settings).announce(people)
    assert cleared(outbox) == {HOUSE.person("p0001")}
    assert b"Ada room" not in kept(outbox)[HOUSE.discovery]


def test_whoever_is_removed_leaves_the_house_also_after_a_restart(outbox: Outbox) -> None:
    house(outbox, BOTH).announce(PEOPLE)
    house(outbox, BOTH).announce({"p0002": "Ben"})
    assert set(json.loads(kept(outbox)[HOUSE.discovery])["cmps"]) == {"p_p0002"}
    assert cleared(outbox) == {HOUSE.person("p0001")}
    reduced = [json.loads(m.payload)["cmps"] for _, m in outbox.pending(10) if m.kind == "event"]
    assert [one["p_p0001"] for one in reduced] == [{"p": "sensor"}], "which makes Home Assistant remove the entity"


def test_whoever_is_removed_by_a_command_leaves_it_where_no_daemon_runs(tmp_path: Path) -> None:
    """What waits about them is not said any more, and what stands at the broker is cleared."""
    path = tmp_path / "outbox.sqlite"
    with Outbox(path) as outbox:
        part = house(outbox, BOTH)
        part.announce(PEOPLE)
        outbox.append_all([TOPICS.availability(True), *part.sighting(SIGHTING)])
    told = forget(BOTH, tmp_path, Person("p0001", "Ada", "2026-11-22T09:00:00Z", ()))
    assert (told.events, told.broker, told.problems) == (1, "waiting", ())
    with Outbox(path) as outbox:
        assert cleared(outbox) == {HOUSE.person("p0001")}
        assert set(json.loads(kept(outbox)[HOUSE.discovery])["cmps"]) == {"p_p0002"}
        assert erasure.mentioned(path, "p0001", {"p0001", "Ada"}), "until the broker has taken that"
        outbox.acknowledge(*(ident for ident, _ in outbox.pending(100)))
        assert not erasure.mentioned(path, "p0001", {"p0001", "Ada"})


@pytest.mark.parametrize("left", [OUT, replace(BOTH, privacy=Privacy(mqtt_names="none"))])
def test_a_node_that_leaves_does_not_take_the_house_away_from_the_others(outbox: Outbox, left: Settings) -> None:
    """And says nothing of it any more; where people were heard is cleared, since it may have said that."""
    house(outbox, BOTH).announce(PEOPLE)
    house(outbox, left).leave()
    assert HOUSE.discovery not in kept(outbox)
    assert cleared(outbox) == {HOUSE.person(one) for one in PEOPLE}


def test_a_disk_that_is_full_does_not_keep_the_device_from_starting(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It leaves the house at the next start then."""
    house(outbox, BOTH).announce(PEOPLE)
    with monkeypatch.context() as full:
        full.setattr(outbox, "_write", lambda *_: (_ for _ in ()).throw(sqlite3.OperationalError("disk is full")))
        house(outbox, OUT).leave()
    assert "cannot leave the house for now" in caplog.text
    house(outbox, OUT).leave()
    assert HOUSE.discovery not in kept(outbox)


def test_the_last_node_takes_the_house_along(outbox: Outbox) -> None:
    house(outbox, ALONE).announce(PEOPLE)
    house(outbox, OUT).leave()
    assert cleared(outbox) == {HOUSE.discovery, *(HOUSE.person(one) for one in PEOPLE)}


def test_a_device_does_not_clear_the_house_as_a_name_of_its_own_that_it_has_given_up() -> None:
    assert Topics("earmark", "renamed").owns(HOUSE.discovery)
    assert not TOPICS.owns(HOUSE.person("p0001"))
