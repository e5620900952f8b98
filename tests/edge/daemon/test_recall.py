"""What was announced before a restart is true after it: the last speaker, who was heard when, and ids that ascend."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import ManualClock
from edge.daemon.announcer import Announcer
from edge.events import EventMaker, IdMaker
from edge.events.recall import last_state, presence
from edge.mqtt import Topics
from edge.records import Message
from edge.settings import Node, Privacy
from tests.edge.daemon.test_announcer import (
    ALICE,
    BOB,
    HOLD,
    PEOPLE,
    TOPICS,
    Broker,
    Device,
    person_topic,
    voiceprint,
)
from tests.edge.test_events import decision, result

LAST = "earmark/kitchen/last"


def after(device: Device, people=PEOPLE, *, seconds: float = 1.0, **privacy) -> tuple[Device, dict[str, bytes]]:
    """A new process on the state that ``device`` left; on the wall ``seconds`` later, with a clock of its own."""
    states = [Message(topic, payload, 1, True, "state") for topic, payload in device.broker.retained.items()]
    fresh = Device.__new__(Device)
    fresh.clock, fresh.broker = ManualClock(device.clock.now() + seconds, 3.0), Broker()
    fresh.broker.retained = dict(device.broker.retained)
    maker = EventMaker(Node(name="kitchen"), Privacy(**privacy), model="m-1", clock=fresh.clock)
    fresh.announcer = Announcer(TOPICS, maker, fresh.clock, fresh.broker, hold_seconds=HOLD)
    fresh.announcer.recall(states)
    fresh.announcer.set_people(people)
    fresh.announcer.first_states()
    return fresh, fresh.broker.retained


def heard(**privacy) -> Device:
    device = Device(**privacy)
    device.hears(result(decision()))
    return device


def test_the_last_speaker_and_whoever_is_here_stay_over_a_restart() -> None:
    before = heard()
    fresh, states = after(before)
    assert json.loads(states[LAST]) == before.broker.state(LAST)
    assert fresh.broker.state(person_topic(ALICE)) == before.broker.state(person_topic(ALICE))
    assert fresh.broker.state(person_topic(ALICE))["heard"] == "ON"
    assert fresh.broker.state(person_topic(BOB))["heard"] == "OFF"


@pytest.mark.parametrize("topics", [Topics("earmark", "living-room"), Topics("my-house/ears", "a-b-c")])
def test_a_node_with_a_hyphen_in_its_name_knows_what_it_announced(topics: Topics) -> None:
    clock, broker = ManualClock(1.8e9, 3.0), Broker()
    maker = EventMaker(Node(name=topics.node), Privacy(), model="m-1", clock=clock)
    announcer = Announcer(topics, maker, clock, broker, hold_seconds=HOLD)
    announcer.recall([Message(topics.of("person", ALICE), b"{}", 1, True, "state")])
    announcer.set_people(PEOPLE[1:])
    assert Message(topics.of("person", ALICE), b"", 1, True, "state") in broker.calls[0]


def test_somebody_who_was_here_leaves_in_time_whatever_was_restarted_between() -> None:
    fresh, _ = after(heard(), seconds=HOLD - 10)
    fresh.clock.advance(9.9)
    fresh.announcer.tick()
    assert fresh.broker.state(person_topic(ALICE))["heard"] == "ON"
    fresh.clock.advance(0.2)
    fresh.announcer.tick()
    state = fresh.broker.state(person_topic(ALICE))
    assert (state["heard"], state["last_heard"]) == ("OFF", "2027-01-15T08:00:00.000Z")


def test_nobody_is_here_when_the_device_was_off_for_longer() -> None:
    fresh, _ = after(heard(), seconds=HOLD + 1)
    state = fresh.broker.state(person_topic(ALICE))
    assert (state["heard"], state["probability"]) == ("OFF", 0.97)


@pytest.mark.parametrize("jump", [-86400.0 * 365, -1.0])
def test_a_clock_that_went_back_over_a_restart_keeps_nobody_here_for_ever(jump: float) -> None:
    fresh, _ = after(heard(), seconds=jump)
    fresh.clock.advance(HOLD + 0.1)
    fresh.announcer.tick()
    assert fresh.broker.state(person_topic(ALICE))["heard"] == "OFF"


@pytest.mark.parametrize("jump", [-86400.0 * 365, -0.5, 0.0, 5.0])
def test_ids_ascend_over_a_restart_whatever_the_clock_did(jump: float) -> None:
    before = heard()
    fresh, _ = after(before, seconds=jump)
    assert fresh.hears(result(decision())).id > before.broker.state(LAST)["id"]


def test_whoever_was_removed_meanwhile_is_named_nowhere() -> None:
    fresh, states = after(heard(), PEOPLE[1:])
    assert fresh.broker.state(LAST)["speaker"] == "nobody"
    assert b"Alice" not in b"".join(states.values())
    assert ALICE not in fresh.broker.people


def test_a_removal_after_the_restart_clears_the_last_speaker_too() -> None:
    fresh, states = after(heard())
    fresh.announcer.set_people(PEOPLE[1:])
    assert fresh.broker.state(LAST)["speaker"] == "nobody"
    assert b"Alice" not in b"".join(states.values())


def test_a_new_name_shows_in_the_last_speaker() -> None:
    fresh, states = after(heard(), (voiceprint(ALICE, "Alicia"), PEOPLE[1]))
    assert fresh.broker.state(LAST)["speaker"] == "Alicia"
    assert b'"Alice"' not in b"".join(states.values())


@pytest.mark.parametrize(
    ("then", "now", "speaker"),
    [("real", "alias", ALICE), ("real", "none", "nobody"), ("alias", "real", "Alice"), ("none", "real", "nobody")],
)
def test_privacy_of_today_counts(then: str, now: str, speaker: str) -> None:
    fresh, states = after(heard(mqtt_names=then), mqtt_names=now)
    assert fresh.broker.state(LAST)["speaker"] == speaker
    assert now == "real" or b"Alice" not in b"".join(states.values())


def test_an_unknown_speaker_is_recalled_too() -> None:
    before = Device()
    before.hears(result(decision("unknown")))
    fresh, _ = after(before)
    assert fresh.broker.state(LAST) == before.broker.state(LAST)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(
    ["event_type", "ts", "id", "speaker", "speaker_id", "score", "last_heard", "heard", "probability"]
)
VALUES = JSON | st.sampled_from(["identified", "ON", "2026-11-22T06:00:00.000Z", "9" * 26, 1e308])


@given(st.binary(max_size=200) | st.dictionaries(KEYS, VALUES).map(lambda o: json.dumps({"v": 1} | o).encode()))
def test_a_state_that_nobody_published_recalls_something_harmless_or_nothing(payload: bytes) -> None:
    last, here = last_state(payload), presence(payload)
    assert last is None or last_state(last.to_json()) == last
    assert here is None or isinstance(here.at, float)
    broker = Broker()
    states = [Message(topic, payload, 1, True, "state") for topic in (LAST, person_topic(ALICE), person_topic("x"))]
    clock = ManualClock(1.8e9, 100.0)
    maker = EventMaker(Node(name="kitchen"), Privacy(), model="m-1", clock=clock)
    announcer = Announcer(TOPICS, maker, clock, broker, hold_seconds=HOLD)
    announcer.recall(states)
    announcer.set_people(PEOPLE)
    announcer.first_states()
    assert broker.people == {ALICE, BOB}


@given(st.text(max_size=30) | st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=26, max_size=26))
def test_ids_after_any_text_are_ids(text: str) -> None:
    ids = IdMaker(ManualClock(1.8e9), lambda bits: 0)
    ids.follow(text)
    found = [ids.new() for _ in range(3)]
    assert found == sorted(set(found))
    assert {len(one) for one in found} == {26}
