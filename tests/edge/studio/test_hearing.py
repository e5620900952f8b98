"""A clip from the browser goes through the pipeline of the commands, and every fault of it is a sentence."""

from __future__ import annotations

import io
import json
import re

import numpy as np
import pytest
import soundfile

from edge.cli import main
from edge.errors import AudioFileError
from edge.records import SAMPLE_RATE
from edge.studio.hearing import LONGEST_SECONDS, hear, telling
from edge.studio.uploads import in_memory
from tests.edge.cli.voice_bundle import ASSETS

ADA = (ASSETS / "clip-1-ada.ogg").read_bytes()


def wav(samples: np.ndarray, kind: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE, format=kind)
    return file.getvalue()


def test_it_says_what_simulate_says(session, bundle, state, capsys):
    for clip in ("clip-1-ada.ogg", "clip-3-ben.ogg", "clip-5-stranger.ogg"):
        heard = hear(session, (ASSETS / clip).read_bytes(), clip)
        capsys.readouterr()
        place = ["--state", str(state), "--bundle", str(bundle)]
        assert main(["simulate", str(ASSETS / clip), "--json", *place]) == 0
        *events, _ = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [event["event_type"] for event in events] == [result.decision.outcome for result in heard.results]
        assert [event["probability"] for event in events] == pytest.approx(
            [result.decision.probability for result in heard.results], abs=1e-3
        )


def test_who_is_named_passes_the_upper_threshold(session):
    heard = hear(session, ADA, "ada.ogg")
    decision = heard.results[0].decision
    assert decision.outcome == "identified" and decision.best and decision.best.name == "Ada"
    reject, accept = heard.thresholds
    assert reject <= accept <= decision.best.llr
    assert len(heard.samples) / SAMPLE_RATE == pytest.approx(
        soundfile.info(ASSETS / "clip-1-ada.ogg").duration, abs=0.1
    )


def test_there_are_no_thresholds_where_nobody_is_enrolled(session):
    for person in session.store.people():
        session.store.remove(person.id)
    heard = hear(session, ADA, "ada.ogg")
    assert heard.thresholds is None and heard.results[0].decision.outcome == "unknown"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "voice.wav is empty"),
        (b"no sound at all " * 40, "voice.wav is not audio that Earmark can read"),
        (b"RIFF\xff\xff\xff\xffWAVEfmt ", "voice.wav is damaged"),
        (wav(np.zeros(0, np.float32)), "voice.wav contains no sound"),
        (b"\0\0\0\x20ftypM4A \0\0\0\0" + bytes(64), "ffmpeg -i voice.wav voice-pcm.wav|ffmpeg -i voice.wav voice.wav"),
    ],
    ids=["empty", "text", "broken", "header only", "m4a"],
)
def test_an_unreadable_upload_is_refused_under_its_own_name(session, data, words):
    with pytest.raises(AudioFileError) as caught:
        hear(session, data, "voice.wav")
    assert re.search(words, caught.value.sentence()), caught.value.sentence()
    assert "/proc" not in caught.value.sentence()


def test_the_content_decides_and_not_the_name(session):
    samples, _ = soundfile.read(ASSETS / "clip-1-ada.ogg", dtype="float32")
    heard = hear(session, wav(samples, "MP3"), "really-an-mp3.wav")
    assert heard.results[0].decision.best.name == "Ada"


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(3 * SAMPLE_RATE, np.float32), "silent"),
        (np.full(SAMPLE_RATE // 10, 0.1, np.float32), "too_short"),
        (np.random.default_rng(1).normal(0, 0.1, 4 * SAMPLE_RATE).astype(np.float32), "too_noisy"),
    ],
    ids=["silent", "short", "noise"],
)
def test_no_utterance_comes_with_the_reason(session, samples, reason):
    heard = hear(session, wav(samples), "quiet.wav")
    assert heard.results == () and heard.reason == reason
    assert "quiet.wav" in heard.nothing.cause and heard.nothing.remedy


def test_a_long_recording_is_cut_and_that_is_said(session, monkeypatch):
    monkeypatch.setattr("edge.studio.hearing.LONGEST_SECONDS", 2.0)
    heard = hear(session, ADA, "ada.ogg")
    assert len(heard.samples) < 3 * SAMPLE_RATE
    assert any("first 2 seconds" in note for note in heard.notes)
    assert LONGEST_SECONDS >= 60


def test_nothing_of_a_clip_reaches_a_disk(session, state, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    hear(session, ADA, "ada.ogg")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before
    with in_memory(b"abc", "x") as path:
        target = path.readlink()
        assert str(target).startswith("/memfd:") and path.read_bytes() == b"abc"
    assert not path.exists() or path.readlink() != target


def test_gender_and_emotion_are_told_only_to_whom_asks(session):
    asked = telling(session.settings, gender=True, emotion=False).privacy
    assert (asked.gender, asked.emotion, asked.labels_acknowledged) == (True, False, True)
    quiet = telling(asked_settings := telling(session.settings, gender=True, emotion=True), gender=False, emotion=False)
    assert not quiet.privacy.labels_acknowledged and asked_settings.privacy.emotion
