"""Sets become 16 kHz mono with a manifest: converted where needed, linked where not, cut where long."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
import soundfile

from tests.training.data.toys import SPEC
from tests.training.datasets import real_layouts as real
from training.corpus import read_manifest
from training.data.clips import read_clip
from training.data_command import data


def imported(source, target, *options: str) -> int:
    return data(["import", str(source), "--to", str(target), *options])


def aside(folder) -> dict[str, str]:
    with (folder / "set-aside.tsv").open(newline="") as file:
        return {row["path"].rpartition("/")[2]: row["reason"] for row in csv.DictReader(file, delimiter="\t")}


def pitch(samples: np.ndarray, lowest: float = 60.0) -> float:
    """Frequency of the strongest line between ``lowest`` and 200 Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 16))
    hertz = np.fft.rfftfreq(1 << 16, 1 / 16_000)
    return float(hertz[np.argmax(spectrum * ((hertz > lowest) & (hertz < 200)))])


def test_other_rates_and_channels_are_converted(tmp_path, capsys):
    """48 kHz and stereo become 16 kHz mono of the same pitch and length, and the manifest passes every check."""
    assert imported(real.ravdess(tmp_path / "in"), tmp_path / "out") == 1
    assert "3 clips of 2 people" in capsys.readouterr().out
    rows = read_manifest(tmp_path / "out")
    assert {row.path for row in rows} == {
        "ravdess/Actor_01/03-01-01-01-01-01-01.flac", "ravdess/Actor_01/03-01-05-01-02-01-01.flac",
        "ravdess/Actor_02/03-01-08-02-02-01-02.flac",
    }  # fmt: skip
    for number, row in enumerate(sorted(rows, key=lambda row: row.path), start=1):
        assert pitch(read_clip(tmp_path / "out" / row.path)) == pytest.approx(90 + 7 * number, abs=2)
        assert row.seconds == pytest.approx(0.4, abs=0.01)
        assert row.licence == "CC-BY-NC-SA-4.0"
    assert len(aside(tmp_path / "out")) == 3
    assert data(["check", str(tmp_path / "out"), "--decode"]) == 0


def test_audiobooks_are_cut_into_five_seconds(tmp_path):
    """A rest of at least half a piece is one, a shorter one is not; splits are by reader."""
    assert imported(real.librivox(tmp_path / "in"), tmp_path / "out", "--dev", "0.5", "--json") == 1
    rows = read_manifest(tmp_path / "out")
    lengths = {}
    for row in rows:
        lengths.setdefault(row.speaker, []).append(row.seconds)
    assert lengths["ann"] == [5.0, 5.0, pytest.approx(2.6, abs=0.1)]
    assert lengths["bob"] == [5.0]
    assert rows[0].path == "librivox/ann/fables_librivox/fables_01_aesop_64kb/00000.00.flac"
    assert {(row.speaker, row.gender, row.language) for row in rows} == {("ann", "f", "en"), ("bob", "", "")}
    first, second = (read_clip(tmp_path / "out" / row.path) for row in rows[:2])
    assert len(first) == len(second) == 80_000
    assert pitch(second, 110) == pytest.approx(120, abs=2)


