"""``earmark verify``: the exit code is the answer, and nothing more is promised than was measured."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from edge.auth.outcome import judge
from edge.records import Decision, Person, PersonScore, Result, Utterance
from tests.edge.cli.conftest import sound, speech
from tests.edge.cli.voice_bundle import ASSETS

KEYS = {
    "person", "outcome", "match", "probability", "threshold", "llr", "speech_seconds", "snr_db", "utterances",
    "reason", "class", "target_far", "model", "calibration", "playback",
}  # fmt: skip


def test_the_person_matches(earmark, state) -> None:
    done = earmark("verify", "Ada", ASSETS / "clip-1-ada.ogg", "--json")
    assert done.code == 0
    told = done.json
    assert set(told) == KEYS
    assert told["person"]["name"] == "Ada"
    assert (told["outcome"], told["match"], told["class"]) == ("match", True, "convenience")
    assert told["probability"] >= told["threshold"]
    assert told["target_far"] == 0.003
    assert told["model"] == "voices-1"


def test_the_sentence_names_the_target_and_never_says_secure(earmark, state) -> None:
    done = earmark("verify", "Ada", ASSETS / "clip-2-ada.ogg", "--profile", "relaxed")
    assert done.code == 0
    assert done.out.startswith("voice matches Ada (probability ")
    assert done.out.endswith("; target false accepts 1 %)\n")
    help_text = earmark("verify", "--help").out
    for word in ("secure", "authenticat", "safe"):
        assert word not in (done.out + done.err + help_text).lower()


@pytest.mark.parametrize("clip", ["clip-3-ben.ogg", "clip-6-stranger.ogg", "clip-7-stranger.ogg"])
def test_others_do_not_match(earmark, state, clip) -> None:
    done = earmark("verify", "Ada", ASSETS / clip, "--json")
    assert done.code == 1
    told = done.json
    assert (told["outcome"], told["match"]) == ("no_match", False)
    assert told["probability"] < told["threshold"]


def test_the_threshold_of_a_claim_does_not_depend_on_who_else_is_heard(earmark, state) -> None:
    thresholds = {
        earmark("verify", "Ada", ASSETS / clip, "--json").json["threshold"]
        for clip in ("clip-1-ada.ogg", "clip-3-ben.ogg", "clip-6-stranger.ogg")
    }
    assert len(thresholds) == 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("silence.wav", "silent"),
        ("short.wav", "too_short"),
        ("clipped.wav", "clipped"),
        ("noise.wav", "too_noisy"),
    ],
)
def test_no_decision_has_its_own_code_and_its_reason(earmark, state, odd, name, reason) -> None:
    done = earmark("verify", "Ada", odd / name, "--json")
    assert done.code == 3
    told = done.json
    assert (told["outcome"], told["match"], told["reason"]) == ("no_decision", False, reason)
    assert told["probability"] is None
    text = earmark("verify", "Ada", odd / name)
    assert text.code == 3
    assert text.out.startswith("no decision: ") and text.out.count("\n") == 1
    assert text.err.strip()


def test_music_is_no_decision(earmark, state, tmp_path) -> None:
    time = np.arange(4 * 16_000) / 16_000
    beeps = 0.2 * np.sin(2 * np.pi * 880 * time) * (time % 1 < 0.4)
    done = earmark("verify", "Ada", sound(tmp_path / "beeps.wav", beeps), "--json")
    assert done.code == 3
    assert done.json["reason"] == "not_speech"


def test_an_unknown_person_gets_the_nearest_name(earmark, state) -> None:
    done = earmark("verify", "Bem", ASSETS / "clip-3-ben.ogg")
    assert (done.code, done.err) == (2, "earmark: nobody called 'Bem' is enrolled. Did you mean Ben?\n")
    assert earmark("verify", "Bem", "x.wav", "--json").json["error"]["code"] == "unknown_person"


def test_a_file_that_is_no_audio_is_usage_and_not_a_no(earmark, state, odd) -> None:
    assert earmark("verify", "Ada", odd / "text.wav").code == 2
    assert earmark("verify", "Ada", odd / "missing.wav").code == 2


def test_it_stops_as_soon_as_it_is_sure(earmark, state, tmp_path) -> None:
    pause = np.zeros(16_000, np.float32)
    clip = speech("clip-1-ada.ogg")
    once = earmark("verify", "Ada", ASSETS / "clip-2-ada.ogg", "--json").json
    thrice = earmark(
        "verify", "Ada", sound(tmp_path / "thrice.wav", np.concatenate([clip, pause, clip, pause, clip])), "--json"
    ).json
    assert thrice["match"]
    assert thrice["utterances"] == once["utterances"] == 1


def test_the_timeout_bounds_how_much_sound_is_taken(earmark, state, tmp_path) -> None:
    late = np.concatenate([np.zeros(5 * 16_000, np.float32), speech("clip-1-ada.ogg")])
    path = sound(tmp_path / "late.wav", late)
    assert earmark("verify", "Ada", path).code == 0
    assert earmark("verify", "Ada", path, "--timeout", "3").code == 3


def test_raw_samples_may_come_through_a_pipe(start, state, tmp_path) -> None:
    raw = tmp_path / "clip.raw"
    raw.write_bytes((32767 * speech("clip-1-ada.ogg")).astype("<i2").tobytes())
    with raw.open("rb") as file:
        process = start("verify", "Ada", "-", "--json", stdin=file)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(out)["match"]


def test_any_rate_and_channels_will_do(earmark, state, tmp_path) -> None:
    clip = speech("clip-1-ada.ogg")
    stereo = np.repeat(np.stack([clip, 0.5 * clip], axis=1), 3, axis=0)
    path = tmp_path / "stereo48k.flac"
    soundfile.write(path, stereo, 48_000, subtype="PCM_24")
    assert earmark("verify", "Ada", path).code == 0


def test_a_profile_without_enough_trials_behind_it_is_refused(earmark, state) -> None:
    done = earmark("verify", "Ada", ASSETS / "clip-1-ada.ogg", "--profile", "strict")
    assert done.code == 2
    assert "2000 impostor trials" in done.err and "0.1 %" in done.err


def _result(outcome, probability=0.5, reason="", seconds=2.0):
    utterance = Utterance(np.zeros(32_000, np.float32), 0, 32_000, seconds, 20.0, -25.0, -10.0, 0.0, "silence")
    person = PersonScore("p0001", "Ada", 0.5, 1.0, probability)
    return Result(utterance, None, Decision(outcome, person, None, probability, 0.8, 1.0, (), reason))


@pytest.mark.parametrize(
    ("results", "outcome", "code", "reason"),
    [
        ([_result("unknown"), _result("identified", 0.9)], "match", 0, "accepted"),
        ([_result("unknown"), _result("uncertain", 0.6), _result("rejected")], "uncertain", 1, "uncertain"),
        ([_result("rejected", reason="too_short"), _result("unknown", 0.1)], "no_match", 1, "below_threshold"),
        ([_result("rejected", reason="too_short")], "no_decision", 3, "too_short"),
        ([], "no_decision", 3, "silent"),
    ],
)
def test_the_verdict_over_several_utterances(results, outcome, code, reason) -> None:
    verdict = judge(results, person=Person("p0001", "Ada", ""), profile="balanced", model="m", nothing="silent")
    assert (verdict.outcome, verdict.exit_code, verdict.reason) == (outcome, code, reason)


def test_uncertain_is_said_so(earmark) -> None:
    verdict = judge(
        [_result("uncertain", 0.62)], person=Person("p0001", "Ada", ""), profile="strict", model="m", nothing=""
    )
    told = "not sure enough that it is Ada (probability 0.62, 0.80 needed; target false accepts 0.1 %)"
    assert verdict.sentence() == told
