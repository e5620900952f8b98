"""``earmark evaluate`` and ``earmark calibrate-bundle`` as people run them, with the bundle that needs no network."""

from __future__ import annotations

import base64
import json
import re
import shutil
from pathlib import Path

import pytest

import edge
from edge.bundle import pack
from edge.scoring import Calibration
from tests.training import demo_corpus
from training import commands, evaluate

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "edge" / "demo" / "assets"
BASELINE = ROOT / "edge" / "bundles" / "baseline"

HEADER = "target\tenrol_speaker\tenrol\ttest_speaker\ttest\tnoise\n"


@pytest.fixture()
def words(tmp_path: Path) -> Path:
    """A list of four people, each against each."""
    people = {
        "ada": ("ada-enrol-1.ogg;ada-enrol-2.ogg", "clip-1-ada.ogg"),
        "ben": ("ben-enrol-1.ogg;ben-enrol-2.ogg", "clip-3-ben.ogg"),
        "five": ("clip-5-stranger.ogg@0+1.5", "clip-5-stranger.ogg@1.5+2"),
        "seven": ("clip-7-stranger.ogg@0+1.5", "clip-7-stranger.ogg@1.5+2"),
    }
    path = tmp_path / "words.tsv"
    rows = [
        f"{int(a == b)}\t{a}\t{enrol}\t{b}\t{test}\t"
        for a, (enrol, _) in people.items()
        for b, (_, test) in people.items()
    ]
    path.write_text(HEADER + "\n".join(rows) + "\n")
    return path


@pytest.fixture()
def bare(tmp_path: Path) -> Path:
    """The bundle without its calibration."""
    folder = tmp_path / "bare"
    shutil.copytree(BASELINE, folder)
    card = json.loads((folder / "card.json").read_text())
    card["calibration"] = {}
    (folder / "card.json").write_text(json.dumps(card))
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return demo_corpus.write(tmp_path_factory.mktemp("corpus"))


def test_a_report_has_a_row_per_list_and_goes_to_the_file_and_the_screen(words, bare, tmp_path, capsys):
    out = tmp_path / "report.json"
    arguments = ["--bundle", str(bare), "--speech", str(ASSETS), "--json", str(out), str(words)]
    assert commands.evaluate(arguments) == 0
    report = json.loads(out.read_text())
    assert list(report) == ["words"]
    figures = [key for key in report["words"] if key in evaluate.FIGURES]
    assert figures == list(evaluate.FIGURES)[:8], "an uncalibrated bundle has no threshold of its own"
    shown = capsys.readouterr().out
    assert f"{report['words']['eer']:.2f}" in shown and "words" in shown


def test_figures_go_into_the_card_with_date_and_machine_and_the_bundle_still_opens(words, bare, tmp_path, capsys):
    out = tmp_path / "report.json"
    arguments = ["--bundle", str(bare), "--speech", str(ASSETS), "--card", "--json", str(out), str(words)]
    assert commands.evaluate(arguments) == 0
    figures = edge.open_bundle(bare).card["figures"]
    assert figures["lists"]["words"]["eer"] == pytest.approx(json.loads(out.read_text())["words"]["eer"], abs=1e-4)
    assert figures["measured"] and figures["machine"] and "earmark evaluate" in figures["command"]


