"""``earmark explore --augment`` writes what it says, and says where."""

import base64
import json
import re
import wave
from pathlib import Path

import pytest
import soundfile

from edge.errors import EXIT_USAGE
from edge.records import SAMPLE_RATE
from tests.edge.synthetic import fan, speech_like
from training.explore_command import explore

SPEECH = speech_like(1.2)
HEADER = "path\tsplit\tset\tspeaker\tgender\temotion\tlanguage\tseconds\tlicence\tsource\n"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    lines = []
    for name, split in (("a", "train"), ("b", "train"), ("held-out", "dev"), ("fan", "noise")):
        sound = fan(1.2, -30) if split == "noise" else SPEECH
        soundfile.write(folder / f"{name}.wav", sound, SAMPLE_RATE)
        lines.append(f"{name}.wav\t{split}\tmade\t{name}\t\t\t\t1.2\tnone\tmade\n")
    (folder / "manifest.tsv").write_text(HEADER + "".join(lines))
    return folder


def test_a_corpus_gives_sounds_and_a_page_that_needs_nothing_else(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "listen"
    assert explore(["--augment", str(corpus), "--out", str(out), "--count", "2", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["page"] == str(out / "index.html")
    assert [Path(row["clip"]).stem in {"a", "b"} for row in report["examples"]] == [True] * 2
    for row in report["examples"]:
        with wave.open(row["file"]) as file:
            assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (1, SAMPLE_RATE, 2)
            assert file.getnframes() > 0.5 * SAMPLE_RATE
    page = (out / "index.html").read_text("utf-8")
    assert page.count("<audio") == 4
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert len(pictures) == 2
    assert all(base64.b64decode(picture).startswith(b"\x89PNG") for picture in pictures)
    assert not re.search(r'(?:src|href)="(?!data:)', page)


def test_the_same_seed_makes_the_same_sounds(corpus: Path, tmp_path: Path) -> None:
    made = []
    for name in ("one", "other"):
        assert explore(["--augment", str(corpus / "a.wav"), "--out", str(tmp_path / name), "--count", "2"]) == 0
        made.append([path.read_bytes() for path in sorted((tmp_path / name).glob("*.wav"))])
    assert made[0] == made[1]
    assert made[0][0] != made[0][1]


def test_what_cannot_be_done_is_refused_in_a_sentence(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.json"
    recipe.write_text('{"room": 7}')
    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments, named in (
        ([str(tmp_path / "gone")], "gone"),
        ([str(empty)], "empty"),
        ([str(corpus), "--count", "0"], "--count"),
        ([str(corpus), "--recipe", str(recipe)], "room"),
        ([str(corpus), "--recipe", str(corpus / "a.wav")], "a.wav"),
    ):
        assert explore(["--augment", *arguments, "--out", str(tmp_path / "listen")]) == EXIT_USAGE
        told = capsys.readouterr().err.strip()
        assert told.startswith("earmark: ")
        assert named in told
        assert "Traceback" not in told
    assert not (tmp_path / "listen").exists()


def test_a_page_shows_the_name_of_a_file_and_nothing_that_it_smuggles(tmp_path: Path) -> None:
    clip = tmp_path / "<b>loud & clear.wav"
    soundfile.write(clip, SPEECH, SAMPLE_RATE)
    assert explore(["--augment", str(clip), "--out", str(tmp_path / "listen"), "--count", "1"]) == 0
    page = (tmp_path / "listen" / "index.html").read_text("utf-8")
    assert "<b>" not in page
    assert "&lt;b&gt;loud &amp; clear.wav" in page
