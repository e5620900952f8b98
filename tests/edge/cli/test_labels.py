"""Gender and emotion in the commands: ``simulate``, ``identify`` and ``doctor`` with a made-up pack."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from edge.bundle import open_bundle
from edge.events import schema
from edge.settings import Models
from tests.edge.cli.conftest import Done, sound, speech
from tests.edge.cli.voice_bundle import ASSETS
from tests.edge.made_labels import EMOTION, GENDER, make_pack

OPTIONS = {"gender": {"female", "male", "unsure"}, "emotion": {"neutral", "happy", "sad", "angry", "unsure"}}
ADA = ASSETS / "clip-1-ada.ogg"


@pytest.fixture(scope="module")
def pack(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pack(tmp_path_factory.mktemp("bundles") / "made-up", bundle, 38, loudness=30.0)


@pytest.fixture
def switched_on(earmark: Callable[..., Done], state: Path, pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that a household needs to write."""
    monkeypatch.setenv("EARMARK_BUNDLES", str(pack.parent))
    monkeypatch.setenv("EARMARK_MODELS__PACKS", "made-up")
    for key in ("GENDER", "EMOTION", "LABELS_ACKNOWLEDGED"):
        monkeypatch.setenv(f"EARMARK_PRIVACY__{key}", "true")