def test_a_calibrated_bundle_reports_what_its_own_threshold_does(words, bare, tmp_path, capsys):
    card = json.loads((bare / "card.json").read_text())
    card["calibration"] = {
        "weights": {"bias": -8.0, "cosine": 10.0},
        "points": [{"far": 0.03, "llr": 0.0}, {"far": 0.001, "llr": 1.0}],
        "trials": 5000,
        "speakers": 20,
    }
    (bare / "card.json").write_text(json.dumps(card))
    arguments = ["--bundle", str(bare), "--speech", str(ASSETS), "--cache", str(tmp_path / "cache"), str(words)]
    reports = []
    for _ in range(2):
        assert commands.evaluate(["--json", "-", *arguments]) == 0
        reports.append(json.loads(capsys.readouterr().out))
    assert reports[0] == reports[1], "from the cache comes what was computed"
    assert list(reports[0]["words"]) == [*evaluate.FIGURES, "operating_points", "fixed_points", "conditions", "curve"]
    assert commands.evaluate(["--markdown", *arguments]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("| list |") and "5000 impostor trials of 20 people" in shown


@pytest.fixture()
def described(tmp_path: Path) -> Path:
    """The clips with a manifest that knows the sexes of Ada and Ben, and how one clip of Ben's was spoken."""
    folder = tmp_path / "described"
    folder.mkdir()
    rows = ["path\tsplit\tset\tspeaker\tgender\temotion\tlanguage\tseconds\tlicence\tsource"]
    for clip in ASSETS.glob("*.ogg"):
        (folder / clip.name).symlink_to(clip)
        gender = "f" if "ada" in clip.name else "m" if "ben" in clip.name else ""
        emotion = "angry" if clip.name == "clip-3-ben.ogg" else ""
        rows.append(f"{clip.name}\tdev\tdemo\t{clip.stem}\t{gender}\t{emotion}\ten\t3.0\t\t")
    (folder / "manifest.tsv").write_text("\n".join(rows) + "\n")
    return folder


def test_conditions_come_from_the_manifest_and_make_a_table(words, described, capsys):
    arguments = ["--bundle", str(BASELINE), "--speech", str(described), str(words)]
    assert commands.evaluate(["--json", "-", *arguments]) == 0
    found = json.loads(capsys.readouterr().out)["words"]
    gender = found["conditions"]["gender"]
    assert {name: row["genuine"] + row["impostors"] for name, row in gender.items()} == {
        "cross": 2, "f-f": 1, "m-m": 1, "unknown": 12,
    }  # fmt: skip
    assert found["conditions"]["emotion"]["angry"]["genuine"] == 1
    assert found["conditions"]["language"].keys() == {"en"}
    assert [point["far_target"] for point in found["operating_points"]] == pytest.approx([1, 0.3, 0.1, 0.01])
    assert not any(point["resolved"] for point in found["operating_points"]), "twelve impostors are no per mille"
    assert commands.evaluate(["--conditions", *arguments]) == 0
    shown = capsys.readouterr().out
    assert "cross" in shown and "angry" in shown and shown.index("EER of LLR") < shown.index("condition")


def test_a_manifest_that_cannot_be_read_costs_the_labels_and_nothing_else(words, described, capsys):
    (described / "manifest.tsv").write_text("path\tsplit\n")
    arguments = ["--bundle", str(BASELINE), "--speech", str(described), "--json", "-", str(words)]
    assert commands.evaluate(arguments) == 0
    told = capsys.readouterr()
    assert "no column set" in told.err
    assert list(json.loads(told.out)["words"]["conditions"]) == ["duration", "speech", "snr"]


def test_a_report_folder_holds_pictures_and_a_page_that_needs_nothing_else(words, described, tmp_path, capsys):
    out = tmp_path / "report"
    arguments = ["--bundle", str(BASELINE), "--speech", str(described), "--report", str(out), str(words)]
    assert commands.evaluate(arguments) == 0
    assert sorted(path.name for path in out.iterdir()) == ["det-words.png", "index.html", "scores-words.png"]
    page = (out / "index.html").read_text()
    for name in ("det-words.png", "scores-words.png"):
        assert base64.b64encode((out / name).read_bytes()).decode() in page
    assert not re.search(r"https?://|<script|<link|url\(", page)
    assert all(source.startswith("data:image/png") for source in re.findall(r'src="([^"]{0,20})', page))
    assert edge.open_bundle(BASELINE).encoder in page
    assert f"--report {out}" in page and "cores" in page and "UTC" in page
    (tmp_path / "file").write_text("")
    assert commands.evaluate([*arguments[:5], str(tmp_path / "file"), str(words)]) == 5
    assert "cannot be made" in capsys.readouterr().err


def test_calibrating_writes_a_card_that_the_device_accepts_and_says_how_it_was_made(corpus, bare, tmp_path, capsys):
    before = edge.open_bundle(bare)
    assert not before.calibration
    arguments = ["--bundle", str(bare), "--speech", str(corpus), "--cache", str(tmp_path / "cache")]
    assert commands.calibrate_bundle(arguments) == 0
    after = edge.open_bundle(bare)
    found = Calibration.from_json(after.calibration)
    assert after.encoder == before.encoder
    assert found.weights["cosine"] > 0
    assert found.speakers == 18
    assert [p.far for p in found.points] == [0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001]
    assert all(p.evidence is not None and p.evidence.voices == 18 for p in found.points)
    record = after.calibration["provenance"]
    assert record["encoder"] == after.encoder
    assert set(record["domains"]) == {"read", "arabic words"}
    shown = capsys.readouterr().out
    assert "read" in shown and "FAR 0.3 %" in shown
    assert commands.calibrate_bundle(arguments) == 0
    assert edge.open_bundle(bare).calibration == after.calibration, "the same speech gives the same calibration"


def test_comparing_forms_prints_a_table_and_changes_nothing(corpus, bare, tmp_path, capsys):
    card = (bare / "card.json").read_bytes()
    arguments = ["--bundle", str(bare), "--speech", str(corpus), "--cache", str(tmp_path / "cache")]
    assert commands.calibrate_bundle([*arguments, "--json", str(tmp_path / "cv.json")]) == 2
    assert "--cross-validate" in capsys.readouterr().err
    arguments += ["--cross-validate", "--json", str(tmp_path / "cv.json")]
    assert commands.calibrate_bundle(arguments) == 0
    assert (bare / "card.json").read_bytes() == card
    shown = capsys.readouterr().out
    assert "cosine alone" in shown and "arabic words, read" in shown
    forms = json.loads((tmp_path / "cv.json").read_text())["forms"]
    assert {one["kind"] for one in forms["cosine alone"]} == {"read", "arabic words"}


def test_a_failed_calibration_leaves_the_card_as_it_was(bare, tmp_path, capsys):
    card = (bare / "card.json").read_bytes()
    (tmp_path / "manifest.tsv").write_text("path\tsplit\n")
    assert commands.calibrate_bundle(["--bundle", str(bare), "--speech", str(tmp_path)]) == 2
    assert "no column set" in capsys.readouterr().err
    assert (bare / "card.json").read_bytes() == card


def test_a_packed_bundle_has_no_card_to_write_into(words, corpus, bare, tmp_path, capsys):
    packed = tmp_path / "bare.earmark"
    pack(bare, packed)
    assert commands.calibrate_bundle(["--bundle", str(packed), "--speech", str(corpus)]) == 5
    assert commands.evaluate(["--bundle", str(packed), "--speech", str(ASSETS), "--card", str(words)]) == 5
    assert capsys.readouterr().err.count("Unpack it") == 2


def test_too_few_speakers_are_refused_in_words(corpus, bare, tmp_path, capsys):
    few = tmp_path / "few"
    few.mkdir()
    lines = (corpus / "manifest.tsv").read_text().splitlines()
    for line in lines[1:16]:
        shutil.copy(corpus / line.split("\t")[0], few)
    (few / "manifest.tsv").write_text("\n".join(lines[:16]) + "\n")
    assert commands.calibrate_bundle(["--bundle", str(bare), "--speech", str(few)]) == 2
    assert "too few" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "code", "words_shown"),
    [
        ({"--bundle": "no-such-bundle"}, 5, "no-such-bundle"),
        ({"--speech": "no-such-folder"}, 2, "--speech"),
        ({"LIST": "no-such-list.tsv"}, 2, "no-such-list.tsv"),
        ({"--json": "no-such-folder/report.json"}, 5, "report.json"),
    ],
)
def test_what_is_missing_is_named_with_the_right_exit_code(words, bare, capsys, change, code, words_shown):
    given = {"--bundle": str(bare), "--speech": str(ASSETS), "LIST": str(words)} | change
    arguments = [part for name, value in given.items() for part in ((name, value) if name != "LIST" else (value,))]
    assert commands.evaluate(arguments) == code
    shown = capsys.readouterr().err
    assert words_shown in shown and shown.count("\n") == 1


def test_two_lists_of_one_name_are_refused(words, bare, tmp_path, capsys):
    (tmp_path / "other").mkdir()
    twin = shutil.copy(words, tmp_path / "other" / words.name)
    assert commands.evaluate(["--bundle", str(bare), "--speech", str(ASSETS), str(words), str(twin)]) == 2
    assert "same name" in capsys.readouterr().err


def test_a_list_without_impostors_is_refused(words, bare, capsys):
    words.write_text(HEADER + "1\tada\tada-enrol-1.ogg\tada\tclip-1-ada.ogg\t\n")
    assert commands.evaluate(["--bundle", str(bare), "--speech", str(ASSETS), str(words)]) == 2
    assert "impostor" in capsys.readouterr().err


@pytest.mark.parametrize("command", [commands.evaluate, commands.calibrate_bundle])
def test_help_has_an_example(command, capsys):
    with pytest.raises(SystemExit) as done:
        command(["--help"])
    assert done.value.code == 0
    assert "examples:" in capsys.readouterr().out
