"""What the assistant's node says over MQTT of the people enrolled, from one run to the next."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from edge.assistant.feed import Feed
from edge.records import Message
from edge.settings import HomeAssistant, Settings
from tests.edge.daemon.test_announcer import ALICE, BOB, PEOPLE, Broker, voiceprint
from tests.edge.test_events import decision, result

NODE = "living-room-assistant"
DISCOVERY = f"homeassistant/device/earmark_{NODE}/config"


class Run(Broker):
    """One run of `earmark wyoming` on the state that an earlier one left."""

    def __init__(self, before: Broker | None = None, people=PEOPLE, *, discovery: bool = True) -> None:
        super().__init__()
        settings = replace(Settings(), homeassistant=HomeAssistant(enabled=discovery))
        self.retained = dict(before.retained) if before else {}
        states = [Message(topic, payload, 1, True, "state") for topic, payload in self.retained.items()]
        self.feed = Feed(settings, NODE, "m-1", "0.1.0", self)
        self.feed.begin(people, states)

    @property
    def sensors(self) -> set[str]:
        return {key for key in self.state(DISCOVERY)["cmps"] if key in {f"p_{ALICE}", f"p_{BOB}"}}

    @property
    def reduced(self) -> list[str]:
        """Entities that Home Assistant was told to remove."""
        documents = [json.loads(m.payload) for call in self.calls for m in call if m.topic == DISCOVERY and m.payload]
        return [key for one in documents for key, component in one["cmps"].items() if list(component) == ["p"]]


def test_whoever_is_removed_while_it_runs_is_cleared() -> None:
    run = Run()
    assert (run.people, run.sensors) == ({ALICE, BOB}, {f"p_{ALICE}", f"p_{BOB}"})
    run.feed.people(PEOPLE[1:])
    assert (run.people, run.sensors, run.reduced) == ({BOB}, {f"p_{BOB}"}, [f"p_{ALICE}"])
    run.calls.clear()
    run.feed.people(PEOPLE[1:])
    assert run.calls == []


def test_whoever_is_removed_while_it_does_not_run_is_cleared_by_the_next_run() -> None:
    before = Run()
    before.feed.result(result(decision()), 50.0)
    assert before.state(f"earmark/{NODE}/last")["speaker"] == "Alice"
    run = Run(before, PEOPLE[1:])
    assert (run.people, run.sensors, run.reduced) == ({BOB}, {f"p_{BOB}"}, [f"p_{ALICE}"])
    assert run.state(f"earmark/{NODE}/last")["speaker"] == "nobody"
    assert b"Alice" not in b"".join(run.retained.values())


def test_the_last_speaker_outlives_a_restart_under_the_name_of_today() -> None:
    before = Run()
    before.feed.result(result(decision()), 50.0)
    run = Run(before, (voiceprint(ALICE, "Alicia"), PEOPLE[1]))
    assert run.state(f"earmark/{NODE}/last")["speaker"] == "Alicia"


@pytest.mark.parametrize("runs", [1, 2])
def test_discovery_that_is_switched_off_is_taken_back_once(runs: int) -> None:
    run = Run(discovery=True)
    for _ in range(runs):
        run = Run(run, discovery=False)
    assert DISCOVERY not in run.retained
    assert [m.topic for call in run.calls for m in call].count(DISCOVERY) == (1 if runs == 1 else 0)
