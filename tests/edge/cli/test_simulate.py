"""``earmark simulate``: the device's own events, odd files, truth, files and a real broker."""

from __future__ import annotations

import json
import time

import jsonschema
import numpy as np
import pytest

from edge.cli.truth import Truth
from edge.errors import UsageError
from edge.events import schema
from edge.outbox import Outbox
from edge.records import Decision, PersonScore, Result, Utterance
from tests.broker import Listener, Mosquitto, free_port, wait_for
from tests.edge.cli.conftest import sound, speech
from tests.edge.cli.voice_bundle import ASSETS

STREAM = ASSETS / "stream.ogg"


@pytest.fixture(scope="module")
def evening(tmp_path_factory):
    """Ada, a stranger, Ben, with pauses; and the truth about it."""
    folder = tmp_path_factory.mktemp("evening")
    pieces, segments, at = [], [], 0.0
    for name, who in (("clip-1-ada.ogg", "Ada"), ("clip-6-stranger.ogg", "guest"), ("clip-3-ben.ogg", "Ben")):
        clip = speech(name)
        pieces += [np.zeros(32_000, np.float32), clip]
        segments.append({"start": at + 2.0, "end": at + 2.0 + len(clip) / 16_000, "who": who})
        at += 2.0 + len(clip) / 16_000
    (folder / "truth.json").write_text(json.dumps({"segments": segments}))
    return sound(folder / "evening.wav", np.concatenate(pieces)), folder / "truth.json"


def events(done):
    return [line for line in done.lines if "event_type" in line]


def summary(done):
    assert set(done.lines[-1]) == {"summary"}
    return done.lines[-1]["summary"]


def test_json_lines_are_the_payloads_of_mqtt_and_a_summary(earmark, state, evening) -> None:
    recording, _ = evening
    done = earmark("simulate", recording, "--json")
    assert done.code == 0
    heard = events(done)
    for event in heard:
        jsonschema.validate(event, schema("utterance"))
    assert [e["speaker"] for e in heard if e["event_type"] == "identified"] == ["Ada", "Ben"]
    assert all(e["source"] == "file:evening.wav" for e in heard)
    assert [e["at_s"] for e in heard] == sorted(e["at_s"] for e in heard)
    assert 1.0 < heard[0]["at_s"] < 3.0
    told = summary(done)
    assert told["files"] == 1 and told["problems"] == 0
    assert told["utterances"] == len(heard)
    assert told["identified"] == 2 and told["unknown"] == len(heard) - 2
    assert told["audio_seconds"] == pytest.approx(17, abs=1)
    assert told["cpu_ms_per_s"] > 0 and told["real_time_factor"] > 0


def test_text_is_a_line_an_event_and_a_summary(earmark, state, evening) -> None:
    done = earmark("simulate", evening[0])
    *lines, last = done.out.splitlines()
    assert any("identified  Ada" in line for line in lines)
    assert "1 file, " in last and "2 identified" in last and "ms of CPU per second of audio" in last


def test_the_truth_gives_a_score(earmark, state, evening) -> None:
    recording, truth = evening
    done = earmark("simulate", recording, "--truth", truth, "--json")
    score = summary(done)["truth"]
    assert score["right"] == 2 and score["wrong"] == score["missed"] == score["false_names"] == 0
    assert score["refused"] >= 1
    assert score["unheard"] == 0
    assert "got the right name" in earmark("simulate", recording, "--truth", truth).out


def test_the_truth_of_the_demo_is_understood(earmark, state) -> None:
    done = earmark("simulate", ASSETS / "clip-1-ada.ogg", ASSETS / "clip-8-stranger.ogg", "--truth",
                   ASSETS / "index.json", "--json")  # fmt: skip
    score = summary(done)["truth"]
    assert score["right"] >= 1 and score["refused"] >= 1


