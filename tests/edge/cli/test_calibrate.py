"""``earmark calibrate``: what a household learns, when it refuses, and that every command uses it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import seal
from edge.calibrate.kept import FILE_NAME
from edge.people import PeopleStore
from tests.edge.cli.conftest import sound, speech
from tests.edge.cli.voice_bundle import ASSETS

ADA = ASSETS / "clip-1-ada.ogg"


def anew(bundle: Path, folder: Path, changes: dict[str, object]) -> Path:
    """The same encoder under another calibration."""
    shutil.copytree(bundle, folder)
    card = json.loads((bundle / "card.json").read_text())
    seal(folder, card | {"calibration": card["calibration"] | changes})
    return folder


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """A folder for each of Ada, a guest and somebody whose only file is no sound."""
    folder = tmp_path / "recordings"
    for name, clips in {"ADA": ("clip-1-ada", "clip-2-ada"), "guest": ("clip-5-stranger", "clip-6-stranger")}.items():
        (folder / name).mkdir(parents=True)
        for clip in clips:
            shutil.copy(ASSETS / f"{clip}.ogg", folder / name)
    (folder / "nobody").mkdir()
    (folder / "nobody" / "text.wav").write_text("this is no sound")
    return folder


def test_a_household_calibrates_and_every_command_uses_it(earmark, state) -> None:
    before = earmark("verify", "Ada", ADA, "--json").json
    done = earmark("calibrate", "--json")
    assert done.code == 0
    told = done.json
    assert (told["stored"], told["people"]) == (True, 2)
    assert [point["profile"] for point in told["points"]] == ["relaxed", "balanced", "strict", None]
    # Each clip against the other's template, and four strangers of the cohort against both.
    assert (told["impostor_voices"], told["impostor_trials"]) == (6, told["clips"] + 8)
    after = earmark("verify", "Ada", ADA, "--json").json
    made = told["correction"]
    assert (before["calibration"], after["calibration"]) == ("bundle", "household")
    assert after["llr"] == pytest.approx(made["shift"] + made["slope"] * before["llr"], abs=2e-3)
    assert after["llr"] != before["llr"]
    assert earmark("identify", ADA, "--json").json["calibration"] == "household"
    assert earmark("calibrate", "--show", "--json").json["stale"] is None
    doctor = earmark("doctor", "--only", "calibration", "--json").json["checks"][0]
    assert (doctor["status"], doctor["facts"]["calibration"]) == ("ok", "household")


def test_it_tells_bounds_trials_and_voices_in_words(earmark, state) -> None:
    done = earmark("calibrate")
    assert done.code == 0
    assert "refused when asked" in done.out
    assert "strict (0.1 %): refused," in done.out
    assert "impostor trials by 6 voices, 2 of them heard here." in done.out
    assert "Trials of one voice are not independent" in done.err
    for word in ("secure", "authenticat"):
        assert word not in done.out + done.err + earmark("calibrate", "--help").out


def test_a_dry_run_stores_nothing(earmark, state) -> None:
    assert earmark("calibrate", "--dry-run", "--json").json["stored"] is False
    assert not (state / FILE_NAME).exists()


def test_reset_takes_it_back(earmark, state) -> None:
    earmark("calibrate")
    assert earmark("calibrate", "--reset", "--json").json == {"removed": True}
    assert earmark("calibrate", "--reset", "--json").json == {"removed": False}
    assert earmark("verify", "Ada", ADA, "--json").json["calibration"] == "bundle"
    assert "is in force as it is" in earmark("calibrate", "--show").out


def test_clips_named_add_trials_and_voices(earmark, state, recordings) -> None:
    plain = earmark("calibrate", "--dry-run", "--json").json
    done = earmark("calibrate", "--clips", recordings, "--json")
    assert done.code == 0
    assert "text.wav" in done.err
    assert done.json["clips"] == plain["clips"] + 2
    assert done.json["impostor_voices"] == plain["impostor_voices"] + 1
    assert done.json["impostor_trials"] == plain["impostor_trials"] + 2 + 4
    assert done.json["correction"]["weight"] > plain["correction"]["weight"]


def test_a_clip_of_the_enrolment_does_not_count_again(earmark, state, tmp_path) -> None:
    (tmp_path / "again" / "Ada").mkdir(parents=True)
    shutil.copy(ASSETS / "ada-enrol-1.ogg", tmp_path / "again" / "Ada")
    done = earmark("calibrate", "--clips", tmp_path / "again")
    assert done.code == 2
    assert "left out" in done.err


@pytest.mark.parametrize("folder", ["gone", "empty"])
def test_a_folder_without_people_is_usage(earmark, state, tmp_path, folder) -> None:
    (tmp_path / "empty").mkdir()
    done = earmark("calibrate", "--clips", tmp_path / folder)
    assert done.code == 2
    assert "FOLDER/Ada/one.wav" in done.err


def test_one_person_enrolled_twice_is_named_and_nothing_stored(earmark, state) -> None:
    clips = sorted(ASSETS.glob("ada-enrol-*.ogg"))
    assert earmark("enroll", "Eve", *clips, "--same-as-other").code == 0
    done = earmark("calibrate", "--json")
    assert done.code == 1
    error = done.json["error"]
    assert error["code"] == "calibration"
    assert "Ada" in error["message"] and "Eve" in error["message"] and " of 5 clips" in error["message"]
    assert "earmark people remove" in error["remedy"]
    assert not (state / FILE_NAME).exists()


def test_nobody_and_too_few_clips_are_refused(earmark, state, tmp_path) -> None:
    done = earmark("calibrate", "--state", tmp_path / "fresh")
    assert (done.code, "Nobody is enrolled" in done.err) == (1, True)
    with PeopleStore(state) as store:
        everybody = store.people()
        for person in everybody:
            store.add_exemplars(person.id, [replace(person.exemplars[0], digest="one")], replace=True)
    done = earmark("calibrate")
    assert (done.code, "Too few clips" in done.err) == (1, True)
    assert not (state / FILE_NAME).exists()


def test_strict_is_refused_without_the_trials_to_show_it(earmark, state, bundle, tmp_path) -> None:
    """Even where the bundle itself supports it; at other profiles the correction does not reach to it."""
    sure = anew(bundle, tmp_path / "sure", {"trials": 50_000})
    done = earmark("calibrate", "--bundle", sure, "--profile", "strict", "--json")
    assert done.code == 1
    assert "2981 more are needed" in done.json["error"]["message"]
    assert not (state / FILE_NAME).exists()
    assert earmark("calibrate", "--bundle", sure).code == 0
    calibrations = {
        profile: earmark("verify", "Ada", ADA, "--bundle", sure, "--profile", profile, "--json").json["calibration"]
        for profile in ("relaxed", "balanced", "strict")
    }
    assert calibrations == {"relaxed": "household", "balanced": "household", "strict": "bundle"}


def test_it_is_left_aside_when_people_change(earmark, state) -> None:
    earmark("calibrate")
    earmark("people", "rename", "Ben", "Benedict")
    assert earmark("verify", "Ada", ADA, "--json").json["calibration"] == "household"
    earmark("people", "remove", "Benedict", "--yes")
    done = earmark("verify", "Ada", ASSETS / "clip-2-ada.ogg", "--json")
    assert (done.code, done.json["calibration"]) == (0, "bundle")
    assert "have changed since" in done.err
    assert "have changed since" in earmark("identify", ADA).err
    doctor = earmark("doctor", "--only", "calibration", "--json").json["checks"][0]
    assert (doctor["status"], doctor["remedy"]) == ("warn", "earmark calibrate")
    shown = earmark("calibrate", "--show", "--json").json
    assert (shown["calibration"], shown["people"]) == ("bundle", 2)
    assert "have changed since" in shown["stale"]


def test_it_is_left_aside_with_another_model_or_a_damaged_file(earmark, state, bundle, tmp_path) -> None:
    earmark("calibrate")
    other = anew(bundle, tmp_path / "other", {"weights": {"cosine": 15.0}})
    assert "calibrated anew" in earmark("calibrate", "--show", "--bundle", other).out
    (state / FILE_NAME).write_text("{")
    assert "cannot be read" in earmark("calibrate", "--show").out
    assert earmark("verify", "Ada", ADA).code == 0
    assert earmark("calibrate").code == 0
    assert json.loads((state / FILE_NAME).read_text())["schema"] == 1


def test_silence_in_a_folder_is_no_trial(earmark, state, tmp_path) -> None:
    (tmp_path / "quiet" / "guest").mkdir(parents=True)
    sound(tmp_path / "quiet" / "guest" / "silence.wav", np.zeros(48_000))
    sound(tmp_path / "quiet" / "guest" / "short.wav", speech("clip-6-stranger.ogg")[8_000:14_000])
    assert earmark("calibrate", "--clips", tmp_path / "quiet").code == 2