def test_simulate_tells_with_each_event_how_the_voice_sounds(earmark, switched_on, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("EARMARK_DECIDE__MIN_SPEECH_SECONDS", "0.7")
    short = sound(tmp_path / "short.wav", speech("clip-1-ada.ogg")[8_000:17_000])
    done = earmark("simulate", ADA, short, "--json")
    assert done.code == 0
    events = [line for line in done.lines if "event_type" in line]
    heard = [event for event in events if event["event_type"] != "rejected"]
    assert heard and len(events) > len(heard)
    for event in events:
        jsonschema.validate(event, schema("utterance"))
        for kind, options in OPTIONS.items():
            if event in heard:
                assert event[kind] in options
                assert 0 < event[f"{kind}_p"] < 1
            else:
                assert kind not in event, "audio that allows no statement allows none about this either"
    text = earmark("simulate", ADA).out
    assert f"gender {heard[0]['gender']}" in text


def test_simulate_and_the_library_agree(earmark, switched_on, bundle, pack) -> None:
    """The very same numbers, whatever way the sound takes: one utterance here, fed as a stream there."""
    opened = open_bundle(bundle, Models(packs=(str(pack),)))
    line = next(one for one in earmark("identify", ADA, "--json").lines if one.get("person"))
    samples = speech("clip-1-ada.ogg")[round(line["start_s"] * 16_000) : round(line["end_s"] * 16_000)]
    found = opened.gender(samples)
    assert line["gender_p"] == pytest.approx(max(found.values()), abs=0.05)
    assert line["gender"] in {max(found, key=found.get), "unsure"}
    assert line["emotion"] in OPTIONS["emotion"]


def test_identify_says_why_it_is_unsure(earmark, switched_on, bundle, tmp_path, monkeypatch) -> None:
    wary = {"gender": GENDER | {"unsure_below": 1.0}, "emotion": EMOTION | {"min_snr_db": 60}}
    folder = make_pack(tmp_path / "wary", bundle, 38, wary, loudness=30.0, name="wary")
    monkeypatch.setenv("EARMARK_MODELS__PACKS", str(folder))
    line = next(one for one in earmark("identify", ADA, "--json").lines if one.get("person"))
    assert (line["gender"], line["gender_reason"]) == ("unsure", "low_probability")
    assert (line["emotion"], line["emotion_reason"]) == ("unsure", "too_noisy")
    assert "gender unsure, emotion unsure" in earmark("identify", ADA).out


def test_switched_off_nothing_is_said(earmark, switched_on, monkeypatch) -> None:
    for key in ("GENDER", "EMOTION"):
        monkeypatch.setenv(f"EARMARK_PRIVACY__{key}", "false")
    done = earmark("identify", ADA, "--json")
    assert not any(key.startswith(("gender", "emotion")) for line in done.lines for key in line)
    assert "privacy." not in done.err


@pytest.mark.parametrize("command", ["identify", "simulate"])
def test_without_acknowledgement_or_head_it_is_not_told_and_said_why(
    earmark, switched_on, monkeypatch, command
) -> None:
    monkeypatch.setenv("EARMARK_PRIVACY__LABELS_ACKNOWLEDGED", "false")
    done = earmark(command, ADA, "--json")
    assert done.code == 0
    assert "not yet acknowledged" in done.err
    assert "set privacy.labels_acknowledged: true" in done.err
    assert not any("gender" in line for line in done.lines)
    monkeypatch.setenv("EARMARK_MODELS__PACKS", "")
    assert "gender is switched on (privacy.gender), but neither" in earmark(command, ADA).err


def test_another_bundle_with_the_pack_is_refused_in_one_sentence(earmark, switched_on) -> None:
    done = earmark("identify", ADA, "--bundle", "baseline")
    assert done.code == 5
    assert "the pack made-up does not fit the bundle baseline" in done.err


def checked(done: Done) -> dict:
    (finding,) = [one for one in done.json["checks"] if one["name"] == "labels"]
    return finding


def test_doctor_lists_packs_with_licence_and_says_what_is_told(earmark, switched_on, monkeypatch) -> None:
    done = earmark("doctor", "--only", "labels")
    assert done.code == 0
    assert "Gender and emotion of voices are told, by the bundle voices and the pack made-up." in done.out
    assert "made-up 1.2: tells gender and emotion, for voices; CC-BY-NC-SA-4.0; in use" in done.out
    finding = checked(earmark("doctor", "--only", "labels", "--json"))
    assert finding["facts"]["told"] == ["gender", "emotion"]
    (own,) = (one for one in finding["facts"]["packs"] if one["name"] == "made-up")
    assert own["must_not_be_used_for"] == ["anything else"]
    monkeypatch.setenv("EARMARK_PRIVACY__LABELS_ACKNOWLEDGED", "no")
    finding = checked(earmark("doctor", "--only", "labels", "--json"))
    assert finding["status"] == "warn"
    assert "labels_acknowledged: true" in finding["remedy"]
    for key in ("GENDER", "EMOTION"):
        monkeypatch.setenv(f"EARMARK_PRIVACY__{key}", "no")
    monkeypatch.setenv("EARMARK_MODELS__PACKS", "")
    finding = checked(earmark("doctor", "--only", "labels", "--json"))
    assert (finding["status"], finding["sentence"]) == ("ok", "Gender and emotion are switched off.")


def test_the_demonstration_shows_it_where_it_is_asked_for(earmark, bundle, pack, tmp_path) -> None:
    place = ["--bundle", bundle, "--out", tmp_path / "events.jsonl"]
    without = earmark("demo", "--labels", *place)
    assert without.code == 2
    assert "tells neither gender nor emotion" in without.err
    done = earmark("demo", "--pack", pack, *place)
    assert " sounds " in done.out.splitlines()[0]
    *events, _ = (json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines())
    heard = [event for event in events if event["event_type"] != "rejected"]
    assert {event["gender"] for event in heard} <= OPTIONS["gender"]
    assert f"{heard[0]['gender']}, {heard[0]['emotion']}" in done.out


def test_doctor_names_a_pack_that_does_not_fit(earmark, switched_on) -> None:
    done = earmark("doctor", "--only", "labels", "--bundle", "baseline")
    assert done.code == 5
    assert "does not fit the bundle baseline" in done.out
    assert "->" in done.out


def test_enrolling_has_no_use_for_packs(earmark, switched_on, monkeypatch) -> None:
    monkeypatch.setenv("EARMARK_MODELS__PACKS", "not-there")
    clips = sorted(ASSETS.glob("ben-enrol-*.ogg"))
    assert json.loads(earmark("enroll", "Zoe", *clips, "--json").out.splitlines()[-1])
