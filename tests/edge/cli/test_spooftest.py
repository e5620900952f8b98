"""``earmark spooftest``: tries attacks by the real path, and leaves nothing behind."""

from __future__ import annotations

import shutil

import pytest

from tests.edge.cli.voice_bundle import ASSETS


def row(told, species, recording=None):
    return next(r for r in told["rows"] if (r["species"], r["recording"]) == (species, recording))


def test_the_demonstration_is_tried_and_repeats_are_refused(earmark, tmp_path) -> None:
    done = earmark("spooftest", "--clips", "1", "--species", "live,stranger,same,copy", "--json")
    assert done.code == 0
    told = done.json
    assert told["people"] == 2 and told["profile"] == "balanced"
    same = row(told, "same", "known")
    assert same["trials"] == 2
    assert same["voice"]["rate"] == same["repeat"]["rate"] == 1.0
    assert same["accepted"] == {"count": 0, "rate": 0.0, "low": 0.0, "high": 0.8419}
    assert row(told, "copy", "known")["accepted"]["count"] == 0
    assert row(told, "copy", "new")["repeat"]["count"] == 0
    live = row(told, "live")
    assert not live["attack"] and live["accepted"]["count"] == 2
    assert row(told, "stranger")["accepted"]["count"] == 0
    assert not (tmp_path / "state" / "people.sqlite").exists()


def test_somebody_enrolled_is_tried_in_a_copy(earmark, state) -> None:
    files = {path.name: path.read_bytes() for path in state.iterdir() if path.is_file()}
    done = earmark("spooftest", "--person", "ada", ASSETS / "ada-enrol-1.ogg", "--species", "same,telephone", "--json")
    assert done.code == 0
    told = done.json
    assert row(told, "same", "known")["repeat"]["count"] == 1
    assert row(told, "telephone", "known")["trials"] == 1
    assert {path.name: path.read_bytes() for path in state.iterdir() if path.is_file()} == files


def test_a_folder_of_people_and_a_limit(earmark, tmp_path) -> None:
    folder = tmp_path / "people"
    for name in ("ada", "ben"):
        (folder / name).mkdir(parents=True)
        for path in ASSETS.glob(f"{name}-enrol-*.ogg"):
            shutil.copy(path, folder / name)
        shutil.copy(next(iter(sorted(ASSETS.glob(f"clip-*-{name}.ogg")))), folder / name / "z.ogg")
    (folder / "nobody").mkdir()
    done = earmark("spooftest", folder, "--species", "copy", "--clips", "1", "--limit", "40")
    assert done.code == 1
    lines = [line.split() for line in done.out.splitlines()]
    assert ["copy", "known", "2"] in [line[:3] for line in lines]
    assert "nobody is left out" in done.err and "more often than 40 %" in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--species", "sames"], "no kind of attack called 'sames'"),
        (["--person", "Ada"], "--person needs recordings"),
        (["--clips", "0"], "--clips takes a number"),
        (["--mic", "USB"], "--mic needs --play"),
        (["/nowhere"], "SOURCE is one folder"),
        (["--limit", "200"], "no share in percent"),
    ],
)
def test_what_makes_no_sense_is_a_matter_of_usage(earmark, arguments, words) -> None:
    done = earmark("spooftest", *arguments)
    assert done.code == 2 and words in done.err


@pytest.mark.microphone
def test_it_plays_through_a_microphone_of_its_own(earmark) -> None:
    done = earmark("spooftest", "--virtual-microphone", "--species", "same", "--clips", "1", "--json")
    assert done.code == 0, done.err
    same = row(done.json, "same", "known")
    assert same["no_decision"] == 0
    assert same["repeat"]["count"] == same["voice"]["count"] == 2
    assert same["accepted"]["count"] == 0
