"""What is wrong with the machine: one clear sentence and the right exit code, in text and in JSON."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge.cli import voice_bundle
from tests.edge.cli.voice_bundle import ASSETS

CLIP = ASSETS / "clip-1-ada.ogg"
ADA = sorted(ASSETS.glob("ada-enrol-*.ogg"))


@pytest.fixture
def says(earmark):
    """``says(code, error_code, words, *arguments)``: the same in text, on one line of stderr, and in JSON."""

    def check(exit_code: int, error_code: str, words: tuple[str, ...], *arguments: object) -> None:
        text = earmark(*arguments, "--quiet")
        assert text.code == exit_code, text
        assert text.err.startswith("earmark: ") and "Traceback" not in text.err
        assert text.err.count("\n") == 1, text.err
        told = earmark(*arguments, "--json")
        assert told.code == exit_code
        error = told.lines[-1]["error"]
        assert error["code"] == error_code
        assert error["remedy"]
        for word in words:
            assert word in text.err, text.err
            assert word in error["message"] + error["remedy"]

    return check


def test_no_model(says) -> None:
    says(5, "bundle", ("no bundle at",), "verify", "Ada", CLIP, "--bundle", "/nowhere/bundle")
    says(5, "bundle", ("no bundle 'nosuch'",), "identify", CLIP, "--bundle", "nosuch")


def test_a_corrupt_model(says, bundle, tmp_path) -> None:
    broken = Path(shutil.copytree(bundle, tmp_path / "broken"))
    data = bytearray((broken / "head.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (broken / "head.npz").write_bytes(data)
    says(5, "bundle", ("head.npz", "broken"), "simulate", CLIP, "--bundle", broken)
    (broken / "card.json").write_text("{")
    says(5, "bundle", ("not valid JSON",), "simulate", CLIP, "--bundle", broken)


def test_a_model_that_this_program_does_not_match(says, bundle, tmp_path) -> None:
    newer = Path(shutil.copytree(bundle, tmp_path / "newer"))
    card = (newer / "card.json").read_text()
    (newer / "card.json").write_text(card.replace('"schema": 1', '"schema": 2'))
    says(5, "bundle", ("schema 2", "Update Earmark"), "enroll", "Ada", CLIP, "--bundle", newer)
    strange = voice_bundle.make(tmp_path / "strange", calibration=voice_bundle.CALIBRATION | {"weights": {"new": 1.0}})
    says(5, "bundle", ("'new'", "Update Earmark"), "verify", "Ada", CLIP, "--bundle", strange)
    bare = voice_bundle.make(tmp_path / "bare", calibration=None)
    says(5, "bundle", ("no calibration",), "identify", CLIP, "--bundle", bare)


def test_people_of_another_model_must_enrol_again(says, earmark, state, tmp_path, monkeypatch) -> None:
    other = voice_bundle.make(tmp_path / "other", features=voice_bundle.SPEC.to_json() | {"log_floor": 0.2})
    says(5, "people", ("another model", "enroll Ada --add"), "verify", "Ada", CLIP, "--bundle", other)
    done = earmark("identify", CLIP, "--bundle", other)
    assert done.code == 1
    assert "Ada, Ben" in done.err
    monkeypatch.setenv("EARMARK_MODELS__BUNDLE", str(other))
    assert earmark("enroll", "Ada", "--add", *ADA).code == 0
    assert earmark("verify", "Ada", CLIP).code == 0


def test_no_microphone(says, monkeypatch, state) -> None:
    pyaudio = pytest.importorskip("pyaudio")
    monkeypatch.setattr(pyaudio.PyAudio, "get_device_count", lambda self: 0)
    for arguments in (["devices"], ["verify", "Ada"], ["verify", "Ada", "--mic"], ["enroll", "Zoe", "--mic"]):
        says(5, "microphone", ("icrophone was found", "arecord -l"), *arguments)


def test_a_missing_library_for_the_microphone_names_what_to_install(earmark, state, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pyaudio", None)
    for arguments in (["devices"], ["verify", "Ada"], ["enroll", "Zoe", "--mic"]):
        done = earmark(*arguments)
        assert done.code == 5
        assert "earmark[mic]" in done.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("decide:\n  profil: strict\n", ("decide.profil", "decide.profile")),
        ("mqt:\n  host: a\n", ("mqt", "mqtt")),
        ("audio: [1\n", ("YAML",)),
        ("decide:\n  margin_llr: lots\n", ("decide.margin_llr", "number")),
    ],
)
def test_a_broken_configuration_names_its_key(says, tmp_path, text, words) -> None:
    path = tmp_path / "earmark.yaml"
    path.write_text(text)
    for arguments in (["people"], ["verify", "Ada", CLIP], ["simulate", CLIP]):
        says(2, "settings", (str(path), *words), *arguments, "--config", path)


def test_a_misspelt_variable_names_the_nearest(says, monkeypatch) -> None:
    monkeypatch.setenv("EARMARK_DECIDE__PROFIL", "strict")
    says(2, "settings", ("EARMARK_DECIDE__PROFIL", "EARMARK_DECIDE__PROFILE"), "people")


def _mount(folder: Path, *options: str) -> bool:
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "none", str(folder)]
    return os.geteuid() == 0 and subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "disk"
    if not _mount(folder, "size=256k", "mode=700"):
        pytest.skip("needs the right to mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def _fill(folder: Path) -> None:
    with (folder / "ballast").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def test_a_full_disk_at_enrolment_stores_nothing(says, earmark, small_disk) -> None:
    state = small_disk / "state"
    assert earmark("people", "--state", state).code == 0
    _fill(small_disk)
    says(5, "storage", ("people.sqlite", "full"), "enroll", "Ada", *ADA, "--state", state)
    (small_disk / "ballast").unlink()
    assert earmark("people", "--state", state, "--json").json == {"people": []}


def test_a_full_disk_before_anything_is_there(says, small_disk) -> None:
    _fill(small_disk)
    says(5, "storage", (str(small_disk),), "people", "--state", small_disk / "state")


def test_a_full_disk_behind_the_file_of_events(says, state) -> None:
    says(5, "storage", ("disk is full",), "simulate", CLIP, "--out", "/dev/full")


def test_a_file_of_events_that_cannot_be_made(says, state, tmp_path) -> None:
    says(5, "storage", ("nowhere", "No such file"), "simulate", CLIP, "--out", tmp_path / "nowhere" / "events.jsonl")


@pytest.fixture
def read_only(template: Path, tmp_path: Path) -> Iterator[Path]:
    """A state folder with Ada and Ben that nobody can write."""
    folder = tmp_path / "locked"
    if _mount(folder, "size=1m", "mode=700"):
        shutil.copytree(template, folder / "state")
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        yield folder / "state"
        subprocess.run(["umount", str(folder)], check=True)
    elif os.geteuid() != 0:
        shutil.copytree(template, folder / "state", dirs_exist_ok=True)
        for path in (folder / "state", *(folder / "state").iterdir()):
            path.chmod(0o500 if path.is_dir() else 0o400)
        yield folder / "state"
        (folder / "state").chmod(0o700)
    else:
        pytest.skip("root can write everywhere, and may not mount here")


def test_a_read_only_state_folder(says, read_only) -> None:
    for arguments in (["enroll", "Zoe", *ADA], ["people", "remove", "Ada", "--yes"], ["simulate", CLIP]):
        says(5, "storage", (str(read_only),), *arguments, "--state", read_only)


def test_a_damaged_people_database_is_left_alone(says, tmp_path) -> None:
    folder = tmp_path / "damaged"
    folder.mkdir()
    (folder / "people.sqlite").write_bytes(b"no database" * 1000)
    says(5, "people", ("people.sqlite", "damaged"), "verify", "Ada", CLIP, "--state", folder)
    assert (folder / "people.sqlite").read_bytes() == b"no database" * 1000


def test_the_installed_way_of_starting_says_the_same(start, state) -> None:
    process = start("verify", "Nobody Known", CLIP, "--json")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert json.loads(out)["error"]["code"] == "unknown_person"
    assert "Traceback" not in err