def test_what_has_the_form_is_linked_and_bad_files_harm_nobody(tmp_path):
    """A file that is no audio, one that is silent and one that is cut short are named; the rest is imported."""
    root = real.librispeech(tmp_path / "in")
    silence = tmp_path / "silence.flac"
    soundfile.write(silence, np.zeros(8000, np.float32), 16_000)
    whole = real.clip(9, kind="FLAC")
    real.put(
        root / "dev-clean/84/121123",
        {
            "84-121123-0001.flac": b"no audio at all",
            "84-121123-0002.flac": silence.read_bytes(),
            "84-121123-0003.flac": whole[: len(whole) // 2],
        },
    )
    assert imported(tmp_path / "in", tmp_path / "out") == 1
    assert len(read_manifest(tmp_path / "out")) == 4
    told = aside(tmp_path / "out")
    assert set(told) == {f"84-121123-000{n}.flac" for n in (1, 2, 3)}
    assert told["84-121123-0002.flac"].startswith("silent")
    source = root / "train-clean-360/14/208/14-208-0000.flac"
    copy = tmp_path / "out/librispeech/train-clean-360/14/208/14-208-0000.flac"
    assert copy.samefile(source)


def test_imports_add_up_and_go_on(tmp_path):
    """A second set joins the first; the same import again makes nothing anew and changes nothing."""
    assert imported(real.emodb(tmp_path / "a"), tmp_path / "out") == 0
    savee = real.savee(tmp_path / "b")
    assert imported(savee, tmp_path / "out") == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.flac")}
    assert imported(savee, tmp_path / "out", "--workers", "serial") == 0
    rows = read_manifest(tmp_path / "out")
    assert sorted({row.set for row in rows}) == ["emodb", "savee"]
    assert len(rows) == 6
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.flac")} == before
    assert not list((tmp_path / "out").rglob("*.part"))


def test_an_own_folder_gets_its_name_language_and_split(tmp_path, capsys):
    root = real.folders(tmp_path)
    real.put(root, {f"p{n}/a.wav": real.clip(n) for n in range(10, 16)})
    assert imported(root, tmp_path / "out", "--language", "de", "--name", "our home", "--dev", "0.25") == 1
    rows = read_manifest(tmp_path / "out")
    assert {(row.set, row.language) for row in rows} == {("our home", "de")}
    dev, train = ({row.speaker for row in rows if row.split == split} for split in ("dev", "train"))
    assert len(dev) == 2
    assert not dev & train
    assert all(row.path.startswith("our-home/") for row in rows)
    assert data(["list", "--speech", str(tmp_path / "out"), "--json"]) == 0
    assert {row["split"] for row in json.loads(capsys.readouterr().out.splitlines()[-1])["speech"]} == {"dev", "train"}


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg")
def test_m4a_goes_through_ffmpeg(tmp_path):
    """As in VoxCeleb 2; a broken one is set aside."""
    import subprocess

    root = real.voxceleb(tmp_path / "in")
    wav = root / "vox2/dev/aac/id00012/21Uxsk56VDQ/00002.wav"
    m4a = wav.with_name("00003.m4a")
    command = ["ffmpeg", "-v", "error", "-i", str(wav), "-c:a", "aac", "-b:a", "64k", str(m4a)]
    subprocess.run(command, check=True)
    assert imported(root / "vox2", tmp_path / "out") == 1
    rows = {row.path.rpartition("/")[2]: row for row in read_manifest(tmp_path / "out")}
    assert rows["00003.flac"].seconds == pytest.approx(0.4, abs=0.1)
    assert pitch(read_clip(tmp_path / "out" / rows["00003.flac"].path)) == pytest.approx(111, abs=2)
    assert "unreadable" in aside(tmp_path / "out")["00001.m4a"]


def test_a_layout_is_prepared_and_checked_without_an_import(tmp_path, capsys):
    """44.1 kHz straight from the set's own folder; ``check`` shows its bad files and ends with 1."""
    root = real.savee(tmp_path / "in")
    real.put(root, {"DC/a02.wav": b"RIFF of nothing", "DC/extra.wav": real.clip(5)})
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(SPEC.to_json()))
    command = ["prepare", "--speech", str(root), "--cache", str(tmp_path / "cache"), "--features", str(spec)]
    assert data([*command, "--workers", "serial", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["clips"], report["set_aside"]) == (3, 0)
    assert data(["check", str(root), "--decode", "--json"]) == 1
    problems = {(one["what"], one["kind"]) for one in json.loads(capsys.readouterr().out)["problems"]}
    assert problems == {("DC/a02.wav", "unreadable"), ("DC/extra.wav", "not labelled")}


def test_what_has_to_be_imported_first_says_so(tmp_path, capsys):
    root = real.librivox(tmp_path / "in")
    assert data(["prepare", "--speech", str(root), "--cache", str(tmp_path / "cache")]) == 2
    assert "earmark data import cuts librivox recordings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--cut", "0.2"], "make no sense"), (["--dev", "1.5"], "makes no sense"), (["--layout", "x"], "no layout"),
        (["--to", "{source}/inside"], "lies within"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_one_sentence_and_exit_code_2(tmp_path, capsys, options, word):
    source = real.emodb(tmp_path / "in")
    assert imported(source, tmp_path / "out", *(one.format(source=source) for one in options)) == 2
    assert word in capsys.readouterr().err


def test_a_target_that_cannot_be_written_ends_it_and_blames_no_file(tmp_path, capsys):
    real.put(tmp_path / "out", {"savee": "a file where a folder must be"})
    assert imported(real.savee(tmp_path / "in"), tmp_path / "out") == 5
    assert "cannot be written" in capsys.readouterr().err
    assert not (tmp_path / "out/set-aside.tsv").exists()