def test_odd_files_get_one_clear_line_each_and_never_stop_the_run(earmark, state, odd) -> None:
    done = earmark("simulate", odd)
    assert done.code == 0
    for name, words in (
        ("empty.wav", "is empty"),
        ("text.wav", "is not audio that Earmark can read"),
        ("silence.wav", "nothing was heard"),
        ("short.wav", "there was too little speech"),
        ("noise.wav", "no speech stands out from the noise"),
    ):
        assert len([line for line in done.err.splitlines() if name in line and words in line]) == 1, (name, done.err)
    assert "readme.txt" not in done.err
    assert "identified  Ada" in done.out  # the MP3 that is called .wav
    assert "clipped" in done.out
    assert "6 files" in done.out


def test_odd_files_are_objects_in_json(earmark, state, odd) -> None:
    errors = {
        line["source"].split("/")[-1] or line["error"]["message"].split()[0].split("/")[-1]: line["error"]
        for line in earmark("simulate", odd, "--json").lines
        if "error" in line
    }
    assert errors["silence.wav"] == {
        "code": "audio_rejected",
        "message": f"{odd / 'silence.wav'}: nothing was heard",
        "remedy": errors["silence.wav"]["remedy"],
        "reason": "silent",
    }
    assert errors["text.wav"]["code"] == "audio_file"


def test_without_any_readable_file_it_is_usage(earmark, state, odd) -> None:
    one = earmark("simulate", odd / "text.wav")
    assert one.code == 2
    assert one.err.count("\n") == 1
    two = earmark("simulate", odd / "text.wav", odd / "empty.wav")
    assert two.code == 2
    assert two.err.splitlines()[-1].startswith("earmark: None of the sources can be read")


def test_events_go_into_a_file_too(earmark, state, tmp_path) -> None:
    out = tmp_path / "events.jsonl"
    done = earmark("simulate", ASSETS / "clip-1-ada.ogg", "--json", "--out", out)
    assert [json.loads(line) for line in out.read_text().splitlines()] == events(done)


def test_the_page_shows_files_people_truth_and_what_could_not_be_heard(earmark, state, evening, odd, tmp_path) -> None:
    recording, truth = evening
    page = tmp_path / "page.html"
    done = earmark("simulate", recording, odd, "--truth", truth, "--report", page)
    assert done.code == 0, done.err
    text = page.read_text(encoding="utf-8")
    assert "evening.wav" in text and ">Ada<" in text and "stranger, rightly not named" in text
    assert "silence.wav" in text and "No utterance was found." in text
    assert [path.name for path in tmp_path.iterdir() if "page" in path.name] == ["page.html"]


def test_a_page_where_there_is_no_folder_is_usage_before_anything_is_played(earmark, state, evening, tmp_path) -> None:
    done = earmark("simulate", evening[0], "--report", tmp_path / "nowhere" / "page.html")
    assert done.code == 2 and "no folder" in done.err and not done.out


def test_names_stay_private_where_the_settings_say_so(earmark, state, monkeypatch) -> None:
    monkeypatch.setenv("EARMARK_PRIVACY__MQTT_NAMES", "none")
    done = earmark("simulate", ASSETS / "clip-1-ada.ogg", "--json")
    assert "Ada" not in json.dumps(events(done))
    assert events(done)[0]["speaker"] == "somebody"


def test_realtime_takes_the_time_that_speech_takes(earmark, state, tmp_path) -> None:
    path = sound(tmp_path / "short.wav", speech("clip-1-ada.ogg")[:24_000])
    begun = time.monotonic()
    assert earmark("simulate", path, "--realtime").code == 0
    assert time.monotonic() - begun >= 1.4


