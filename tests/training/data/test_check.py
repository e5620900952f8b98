"""``earmark data check`` finds what is wrong between a manifest and its files; the commands as people run them."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from edge.records import SAMPLE_RATE
from tests.training.data.test_prepare import damage
from tests.training.data.toys import SPEC, corpus, tone, write_manifest
from training.corpus import read_manifest
from training.data.check import check
from training.data_command import data


def kinds(folder, **options) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for problem in check(folder, read_manifest(folder), **options):
        found.setdefault(problem.kind, []).append(problem.what)
    return found


def test_a_good_folder_has_no_problems(tmp_path, capsys):
    corpus(tmp_path)
    assert kinds(tmp_path) == {}
    assert data(["check", str(tmp_path)]) == 0
    assert "nothing is wrong" in capsys.readouterr().out


@pytest.mark.parametrize("decode", [False, True])
def test_spoilt_files_are_found(tmp_path, decode):
    """Silence and numbers that are none are inside the file, so that they are only found by decoding."""
    corpus(tmp_path)
    damage(tmp_path)
    found = {what: kind for kind, paths in kinds(tmp_path, decode=decode).items() for what in paths}
    expected = {
        "train/000.wav": "missing", "train/001.wav": "empty file", "train/002.wav": "unreadable",
        "train/003.wav": "wrong rate", "train/004.wav": "channels", "train/005.wav": "too short",
    }  # fmt: skip
    if decode:
        expected |= {"train/006.wav": "silent", "train/007.wav": "no numbers"}
    assert {what: found[what] for what in expected} == expected


def test_the_same_recording_twice_is_found(tmp_path):
    """By its bytes; by its samples where it was written anew. Across splits it is worse, and says so."""
    corpus(tmp_path)
    shutil.copy(tmp_path / "train/001.wav", tmp_path / "train/004.wav")
    shutil.copy(tmp_path / "train/002.wav", tmp_path / "dev/012.wav")
    samples, rate = soundfile.read(tmp_path / "train/005.wav", dtype="float32")
    whole_numbers = (samples * 32767).astype(np.int16)
    soundfile.write(tmp_path / "train/005.wav", whole_numbers, rate, subtype="PCM_16")
    soundfile.write(tmp_path / "train/008.wav", whole_numbers, rate, format="FLAC")
    rows = [replace(r, seconds=soundfile.info(tmp_path / r.path).duration) for r in read_manifest(tmp_path)]
    write_manifest(tmp_path, rows)
    found = kinds(tmp_path)
    assert found == {"duplicate": ["train/004.wav"], "duplicate across splits": ["dev/012.wav"]}
    assert kinds(tmp_path, decode=True)["duplicate"] == ["train/004.wav", "train/008.wav"]


def test_faults_of_the_manifest_are_found(tmp_path):
    rows = list(corpus(tmp_path))
    rows[0] = replace(rows[0], seconds=9.0)
    rows[-1] = replace(rows[-1], speaker="ann")
    write_manifest(tmp_path, [*rows, rows[3]])
    assert kinds(tmp_path) == {
        "speaker in several splits": ["toys/ann"], "twice in manifest": [rows[3].path], "length": [rows[0].path],
    }  # fmt: skip


def test_what_is_wrong_is_shown_and_gives_exit_code_1(tmp_path, capsys):
    corpus(tmp_path)
    damage(tmp_path)
    assert data(["check", str(tmp_path), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["clips"] == 14
    assert Counter(one["kind"] for one in report["problems"])["wrong rate"] == 1
    assert data(["check", str(tmp_path)]) == 1
    shown = capsys.readouterr().out
    assert "wrong rate" in shown
    assert "8000 Hz instead of 16000" in shown


def test_prepare_and_list_as_people_run_them(tmp_path, capsys):
    """Twice the same command: the second finds everything there."""
    corpus(tmp_path / "speech", 4)
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"features": SPEC.to_json()}))
    command = ["prepare", "--speech", str(tmp_path / "speech"), "--cache", str(tmp_path / "cache")]
    command += ["--features", str(spec), "--workers", "serial", "--json"]
    assert data(command) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["clips"] == 4
    assert first["audio_seconds_per_core_second"] > 0
    assert data(command[:-1]) == 0
    assert "there already" in capsys.readouterr().out
    assert data(["list", "--cache", str(tmp_path / "cache"), "--speech", str(tmp_path / "speech"), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [row["clips"] for row in listed["caches"]] == [4]
    assert {row["split"]: row["clips"] for row in listed["speech"]} == {"train": 4, "dev": 2}
    assert data(["list", "--cache", str(tmp_path / "cache")]) == 0
    assert "complete" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--split", "tset"], "tset"),
        (["--set", "voxceleb"], "voxceleb"),
        (["--workers", "threads"], "threads"),
        (["--features", "nothing.json"], "nothing.json"),
        (["--views", "-1"], "make no sense"),
        (["--name", "a/b"], "a/b"),
    ],
)
def test_a_wrong_argument_is_one_sentence_and_exit_code_2(tmp_path, capsys, arguments, word):
    corpus(tmp_path / "speech", 2)
    code = data(["prepare", "--speech", str(tmp_path / "speech"), "--cache", str(tmp_path / "c"), *arguments])
    told = capsys.readouterr().err
    assert code == 2
    assert word in told
    assert told.startswith("earmark: ")
    assert told.count("\n") == 1


def test_help_shows_examples(capsys):
    for command in ("prepare", "list", "check"):
        with pytest.raises(SystemExit):
            data([command, "--help"])
        assert f"earmark data {command}" in capsys.readouterr().out.split("examples:")[1]


def test_the_shipped_augmentation_fits(tmp_path, capsys):
    """Views made by ``training.augment`` of a corpus with a noise, through the command."""
    rows = list(corpus(tmp_path / "speech", 2))
    soundfile.write(tmp_path / "speech/noise.wav", 0.3 * tone(2.0, 50.0), SAMPLE_RATE)
    rows.append(replace(rows[0], path="noise.wav", split="noise", speaker="", seconds=2.0))
    write_manifest(tmp_path / "speech", rows)
    command = ["prepare", "--speech", str(tmp_path / "speech"), "--cache", str(tmp_path / "cache"), "--views", "2"]
    assert data([*command, "--workers", "serial", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["rows"], report["set_aside"]) == (6, 0)
