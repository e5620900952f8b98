"""``earmark enroll``: what is stored, what is refused, and that it always says why."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import soundfile

from edge.cli.enroll_mic import DIGITS
from edge.people import PeopleStore
from edge.spoof import Repeats
from tests.edge.cli.conftest import sound, speech
from tests.edge.cli.voice_bundle import ASSETS

ADA = sorted(ASSETS.glob("ada-enrol-*.ogg"))
BEN = sorted(ASSETS.glob("ben-enrol-*.ogg"))


def people(state):
    with PeopleStore(state) as store:
        return {person.name: person for person in store.people()}


def test_clips_make_a_person(earmark, tmp_path) -> None:
    done = earmark("enroll", "Ada", *ADA)
    assert done.code == 0
    assert done.out.count("good") >= 5
    assert "Ada is enrolled." in done.out
    assert "personal data" in done.err and "earmark people remove Ada" in done.err
    ada = people(tmp_path / "state")["Ada"]
    assert len(ada.exemplars) == done.out.count("good")
    assert {clip.microphone for clip in ada.exemplars} == {f"file:{path.name}" for path in ADA}


def test_json_tells_person_clips_and_progress(earmark, tmp_path) -> None:
    done = earmark("enroll", "Ben", *BEN, "--json", "--consent", "asked on Monday")
    assert done.code == 0
    told = done.json
    assert told["accepted"] and told["stored"] and told["new_clips"] == told["progress"]["clips"] >= 5
    assert told["person"] == {"id": people(tmp_path / "state")["Ben"].id, "name": "Ben"}
    assert told["progress"]["recognised"] == told["progress"]["clips"]
    refused = [clip for clip in told["clips"] if not clip["accepted"]]
    assert all(clip["reason"] and clip["hint"] for clip in refused)
    assert earmark("people", "show", "Ben", "--json").json["consent"] == "asked on Monday"


def test_a_folder_stands_for_its_recordings_and_odd_ones_get_a_line_each(earmark, odd) -> None:
    for path in ADA:
        (odd / path.name).write_bytes(path.read_bytes())
    done = earmark("enroll", "Ada", odd, "--json")
    told = done.json
    assert told["accepted"]
    assert sorted(p["message"].split("/")[-1].split()[0] for p in told["problems"]) == ["empty.wav", "text.wav"]
    reasons = {clip["source"].split("/")[-1].split()[0]: clip["reason"] for clip in told["clips"]}
    assert reasons["silence.wav"] == "silent"
    assert reasons["noise.wav"] == "too_noisy"
    assert reasons["clipped.wav"] == "clipped"
    assert reasons["telephone.wav"] == "narrow_band"
    assert "readme.txt" not in done.out + done.err


def test_a_second_person_is_refused_by_name_of_the_clip(earmark, tmp_path) -> None:
    done = earmark("enroll", "Ada", *ADA, BEN[0])
    assert done.code == 1
    assert "more than one person" in done.err and BEN[0].name in done.err
    assert people(tmp_path / "state") == {}


def test_a_second_person_can_be_left_out(earmark, tmp_path) -> None:
    done = earmark("enroll", "Ada", *ADA, BEN[0], "--skip-other-voice", "--json")
    assert done.code == 0
    assert len(people(tmp_path / "state")["Ada"].exemplars) == done.json["new_clips"] == done.json["progress"]["clips"]
    assert not {f"file:{BEN[0].name}"} & {e.microphone for e in people(tmp_path / "state")["Ada"].exemplars}


def test_too_little_speech_is_refused_with_the_clips_in_json_too(earmark, tmp_path) -> None:
    done = earmark("enroll", "Ada", ADA[0], "--json")
    assert done.code == 1
    told = done.json
    assert not told["accepted"]
    assert told["error"]["code"] == "enrolment" and "Too little" in told["error"]["message"]
    assert told["clips"][0]["accepted"]
    assert people(tmp_path / "state") == {}


def test_a_dry_run_stores_nothing(earmark, tmp_path) -> None:
    done = earmark("enroll", "Ada", *ADA, "--dry-run")
    assert done.code == 0
    assert "nothing was stored" in done.out
    assert people(tmp_path / "state") == {}


def test_somebody_enrolled_is_not_enrolled_again_without_add(earmark, state) -> None:
    done = earmark("enroll", "ada", *ADA)
    assert done.code == 2
    assert "Ada is enrolled already" in done.err and "--add" in done.err


def test_clips_can_be_added_and_count_once(earmark, state) -> None:
    before = len(people(state)["Ada"].exemplars)
    done = earmark("enroll", "Ada", "--add", ASSETS / "clip-1-ada.ogg", "--json")
    assert done.code == 0
    assert done.json["new_clips"] == 1
    assert len(people(state)["Ada"].exemplars) == before + 1
    again = earmark("enroll", "Ada", "--add", ASSETS / "clip-1-ada.ogg", "--json")
    assert again.code == 1
    assert again.json["clips"][0]["reason"] == "duplicate"


def test_another_voice_cannot_be_added(earmark, state) -> None:
    before = len(people(state)["Ada"].exemplars)
    done = earmark("enroll", "Ada", "--add", BEN[0])
    assert done.code == 1
    assert "other voice" in done.out
    assert len(people(state)["Ada"].exemplars) == before


def test_adding_to_nobody_names_the_nearest(earmark, state) -> None:
    done = earmark("enroll", "Adda", "--add", ADA[0])
    assert (done.code, done.err) == (2, "earmark: nobody called 'Adda' is enrolled. Did you mean Ada?\n")


def test_a_voice_that_is_enrolled_already_needs_a_word(earmark, state) -> None:
    done = earmark("enroll", "Eve", *ADA)
    assert done.code == 1
    assert "sounds like Ada" in done.err
    assert earmark("enroll", "Eve", *ADA, "--same-as-other").code == 0


def test_a_reason_can_be_allowed(earmark, tmp_path) -> None:
    rng = np.random.default_rng(3)
    clips = []
    for path in ADA:
        samples = speech(path.name)
        noisy = samples + rng.normal(0, 0.3 * np.sqrt(np.mean(samples**2)), len(samples))
        clips.append(sound(tmp_path / f"{path.stem}.wav", noisy))
    refused = earmark("enroll", "Ada", *clips, "--json").json
    assert "too_noisy" in {clip["reason"] for clip in refused["clips"]}
    allowed = earmark("enroll", "Ada", *clips, "--json", "--allow", "too_noisy", "--dry-run").json
    assert "too_noisy" not in {clip["reason"] for clip in allowed["clips"]}
    assert allowed["progress"]["clips"] > refused["progress"]["clips"]


def test_that_it_is_speech_cannot_be_waived(earmark) -> None:
    done = earmark("enroll", "Ada", ADA[0], "--allow", "not_speech")
    assert done.code == 2
    assert "not_speech" in done.err


@pytest.mark.parametrize("name", ["a/b", "unknown", "", "x" * 40])
def test_a_name_that_will_not_do_is_a_matter_of_usage(earmark, name) -> None:
    assert earmark("enroll", name, ADA[0]).code == 2


def test_a_single_file_that_is_missing_is_one_sentence(earmark) -> None:
    done = earmark("enroll", "Ada", "/nowhere.wav", "--quiet")
    assert (done.code, done.err) == (2, "earmark: /nowhere.wav does not exist.\n")


def test_clips_may_come_through_a_pipe(start, tmp_path) -> None:
    joined = np.concatenate([np.concatenate([speech(path.name), np.zeros(16_000, np.float32)]) for path in ADA])
    with (tmp_path / "all.wav").open("w+b") as file:
        soundfile.write(file, joined, 16_000, format="WAV", subtype="PCM_16")
        file.seek(0)
        process = start("enroll", "Ada", "-", "--quiet", stdin=file)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Ada is enrolled." in out


def test_a_name_with_spaces_is_quoted_where_it_is_to_be_typed(earmark, tmp_path) -> None:
    done = earmark("enroll", "Ada L.", *ADA)
    assert done.code == 0
    assert "`earmark people remove 'Ada L.'`" in done.err
    assert "`earmark people remove 'Ada L.'`" in earmark("enroll", "Ada L.", *ADA).err


def test_the_bundled_baseline_can_enrol_and_says_what_to_expect(earmark) -> None:
    done = earmark("enroll", "Ada", *ADA, "--bundle", "baseline")
    assert done.code == 0
    assert "Expect uncertain answers" in done.err
    (line, *_) = earmark("identify", ASSETS / "clip-1-ada.ogg", "--bundle", "baseline", "--json").lines
    assert line["outcome"] in {"identified", "uncertain", "unknown"}
    assert 0 < line["probability"] < 1


def test_a_recording_that_enrolled_somebody_is_known_when_it_is_played(earmark, state) -> None:
    done = earmark("verify", "Ada", ADA[0], "--json")
    assert done.code == 7
    assert done.json["reason"] == "repeat" and done.json["repeat"]["kind"] == "enrolment"


def test_a_copy_of_an_earlier_recording_cannot_be_added(earmark, state, tmp_path) -> None:
    copy = sound(tmp_path / "copy.wav", 0.7 * speech(ADA[0].name)[300:])
    done = earmark("enroll", "Ada", "--add", copy, "--json")
    assert done.code == 1
    assert {clip["reason"] for clip in done.json["clips"]} == {"duplicate"}


def test_a_dry_run_leaves_no_fingerprint(earmark, tmp_path) -> None:
    assert earmark("enroll", "Ada", *ADA, "--dry-run").code == 0
    assert not (tmp_path / "state" / "repeats.sqlite").exists()


def test_removing_somebody_forgets_their_recordings(earmark, state) -> None:
    with Repeats(state) as repeats:
        before = len(repeats)
    assert earmark("people", "remove", "Ada", "--yes").code == 0
    with Repeats(state) as repeats:
        assert 0 < len(repeats) < before
        assert all(repeats.seen(speech(path.name)) is None for path in ADA)


def test_every_clip_has_its_microphone_and_date_and_a_second_session_is_advised(earmark, tmp_path) -> None:
    done = earmark("enroll", "Ada", *ADA)
    assert "second session" in done.err
    shown = earmark("people", "show", "Ada")
    assert "recorded in 1 session; two" in shown.out
    assert all(f"file:{path.name}" in shown.out for path in ADA)
    told = earmark("people", "show", "Ada", "--json").json
    assert told["sessions"] == 1
    assert all(clip["created"].startswith("20") and clip["microphone"] for clip in told["exemplars"])


def test_digits_are_asked_for_at_the_microphone(earmark) -> None:
    assert Counter("".join(DIGITS).replace(" ", "")) == Counter(3 * "0123456789")
    done = earmark("enroll", "Ada", ADA[0], "--digits")
    assert done.code == 2 and "--mic" in done.err
