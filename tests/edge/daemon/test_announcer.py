"""What the device says about voices: one call per utterance, privacy, and nothing left of people who were removed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edge.clock import ManualClock
from edge.daemon.announcer import Announcer
from edge.events import EventMaker, schema
from edge.mqtt import Topics
from edge.records import Message, Result, Voiceprint
from edge.settings import Node, Privacy
from tests.edge.test_events import decision, result

TOPICS = Topics("earmark", "kitchen")
ALICE, BOB = "p7c1e", "p02aa"
HOLD = 120.0


def voiceprint(person_id: str, name: str) -> Voiceprint:
    return Voiceprint(person_id, name, np.ones(4, np.float32) / 2, 20.0, 5, 0.9, "abc")


PEOPLE = (voiceprint(ALICE, "Alice"), voiceprint(BOB, "Bob"))


class Broker:
    """Remembers each call, and what a broker would retain."""

    def __init__(self) -> None:
        self.calls: list[tuple[Message, ...]] = []
        self.retained: dict[str, bytes] = {}

    def __call__(self, *messages: Message) -> None:
        self.calls.append(messages)
        for message in messages:
            if message.retain:
                self.retained.pop(message.topic, None)
                if message.payload:
                    self.retained[message.topic] = message.payload

    def state(self, topic: str) -> dict:
        return json.loads(self.retained[topic])

    @property
    def people(self) -> set[str]:
        return {topic.split("/")[3] for topic in self.retained if "/person/" in topic}


class Device:
    """An announcer with its broker and its clock."""

    def __init__(self, **privacy) -> None:
        self.clock = ManualClock(1.8e9, 100.0)
        self.broker = Broker()
        maker = EventMaker(Node(name="kitchen"), Privacy(**privacy), model="m-1", clock=self.clock)
        self.announcer = Announcer(TOPICS, maker, self.clock, self.broker, hold_seconds=HOLD)
        self.announcer.set_people(PEOPLE)
        self.announcer.first_states()
        self.broker.calls.clear()

    def hears(self, made: Result, latency_ms: float = 50.0):
        return self.announcer.result(made, latency_ms)


def person_topic(person_id: str) -> str:
    return f"earmark/kitchen/person/{person_id}/state"


def test_before_anybody_speaks_a_subscriber_finds_everybody_absent() -> None:
    device = Device()
    assert device.broker.state("earmark/kitchen/last")["speaker"] == "nobody"
    assert device.broker.retained["earmark/kitchen/speaking/state"] == b"OFF"
    assert {device.broker.state(person_topic(p))["heard"] for p in (ALICE, BOB)} == {"OFF"}


def test_an_utterance_is_one_call_with_event_last_and_person() -> None:
    device = Device()
    event = device.hears(result(decision()))
    (call,) = device.broker.calls
    assert [message.topic for message in call] == [
        "earmark/kitchen/utterance",
        "earmark/kitchen/last",
        person_topic(ALICE),
    ]
    assert [message.retain for message in call] == [False, True, True]
    assert json.loads(call[0].payload)["id"] == event.id == json.loads(call[1].payload)["id"]
    assert device.broker.state(person_topic(ALICE))["heard"] == "ON"


@pytest.mark.parametrize(("outcome", "topics"), [("unknown", 2), ("uncertain", 1), ("rejected", 1)])
def test_what_names_nobody_changes_no_person(outcome: str, topics: int) -> None:
    device = Device()
    device.hears(result(decision(outcome)))
    (call,) = device.broker.calls
    assert len(call) == topics
    assert not any("/person/" in message.topic for message in call)


def test_what_is_no_speech_is_counted_and_not_told() -> None:
    device = Device()
    assert device.hears(result(decision("rejected", reason="not_speech"))) is None
    assert device.broker.calls == []
    assert (device.announcer.not_speech, device.announcer.utterances) == (1, 0)
    assert device.announcer.latencies.p95() is None


def test_latency_and_snr_are_remembered_for_health() -> None:
    device = Device()
    event = device.hears(result(decision(), snr_db=17.5), latency_ms=81.4)
    assert event.latency_ms == 81
    assert device.announcer.latencies.p95() == 81
    assert device.announcer.last_snr_db == 17.5


def test_a_person_becomes_absent_after_the_hold_time_and_that_is_told_once() -> None:
    device = Device()
    device.hears(result(decision()))
    device.broker.calls.clear()
    device.clock.advance(HOLD - 0.1)
    device.announcer.tick()
    assert device.broker.calls == []
    device.clock.advance(0.2)
    device.announcer.tick()
    device.announcer.tick()
    (call,) = device.broker.calls
    assert [message.topic for message in call] == [person_topic(ALICE)]
    state = device.broker.state(person_topic(ALICE))
    assert state["heard"] == "OFF"
    assert state["last_heard"] == "2027-01-15T08:00:00.000Z"
    assert state["probability"] == 0.97


def test_a_recording_is_named_with_the_place_in_it() -> None:
    device = Device()
    device.announcer.source, device.announcer._sample_rate = "evening.wav", 16_000
    event = device.hears(result(decision(), start=32_000, end=70_400))
    assert (event.source, event.at_s) == ("evening.wav", 2.0)
    assert Device().hears(result(decision())).at_s is None


def test_with_privacy_none_neither_name_nor_id_leaves() -> None:
    device = Device(mqtt_names="none")
    device.hears(result(decision()))
    everything = b"".join(m.payload + m.topic.encode() for call in device.broker.calls for m in call)
    for secret in (b"Alice", b"Bob", ALICE.encode(), BOB.encode()):
        assert secret not in everything
    assert device.broker.people == set()
    assert device.broker.state("earmark/kitchen/last")["speaker"] == "somebody"


def test_with_an_alias_the_id_stands_for_the_name() -> None:
    device = Device(mqtt_names="alias")
    device.hears(result(decision()))
    assert device.broker.state("earmark/kitchen/last")["speaker"] == ALICE
    assert device.broker.state(person_topic(ALICE))["speaker"] == ALICE
    assert b"Alice" not in b"".join(device.broker.retained.values())


def test_everything_retained_of_somebody_removed_is_cleared() -> None:
    device = Device()
    device.hears(result(decision()))
    device.announcer.set_people(PEOPLE[1:])
    assert device.broker.people == {BOB}
    assert device.broker.state("earmark/kitchen/last")["speaker"] == "nobody"
    assert b"Alice" not in b"".join(device.broker.retained.values())
    device.clock.advance(2 * HOLD)
    device.announcer.tick()
    assert device.broker.people == {BOB}


def test_removing_somebody_else_leaves_the_last_speaker() -> None:
    device = Device()
    device.hears(result(decision()))
    device.announcer.set_people(PEOPLE[:1])
    assert device.broker.state("earmark/kitchen/last")["speaker"] == "Alice"
    assert device.broker.state(person_topic(ALICE))["heard"] == "ON"


def test_a_decision_that_comes_after_the_removal_leaves_nothing_that_stays() -> None:
    device = Device()
    device.announcer.set_people(PEOPLE[1:])
    event = device.hears(result(decision()))
    assert event.speaker == "Alice"
    assert device.broker.people == {BOB}
    assert b"Alice" not in b"".join(device.broker.retained.values())


@pytest.mark.parametrize(("names", "kept"), [("real", {ALICE, BOB}), ("alias", {ALICE, BOB}), ("none", set())])
def test_what_an_earlier_run_left_and_may_not_be_shown_now_is_cleared(names: str, kept: set[str]) -> None:
    """Somebody was removed while nothing ran, or privacy was changed."""
    left = (ALICE, BOB, "p9999")
    clock, broker = ManualClock(1.8e9), Broker()
    broker.retained = {person_topic(one): b'{"speaker":"Carol"}' for one in left}
    maker = EventMaker(Node(name="kitchen"), Privacy(mqtt_names=names), model="m-1", clock=clock)
    announcer = Announcer(TOPICS, maker, clock, broker, hold_seconds=HOLD)
    announcer.recall([Message(topic, payload, 1, True, "state") for topic, payload in broker.retained.items()])
    announcer.set_people(PEOPLE)
    assert broker.people == kept
    assert b"Carol" not in b"".join(broker.retained.values())


def test_a_new_name_appears_at_once() -> None:
    device = Device()
    device.hears(result(decision()))
    before = device.broker.state("earmark/kitchen/last")
    device.announcer.set_people((voiceprint(ALICE, "Alicia"), PEOPLE[1]))
    assert device.broker.state(person_topic(ALICE))["speaker"] == "Alicia"
    assert device.broker.state("earmark/kitchen/last") == before | {"speaker": "Alicia"}


def test_a_hold_time_that_is_changed_holds_from_the_next_utterance_on() -> None:
    device = Device()
    device.announcer.hold(10 * HOLD)
    device.hears(result(decision()))
    device.clock.advance(9 * HOLD)
    device.announcer.tick()
    assert device.broker.state(person_topic(ALICE))["heard"] == "ON"
    device.clock.advance(2 * HOLD)
    device.announcer.tick()
    assert device.broker.state(person_topic(ALICE))["heard"] == "OFF"


def test_speaking_is_passed_on() -> None:
    device = Device()
    device.announcer.speaking(True)
    assert device.broker.retained["earmark/kitchen/speaking/state"] == b"ON"


def test_all_of_it_is_as_the_schemas_say() -> None:
    import jsonschema

    device = Device()
    for outcome in ("identified", "unknown", "uncertain", "rejected"):
        device.hears(result(decision(outcome)))
    names = {"utterance": "utterance", "last": "last", "state": "person"}
    told = [m for call in device.broker.calls for m in call]
    assert len(told) == 7
    for message in told:
        jsonschema.validate(json.loads(message.payload), schema(names[message.topic.rsplit("/", 1)[-1]]))
