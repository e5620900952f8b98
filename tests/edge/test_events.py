"""What is published is exactly what the schemas say, and no more than privacy allows."""

import json
from dataclasses import fields, replace

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from edge.clock import ManualClock
from edge.events import (
    LARGEST_UTTERANCE_BYTES,
    SCHEMAS,
    AudioState,
    AuthEvent,
    EnrolmentState,
    EventMaker,
    HealthState,
    HouseState,
    IdMaker,
    InfoState,
    LastState,
    PersonState,
    Response,
    UpdateState,
    UtteranceEvent,
    schema,
    shown_name,
    timestamp,
)
from edge.records import Decision, Embedding, LabelAnswer, PersonScore, Result, Utterance
from edge.settings import Node, Privacy

KITCHEN = Node(name="kitchen", room="Küche")

NOW = 1_795_433_402.114
ALICE = PersonScore("p7c1e", "Alice", 0.7134, 5.1, 0.97)
BOB = PersonScore("p02aa", "Bob", 0.41, -1.0, 0.02)
_PAYLOADS = (
    UtteranceEvent, LastState, PersonState, HealthState, InfoState, EnrolmentState, AuthEvent, Response, AudioState,
    UpdateState, HouseState,
)  # fmt: skip
CLASSES = dict(zip(SCHEMAS, _PAYLOADS, strict=True))


def decision(outcome="identified", **more) -> Decision:
    between = {"best": ALICE, "runner_up": BOB, "threshold": 0.9, "margin": 0.5}
    values = {
        "identified": between | {"probability": 0.97, "margin": 4.2, "reason": "accepted"},
        "unknown": between | {"probability": 0.1, "reason": "below_threshold"},
        "uncertain": between | {"probability": 0.8, "reason": "low_margin"},
        "rejected": {"best": None, "runner_up": None, "reason": "too_short"}
        | {"probability": 0.0, "threshold": 0.0, "margin": 0.0},
    }[outcome]
    return Decision(outcome=outcome, **(values | more))


def result(made: Decision, **more) -> Result:
    samples = np.linspace(-1, 1, 38_400, dtype=np.float32)
    values = {"samples": samples, "start": 0, "end": 38_400, "speech_seconds": 1.9, "ended_by": "silence"}
    values |= {"snr_db": 18.24, "level_dbfs": -27.36, "peak_dbfs": -9.0, "clipped_fraction": 0.0}
    vector = np.full(8, 8**-0.5, dtype=np.float32)
    return Result(Utterance(**(values | more)), Embedding(vector, vector[None], 2.4, "abc"), made)


def maker(names=None, node=KITCHEN, **privacy) -> EventMaker:
    return EventMaker(node, Privacy(**privacy), model="compact-1.0.0", clock=ManualClock(NOW), names=names)


def valid(name: str, payload: bytes) -> dict:
    value = json.loads(payload)
    Draft202012Validator(schema(name)).validate(value)
    return value


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schemas_are_schemas_and_list_the_keys_of_the_payloads_in_their_order(name: str) -> None:
    document = schema(name)
    Draft202012Validator.check_schema(document)
    assert document["additionalProperties"] is False
    assert list(document["properties"]) == ["v", *(item.name.rstrip("_") for item in fields(CLASSES[name]))]


def test_an_identified_utterance_in_full() -> None:
    """Every key and value, so that no change of the protocol goes unnoticed."""
    event = maker().utterance(result(decision()), latency_ms=82.6)
    value = valid("utterance", event.to_json())
    assert value.pop("id") == event.id
    assert value == {
        "v": 1, "event_type": "identified", "ts": timestamp(NOW), "node": "kitchen", "room": "Küche",
        "speaker_id": "p7c1e", "speaker": "Alice", "score": 0.713, "threshold": 0.9, "margin": 4.2, "probability": 0.97,
        "duration_s": 2.4, "speech_s": 1.9, "snr_db": 18.2, "level_dbfs": -27.4, "clipped": False, "flags": [],
        "latency_ms": 83, "model": "compact-1.0.0",
    }  # fmt: skip


def test_timestamps_are_utc_with_milliseconds() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"
    assert timestamp(1_795_260_602.114) == "2026-11-21T11:30:02.114Z"


