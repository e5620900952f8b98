"""The demonstration: its truth, its judge on invented evenings, its broker."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.audio import read_samples
from edge.demo.broker import DemoBroker
from edge.demo.judge import Tally, judge, scene_of
from edge.demo.stage import Scene, open_play
from edge.mqtt.subscriber import Subscriber
from edge.records import SAMPLE_RATE
from tests.broker import Listener

EVENING = (
    Scene(0, 2, "silence"),
    Scene(2, 5, "Ada"),
    Scene(5, 7, "silence"),
    Scene(7, 10, "stranger"),
    Scene(10, 14, "noise"),
    Scene(14, 18, "Ben"),
)


def event(start: float, end: float, outcome: str, speaker: str = "unknown") -> dict:
    return {"at_s": start, "duration_s": end - start, "event_type": outcome, "speaker": speaker}


RIGHT = (event(1.8, 5.2, "identified", "Ada"), event(6.9, 10.1, "unknown"), event(13.8, 18.2, "identified", "Ben"))


def test_an_evening_told_right_is_flawless() -> None:
    judged, tally = judge(RIGHT, EVENING)
    assert [one.verdict for one in judged] == ["right"] * 3
    assert [one.who for one in judged] == ["Ada", "stranger", "Ben"]
    assert tally == Tally(2, 2, 1, 1, 0, 0, 0)
    assert tally.flawless


@pytest.mark.parametrize(
    ("instead", "verdict", "tally"),
    [
        ({1: event(7, 10, "identified", "Ada")}, "wrong", Tally(2, 2, 0, 1, 1, 0, 0)),
        ({0: event(2, 5, "identified", "Ben")}, "wrong", Tally(1, 2, 1, 1, 1, 0, 0)),
        ({0: event(2, 5, "unknown")}, "unsure", Tally(1, 2, 1, 1, 0, 0, 0)),
        ({0: event(2, 5, "uncertain")}, "unsure", Tally(1, 2, 1, 1, 0, 0, 0)),
        ({0: event(2, 5, "rejected")}, "unsure", Tally(1, 2, 1, 1, 0, 0, 0)),
        ({1: event(7, 10, "uncertain")}, "unsure", Tally(2, 2, 1, 1, 0, 0, 0)),
        ({0: event(10.5, 13.5, "unknown")}, "false", Tally(1, 2, 1, 1, 0, 1, 1)),
        ({0: event(5.0, 6.5, "identified", "Ada")}, "false", Tally(1, 2, 1, 1, 0, 1, 1)),
    ],
)
def test_what_is_told_wrong_is_counted_where_it_belongs(instead: dict, verdict: str, tally: Tally) -> None:
    events = [instead.get(number, one) for number, one in enumerate(RIGHT)]
    judged, found = judge(events, EVENING)
    assert [one.verdict for number, one in enumerate(judged) if number in instead] == [verdict]
    assert found == tally
    assert found.flawless == (verdict == "unsure")


def test_what_is_not_told_at_all_is_missed() -> None:
    assert judge((), EVENING)[1] == Tally(0, 2, 0, 1, 0, 0, 3)
    assert judge(RIGHT[:1], EVENING)[1] == Tally(1, 2, 0, 1, 0, 0, 2)


def test_a_sentence_told_in_pieces_counts_by_the_best_but_a_wrong_name_cannot_be_made_good() -> None:
    pieces = [event(14, 15, "rejected"), event(15, 16, "identified", "Ben"), event(16.5, 18, "uncertain")]
    judged, tally = judge([*RIGHT[:2], *pieces], EVENING)
    assert [one.verdict for one in judged[2:]] == ["unsure", "right", "unsure"]
    assert tally == Tally(2, 2, 1, 1, 0, 0, 0)
    wrong = [*RIGHT[:2], event(14, 15, "identified", "Ada"), event(15, 18, "identified", "Ben")]
    assert judge(wrong, EVENING)[1] == Tally(1, 2, 1, 1, 1, 0, 0)


def test_an_event_belongs_to_the_scene_that_it_overlaps_most() -> None:
    assert scene_of(event(4.5, 9.0, "unknown"), EVENING) == EVENING[3]
    assert scene_of(event(3.0, 7.5, "unknown"), EVENING) == EVENING[1]
    assert scene_of(event(10.0, 14.0, "unknown"), EVENING) is None
    assert scene_of(event(0.0, 1.0, "unknown"), ()) is None


@given(st.lists(st.tuples(st.floats(0, 18), st.floats(0.1, 5),
                          st.sampled_from(["identified", "unknown", "uncertain", "rejected"]),
                          st.sampled_from(["Ada", "Ben"])), max_size=12))  # fmt: skip
def test_every_scene_and_every_event_is_counted_once(told) -> None:
    judged, tally = judge([event(a, a + n, outcome, who) for a, n, outcome, who in told], EVENING)
    assert len(judged) == len(told)
    assert tally.known_named <= tally.known_spoken == 2
    assert tally.strangers_unknown <= tally.strangers_spoken == 1
    assert tally.known_named + tally.strangers_unknown + tally.missed <= 3
    verdicts = [one.verdict for one in judged]
    assert (tally.wrong_names, tally.false_events) == (verdicts.count("wrong"), verdicts.count("false"))
    assert tally.flawless == (not {"wrong", "false"} & set(verdicts))


def test_the_sentence_holds_every_count() -> None:
    assert Tally(11, 13, 7, 8, 1, 2, 3).sentence() == (
        "11 of 13 utterances of enrolled people named right, 7 of 8 of strangers kept unnamed, "
        "1 wrong name, 3 missed, 2 events from silence or noise."
    )


def test_the_truth_covers_the_recording_without_a_gap() -> None:
    play = open_play()
    assert [actor.name for actor in play.actors] == ["Ada", "Ben"]
    assert all(path.is_file() for actor in play.actors for path in actor.clips)
    assert all(len(actor.clips) >= 5 for actor in play.actors)
    assert len(read_samples(play.stream)) / SAMPLE_RATE == pytest.approx(play.seconds, abs=0.01)
    edges = [0.0, *(scene.end for scene in play.scenes)]
    assert [scene.start for scene in play.scenes] == pytest.approx(edges[:-1])
    assert edges[-1] == pytest.approx(play.seconds)
    assert {scene.who for scene in play.scenes} == {"Ada", "Ben", "stranger", "silence", "noise"}


def test_every_recording_names_its_source_and_licence() -> None:
    folder = open_play().stream.parent
    named = (folder / "ATTRIBUTION.md").read_text(encoding="utf-8")
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    listed = {clip["file"] for person in index["people"] for clip in person["enrol"]}
    for path in folder.glob("*.ogg"):
        assert path.name in named or path.name in listed, path.name
    assert "CC BY 4.0" in named and "LibriSpeech" in named


def test_the_broker_speaks_mqtt_to_this_machine_only_and_goes() -> None:
    broker = DemoBroker()
    port = broker.start()
    assert broker.start() == port
    with Subscriber("127.0.0.1", port, "t/#") as subscriber:
        listener = Listener(port, "nothing/#")
        listener.say("t/1", b"hello")
        listener.close()
        assert subscriber.wait_for(lambda seen: len(seen) == 1, 20)
    assert [(a.topic, a.payload) for a in subscriber.arrivals] == [("t/1", b"hello")]
    assert _listening_addresses(port) == {"127.0.0.1"}
    broker.stop()
    broker.stop()
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", port), 1):
        pass


def _listening_addresses(port: int) -> set[str]:
    """From which addresses the kernel takes connections to ``port``."""
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        address, state = line.split()[1], line.split()[3]
        host, _, number = address.partition(":")
        if int(number, 16) == port and state == "0A":
            found.add(socket.inet_ntoa(bytes.fromhex(host)[::-1]))
    return found
