"""The report on the segmenter counts what it says it counts."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.records import SAMPLE_RATE, Float32, Utterance
from edge.settings import Segment
from tests.edge.synthetic import silence, speech_like, white
from training import segmenter_report as report


def an_utterance(start: int, end: int) -> Utterance:
    return Utterance(np.zeros(end - start, np.float32), start, end, 1.0, 20.0, -30.0, -10.0, 0.0, "silence")


def test_frames_inside_an_utterance_are_those_whose_middle_is() -> None:
    """Frames of 320 samples from sample 1000 on; one utterance that begins before, one inside."""
    inside = report.covered([an_utterance(0, 1800), an_utterance(2300, 2930)], 8, 1000)
    assert inside.tolist() == [True, True, False, False, True, True, False, False]


def test_speech_frames_of_a_clean_clip() -> None:
    """Speech in the middle of faint noise is marked there and nowhere else; a lone click is not."""
    clip = np.concatenate((white(1.0, -70), speech_like(1.0), white(1.0, -70, 1)))
    clip[8000] = 0.9
    speech = report.speech_frames(clip)
    assert speech[50:100].mean() > 0.7
    assert not speech[:49].any()
    assert not speech[102:].any()


@pytest.mark.parametrize("snr_db", [20.0, 5.0])
def test_mixing_gives_the_ratio_asked_for(snr_db: float) -> None:
    """Over the speech frames, against the noise alone."""
    clip, noise = speech_like(2.0), white(0.7, -20)
    speech = report.speech_frames(clip)
    scene = report.mixed(clip, speech, noise, snr_db, 16_000)
    assert len(scene) == 16_000 + len(clip) + 24_000
    voice = np.mean(clip[: len(speech) * 320].reshape(-1, 320)[speech] ** 2)
    rest = scene.copy()
    rest[16_000 : 16_000 + len(clip)] -= clip
    assert 10 * np.log10(voice / np.mean(rest**2)) == pytest.approx(snr_db, abs=0.1)


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    """Two made-up people and four noises, laid out like a speech collection."""
    sounds: list[tuple[str, str, str, Float32]] = [
        ("train/librispeech/a.wav", "train", "librispeech", speech_like(2.0, 1)),
        ("dev/librispeech/b.wav", "dev", "librispeech", speech_like(2.0, 2)),
        ("noise/esc10/002_Rain/1-a.wav", "noise", "esc10", white(2.0, -25, 1)),
        ("noise/esc10/002_Rain/4-b.wav", "noise", "esc10", white(2.0, -25, 2)),
        ("noise/noise/x__boiler.wav", "noise", "noise", white(2.0, -30, 3)),
        ("noise/noise/y__washer.wav", "noise", "noise", white(2.0, -30, 4)),
    ]
    with (tmp_path / "manifest.tsv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(["path", "split", "set"])
        for path, split, name, samples in sounds:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(tmp_path / path, samples, SAMPLE_RATE)
            writer.writerow([path, split, name])
    return tmp_path


def test_tuning_and_reporting_share_no_noise(collection: Path) -> None:
    """Folds 1 and 2 and every other loose recording are for tuning, the rest for the report."""
    found = report.Collection(collection)
    tune, rest = found.noises("tune"), found.noises("report")
    assert set(tune) == {"Rain", "boiler"}
    assert set(rest) == {"Rain", "washer"}
    assert not np.array_equal(tune["Rain"][0], rest["Rain"][0])


def test_the_report_on_a_small_collection(collection: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The clip is found in silence, rain is not taken for speech, and the same figures go to the JSON file."""
    out = collection / "figures.json"
    assert report.main(["--speech", str(collection), "--clips", "1", "--json", str(out)]) == 0
    figures = json.loads(out.read_text(encoding="utf-8"))
    assert figures["Speech found"]["librispeech"]["silence"] == "100 / 100"
    assert figures["Noise taken for speech"]["Rain"]["utterances per minute"] == 0
    assert figures["Starts and ends"]["librispeech"]["clips"] == 1
    printed = capsys.readouterr().out
    assert "## Speech found" in printed
    assert "| librispeech | 1 | 100 / 100 |" in printed


def test_silence_alone_has_no_utterance() -> None:
    assert report.utterances_of(silence(2), Segment()) == []