@pytest.mark.parametrize("outcome", ["unknown", "uncertain"])
def test_whoever_is_not_named_is_unknown_and_no_candidate_shows(outcome: str) -> None:
    payload = maker().utterance(result(decision(outcome))).to_json()
    value = valid("utterance", payload)
    assert value["speaker_id"] is None
    assert value["speaker"] == "unknown"
    assert "runner_up" not in value
    for secret in (b"Alice", b"p7c1e", b"Bob", b"p02aa"):
        assert secret not in payload


def test_candidates_show_only_where_asked_for() -> None:
    """Of an identification the second best, else the best."""
    asked = maker(publish_candidates=True)
    assert valid("utterance", asked.utterance(result(decision("uncertain"))).to_json())["runner_up"] == "p7c1e"
    assert valid("utterance", asked.utterance(result(decision())).to_json())["runner_up"] == "p02aa"
    hidden = maker(publish_candidates=True, mqtt_names="none")
    assert "runner_up" not in valid("utterance", hidden.utterance(result(decision("uncertain"))).to_json())


def test_rejected_audio_says_why_and_nothing_about_people() -> None:
    value = valid("utterance", maker().utterance(result(decision("rejected", flags=("short",)))).to_json())
    assert value["reason"] == "too_short"
    assert value["flags"] == ["short"]
    assert not {"score", "threshold", "margin", "probability", "runner_up"} & set(value)


def test_an_alias_is_the_id_and_none_is_somebody() -> None:
    alias = valid("utterance", maker(mqtt_names="alias").utterance(result(decision())).to_json())
    assert (alias["speaker_id"], alias["speaker"]) == ("p7c1e", "p7c1e")
    nameless = valid("utterance", maker(mqtt_names="none").utterance(result(decision())).to_json())
    assert (nameless["speaker_id"], nameless["speaker"]) == (None, "somebody")


def test_a_new_name_wins_over_the_one_in_the_score() -> None:
    assert maker({"p7c1e": "Alicia"}).utterance(result(decision())).speaker == "Alicia"


@pytest.mark.parametrize("name", ["unknown", "Nobody", " somebody ", "", "  "])
def test_a_name_that_means_something_else_here_gives_way_to_the_id(name: str) -> None:
    assert shown_name("p1", name, "real") == "p1"


def test_simulations_say_where() -> None:
    value = valid("utterance", maker().utterance(result(decision()), at_s=12.3449, source="stream.ogg").to_json())
    assert (value["at_s"], value["source"]) == (12.34, "stream.ogg")


HAPPY = LabelAnswer("happy", 0.81234, {"calm": 0.18766, "happy": 0.81234})
DOUBT = LabelAnswer("unsure", 0.6, {"female": 0.6, "male": 0.4}, "low_probability")


def test_what_a_voice_sounds_like_is_told_only_where_it_is_switched_on() -> None:
    heard = replace(result(decision()), labels={"gender": DOUBT, "emotion": HAPPY})
    quiet = valid("utterance", maker().utterance(heard).to_json())
    assert not {"gender", "gender_p", "emotion", "emotion_p"} & set(quiet)
    value = valid("utterance", maker(emotion=True).utterance(heard).to_json())
    assert (value["emotion"], value["emotion_p"]) == ("happy", 0.812)
    assert "gender" not in value
    both = valid("utterance", maker(gender=True, emotion=True).utterance(heard).to_json())
    assert (both["gender"], both["gender_p"]) == ("unsure", 0.6)
    assert "emotion" not in valid("utterance", maker(emotion=True).utterance(result(decision())).to_json())


@pytest.mark.parametrize(
    "wrong",
    [{"gender": "woman", "gender_p": 0.9}, {"gender": "female"}, {"gender_p": 0.9},
     {"emotion": "Very Happy!", "emotion_p": 1}, {"emotion": "happy", "emotion_p": 1.1}],
)  # fmt: skip
def test_the_schema_knows_what_may_be_told(wrong: dict[str, object]) -> None:
    value = json.loads(maker().utterance(result(decision())).to_json())
    jsonschema.validate(value, schema("utterance"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value | wrong, schema("utterance"))


def test_the_schema_has_nothing_told_of_rejected_audio() -> None:
    value = json.loads(maker().utterance(result(decision("rejected"))).to_json())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value | {"gender": "female", "gender_p": 0.9}, schema("utterance"))


finite_or_not = st.floats(allow_nan=True, allow_infinity=True, width=32)
any_text = st.text(max_size=64)