@pytest.mark.broker
def test_everything_reaches_a_real_broker(earmark, state, tmp_path, monkeypatch) -> None:
    broker = Mosquitto(tmp_path)
    broker.start()
    monkeypatch.setenv("EARMARK_MQTT__PORT", str(broker.port))
    monkeypatch.setenv("EARMARK_NODE__NAME", "kitchen")
    listener = Listener(broker.port)
    done = earmark("simulate", ASSETS / "clip-1-ada.ogg", ASSETS / "clip-6-stranger.ogg", "--mqtt", "--json")
    assert done.code == 0, done.err

    def payloads(topic):
        return [json.loads(m.payload) for m in list(listener.heard) if m.topic == topic]

    wait_for(lambda: len(payloads("earmark/kitchen/utterance")) >= len(events(done)), "the events arrive")
    assert payloads("earmark/kitchen/utterance") == events(done)
    assert payloads("earmark/kitchen/last")[-1]["event_type"] == "unknown"
    ada = events(done)[0]["speaker_id"]
    assert payloads(f"earmark/kitchen/person/{ada}/state")[-1]["heard"] == "ON"
    with_outbox = Outbox(state / "outbox.sqlite")
    assert with_outbox.counters.pending == 0
    with_outbox.close()
    listener.close()
    broker.stop()


def test_without_a_broker_it_says_so_and_keeps_the_events(earmark, state, monkeypatch) -> None:
    monkeypatch.setattr("edge.cli.delivery._DRAIN_SECONDS", 0.5)
    port = free_port()
    monkeypatch.setenv("EARMARK_MQTT__PORT", str(port))
    done = earmark("simulate", ASSETS / "clip-1-ada.ogg", "--mqtt", "--json")
    assert done.code == 5
    error = done.lines[-1]["error"]
    assert error["code"] == "broker" and f"127.0.0.1:{port}" in error["message"] and "outbox" in error["remedy"]
    assert any("summary" in line for line in done.lines)
    outbox = Outbox(state / "outbox.sqlite")
    waiting = [message.topic for _, message in outbox.pending()]
    outbox.close()
    assert "earmark/earmark/utterance" in waiting


def test_a_running_daemon_is_not_disturbed(earmark, state) -> None:
    from edge.instance import SingleInstance

    with SingleInstance(state):
        done = earmark("simulate", ASSETS / "clip-1-ada.ogg", "--mqtt")
    assert done.code == 5
    assert "Another Earmark runs" in done.err


def result(start: float, end: float, name: str = "", outcome: str = "unknown", reason: str = "") -> Result:
    heard = Utterance(np.zeros(1, np.float32), round(16_000 * start), round(16_000 * end), 1, 20, -25, -9, 0, "silence")
    best = PersonScore("p0001", name, 0.9, 9.0, 0.99) if name else None
    return Result(heard, None, Decision("identified" if name else outcome, best, None, 0.9, 0.8, 1.0, (), reason))


def test_truth_counts_by_the_voice_that_is_heard_longest(tmp_path) -> None:
    path = tmp_path / "truth.json"
    segments = [(0, 2, "Ada"), (2, 4, "noise"), (4, 6, "guest"), (6, 8, "Ben"), (8, 9, "Ada")]
    path.write_text(json.dumps({"segments": [{"start": a, "end": b, "who": who} for a, b, who in segments]}))
    truth = Truth.load(path)
    for heard in (
        result(0.0, 2.5, "Ada"),
        result(1.0, 1.9, "Ben"),
        result(2.5, 3.5, "Ben"),
        result(2.6, 3.4, outcome="rejected", reason="not_speech"),
        result(3.9, 5.5, "Ada"),
        result(4.5, 5.5),
        result(6.1, 7.0, outcome="uncertain"),
        result(20.0, 21.0),
    ):
        truth.judge("any.wav", heard, {"Ada", "Ben"})
    score = truth.finish()
    assert (score.right, score.wrong, score.missed) == (1, 1, 1)
    assert (score.false_names, score.refused) == (1, 1)
    assert (score.noise, score.noise_named) == (2, 1)
    assert score.unheard == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"segments": [{"start": 1}]}', '{"clips": 3}', "no json"])
def test_a_truth_of_another_form_is_usage(tmp_path, text) -> None:
    path = tmp_path / "truth.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"truth\.json"):
        Truth.load(path)
    with pytest.raises(UsageError, match="cannot be read"):
        Truth.load(tmp_path / "missing.json")
