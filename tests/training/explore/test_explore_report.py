"""``earmark explore DIR``: the page, the pictures, the figures and the sheet, from start to end on real voices."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import soundfile

from edge.errors import EXIT_OK, EXIT_USAGE
from tests.training.explore import people
from training.corpus import read_manifest
from training.explore_command import explore


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return people.write(tmp_path_factory.mktemp("speech <b>"))


@pytest.fixture(scope="module")
def out(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    arguments = [str(corpus), "--out", str(folder), "--bundle", "compact", "--examples", "2", "--quiet"]
    assert explore(arguments) == EXIT_OK
    return folder


@pytest.fixture(scope="module")
def figures(out: Path) -> dict:
    return json.loads((out / "report.json").read_text("utf-8"))


def suspects(figures: dict, label: str) -> list[str]:
    return [one["path"] for found in figures["labels"] if found["label"] == label for one in found["suspects"]]


def test_three_planted_genders_are_found_first(figures: dict) -> None:
    assert set(suspects(figures, "gender")[:4]) >= people.WRONG_GENDER


def test_three_planted_speakers_are_found_first_with_who_it_was(figures: dict) -> None:
    assert set(suspects(figures, "speaker")[:3]) == set(people.WRONG_SPEAKER)
    for found in figures["labels"]:
        for one in found["suspects"][:3] if found["label"] == "speaker" else ():
            assert one["suggested"] == one["path"].partition("-")[0]
            assert one["p_given"] < one["p_suggested"]


def test_a_label_that_nobody_has_is_told_with_a_reason(figures: dict) -> None:
    (emotion,) = (found for found in figures["labels"] if found["label"] == "emotion")
    assert emotion["judged"] == 0 and "0 of the clips" in emotion["reason"]


def test_files_that_are_of_no_use_are_listed_and_nothing_else_is_lost(figures: dict) -> None:
    assert {one["path"] for one in figures["problems"]} == people.BAD
    assert all(one["reason"] for one in figures["problems"])
    assert figures["listened"] == figures["clips"] - len(people.BAD)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def page(out: Path) -> Tags:
    parser = Tags()
    parser.feed((out / "index.html").read_text("utf-8"))
    parser.close()
    return parser


def test_the_page_needs_no_network_and_none_of_its_neighbours(page: Tags, out: Path) -> None:
    used = [value or "" for _, found in page.tags for name, value in found.items() if name in ("src", "srcset")]
    assert used and all(value.startswith(("data:image/png;base64,", "data:audio/")) for value in used)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed", "base", "form", "b"}
    assert not re.search(r"url\(|@import|https?://", (out / "index.html").read_text("utf-8"))


def test_every_link_leads_somewhere(page: Tags, out: Path) -> None:
    anchors = {found["id"] for _, found in page.tags if found.get("id")}
    for _, found in page.tags:
        if target := found.get("href"):
            assert target[1:] in anchors if target.startswith("#") else (out / target).is_file()


def test_every_picture_of_the_page_lies_beside_it_and_says_what_it_shows(page: Tags, out: Path, figures: dict) -> None:
    shown = [found for tag, found in page.tags if tag == "img"]
    inside = [base64.b64decode(str(found["src"]).partition(",")[2]) for found in shown]
    assert inside == [(out / name).read_bytes() for name in figures["pictures"]]
    assert all(found["alt"] for found in shown)
    wanted = {"balance-set", "balance-speakers", "lengths", "example-01", "figures-gender", "mfcc-gender"}
    assert {f"{name}.png" for name in wanted | {"correlation", "map-gender"}} <= set(figures["pictures"])


def test_suspicious_clips_can_be_heard(page: Tags) -> None:
    sounds = [str(found["src"]) for tag, found in page.tags if tag == "audio"]
    assert len(sounds) >= 2 + len(people.WRONG_GENDER) + len(people.WRONG_SPEAKER)
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(sounds[-1].partition(",")[2])))
    assert 1.4 < len(samples) / rate < 2.0 and abs(samples).max() > 0.05
    assert "media-src data:" in str([found for _, found in page.tags if "content" in found])


def test_the_page_is_readable_in_the_dark_and_on_a_phone(out: Path, page: Tags) -> None:
    text = (out / "index.html").read_text("utf-8")
    assert "prefers-color-scheme: dark" in text
    assert any(found.get("name") == "viewport" for _, found in page.tags)
    for tag, found in page.tags:
        assert tag != "img" or int(str(found["width"])) <= 640


def test_the_sheet_filled_in_gives_back_the_right_manifest(out: Path, corpus: Path, tmp_path: Path, capsys) -> None:
    with (out / "suspects.tsv").open(newline="") as file:
        lines = list(csv.DictReader(file, delimiter="\t"))
    for line in lines:
        planted = people.WRONG_GENDER if line["label"] == "gender" else people.WRONG_SPEAKER
        line["decide"] = "change" if line["path"] in planted else "keep"
    with (tmp_path / "sheet.tsv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]), delimiter="\t")
        writer.writeheader()
        writer.writerows(lines)
    assert explore([str(corpus), "--apply", str(tmp_path / "sheet.tsv"), "--json"]) == EXIT_OK
    assert json.loads(capsys.readouterr().out)["changed"] == 6
    for row in read_manifest(tmp_path):
        if row.path not in people.BAD:
            voice = row.path.partition("-")[0]
            assert (row.speaker, row.gender) == (voice, people.VOICES[voice][0])
    assert explore([str(corpus), "--apply", str(tmp_path / "sheet.tsv"), "--out", str(corpus)]) == EXIT_USAGE


def test_a_draw_is_what_is_listened_to_and_json_is_all_that_is_printed(corpus: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "report"
    arguments = ["--count", "9", "--seed", "3", "--bundle", "none", "--examples", "0", "--json", "--quiet"]
    assert explore([str(corpus), "--out", str(out), *arguments]) == EXIT_OK
    printed = capsys.readouterr()
    assert not printed.err
    told = json.loads(printed.out)
    assert told == json.loads((out / "report.json").read_text("utf-8"))
    assert told["listened"] + len(told["problems"]) == 9
    assert told["labels"][2]["reason"].endswith("needs a bundle")
    assert not [name for name in told["pictures"] if name.startswith("map")]


def test_a_folder_per_speaker_needs_no_manifest(corpus: Path, tmp_path: Path) -> None:
    for path in [*corpus.glob("ada-*.wav"), *corpus.glob("ben-*.wav")]:
        place = tmp_path / "voices" / path.name.partition("-")[0]
        place.mkdir(parents=True, exist_ok=True)
        (place / path.name).write_bytes(path.read_bytes())
    (tmp_path / "voices" / "note.wav").write_text("no sound")
    out = tmp_path / "report"
    arguments = ["--out", str(out), "--bundle", "baseline", "--examples", "0", "--label", "speaker", "--quiet"]
    assert explore([str(tmp_path / "voices"), *arguments]) == EXIT_OK
    report = json.loads((out / "report.json").read_text("utf-8"))
    assert report["listened"] == report["labels"][0]["judged"] == 16
    assert len(report["problems"]) == 1
    assert report["lengths"]["voices"]["p50"] == 1.6


def test_what_cannot_be_done_is_refused_in_a_sentence(corpus: Path, tmp_path: Path, capsys) -> None:
    sheet = tmp_path / "sheet.tsv"
    sheet.write_text("decide\tlabel\tpath\tgiven\tsuggested\nmael\tgender\tada-1.wav\tf\tm\n")
    (tmp_path / "empty").mkdir()
    for arguments, named in (
        ([str(tmp_path / "gone")], "gone"),
        ([str(tmp_path / "empty")], "no recordings"),
        ([str(corpus), "--count", "-1"], "--count"),
        ([str(corpus), "--set", "demos"], "demos"),
        ([str(corpus), "--apply", str(sheet)], "mael"),
        ([str(tmp_path / "empty"), "--apply", str(sheet)], "manifest.tsv"),
    ):
        assert explore([*arguments, "--out", str(tmp_path / "out")]) == EXIT_USAGE
        told = capsys.readouterr().err.strip()
        assert told.startswith("earmark: ") and named in told and "Traceback" not in told
    assert not (tmp_path / "out").exists()
    for arguments in ([], [str(corpus), "--augment", str(corpus)]):
        with pytest.raises(SystemExit) as stopped:
            explore(arguments)
        assert stopped.value.code == EXIT_USAGE