@settings(deadline=None)
@given(
    outcome=st.sampled_from(["identified", "unknown", "uncertain", "rejected"]),
    numbers=st.tuples(finite_or_not, finite_or_not, finite_or_not, finite_or_not),
    name=any_text,
    room=any_text,
    source=st.text(max_size=2000),
    mode=st.sampled_from(["real", "alias", "none"]),
    candidates=st.booleans(),
    flags=st.lists(st.sampled_from(["short", "noisy", "clipped", "multi_speaker", "low_margin"]), unique=True),
)
def test_whatever_is_measured_the_event_is_valid_json_below_1_kb(
    outcome, numbers, name, room, source, mode, candidates, flags
) -> None:
    """Also with infinities, odd names and long paths; with ``none`` no name and no id gets out."""
    margin, snr, level, latency = numbers
    best = PersonScore("p7c1e", name, 0.7, 5.1, 0.97)
    made = decision(outcome, margin=margin, flags=tuple(flags), **({} if outcome == "rejected" else {"best": best}))
    event = maker(node=Node("kitchen", room), mqtt_names=mode, publish_candidates=candidates).utterance(
        result(made, snr_db=snr, level_dbfs=level), latency_ms=latency, source=source
    )
    payload = event.to_json()
    value = valid("utterance", payload)
    assert len(payload) <= LARGEST_UTTERANCE_BYTES
    assert all(not isinstance(one, list | dict) or key == "flags" for key, one in value.items()), "flat"
    if mode == "none":
        assert value["speaker_id"] is None
        assert value["speaker"] in {"somebody", "unknown"}


@settings(deadline=None)
@given(steps=st.lists(st.floats(-5, 5), max_size=60))
def test_ids_ascend_and_never_repeat_whatever_the_clock_does(steps: list[float]) -> None:
    clock = ManualClock(NOW)
    ids = IdMaker(clock)
    made = []
    for step in steps:
        clock.advance(step)
        made.append(ids.new())
    assert made == sorted(set(made))


def test_ids_sort_by_time_across_processes() -> None:
    clock = ManualClock(NOW)
    early = [IdMaker(clock, lambda bits: 2**bits - 1).new() for _ in range(2)]
    clock.advance(0.001)
    assert max(early) < IdMaker(clock, lambda bits: 0).new()


def test_ids_of_one_moment_differ_between_devices() -> None:
    assert len({IdMaker(ManualClock(NOW)).new() for _ in range(200)}) == 200


def test_the_last_speaker_follows_decisions_only() -> None:
    """Identified and unknown change it; uncertain and rejected say nothing new."""
    here = maker()
    identified = LastState.of(here.utterance(result(decision())))
    assert identified is not None
    assert valid("last", identified.to_json())["speaker"] == "Alice"
    stranger = LastState.of(here.utterance(result(decision("unknown"))))
    assert stranger is not None
    assert valid("last", stranger.to_json())["speaker"] == "unknown"
    assert LastState.of(here.utterance(result(decision("uncertain")))) is None
    assert LastState.of(here.utterance(result(decision("rejected")))) is None
    assert valid("last", here.nobody().to_json())["speaker"] == "nobody"


def test_a_person_is_on_or_off_and_hidden_where_names_are() -> None:
    state = maker({"p7c1e": "Alice"}).person("p7c1e", True, last_heard=NOW, score=0.7134, probability=float("nan"))
    assert state is not None
    assert valid("person", state.to_json()) == {
        "v": 1, "heard": "ON", "speaker": "Alice", "last_heard": timestamp(NOW), "score": 0.713,
    }  # fmt: skip
    never = maker({"p7c1e": "Alice"}, mqtt_names="alias").person("p7c1e", False)
    assert never is not None
    assert valid("person", never.to_json()) == {"v": 1, "heard": "OFF", "speaker": "p7c1e"}
    assert maker(mqtt_names="none").person("p7c1e", True) is None


def test_health_and_info_are_valid_full_and_bare() -> None:
    ts = timestamp(NOW)
    valid("health", HealthState(ts=ts, mic_problem=False).to_json())
    full = HealthState(ts=ts, mic_problem=True, mic_reason="no frames", latency_p95_ms=90, snr_db=-3.0, rss_mb=61.5,
                       security_warning="Everybody can read it.")  # fmt: skip
    assert valid("health", full.to_json())["mic_reason"] == "no frames"
    info = InfoState(
        node="kitchen", version="0.1.0", bundle="compact", bundle_version="1.0.0", encoder="ab12", runtime="litert",
        names="real", started=ts,
    )  # fmt: skip
    assert "room" not in valid("info", info.to_json())
