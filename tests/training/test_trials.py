"""Trial lists and the audio that their sides stand for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import AudioFileError, UsageError
from training import corpus, trials
from training.trials import Clip, Noise, Side

RATE = 16000


@pytest.fixture()
def speech(tmp_path: Path) -> Path:
    """Three seconds of noise each, different ones, stored without loss."""
    for seed, name in enumerate(("a", "b", "hum")):
        samples = np.random.default_rng(seed).normal(0, 0.1, 3 * RATE).astype(np.float32)
        soundfile.write(tmp_path / f"{name}.wav", samples, RATE, subtype="FLOAT")
    return tmp_path


def raw(folder: Path, name: str) -> np.ndarray:
    return soundfile.read(folder / f"{name}.wav", dtype="float32")[0]


def test_a_clip_is_a_whole_file_or_a_stretch():
    assert trials.parse_clip("x/y.ogg") == Clip("x/y.ogg")
    assert trials.parse_clip("x/y.ogg@7.67+4.00") == Clip("x/y.ogg", 7.67, 4.0)


@pytest.mark.parametrize("text", ["", "@1+2", "a@", "a@1", "a@1+", "a@x+1", "a@1+nan", "a@-1+2", "a@1+0", "a@1+-1"])
def test_a_broken_clip_is_refused(text):
    with pytest.raises(ValueError):
        trials.parse_clip(text)


def test_noise_has_a_place_and_a_ratio():
    assert trials.parse_noise("n/hum.ogg@0.57:-5") == Noise("n/hum.ogg", 0.57, -5.0)


@pytest.mark.parametrize("text", ["n", "n@1", "n:5", "@1:5", "n@x:5", "n@1:inf", "n@1:"])
def test_broken_noise_is_refused(text):
    with pytest.raises(ValueError):
        trials.parse_noise(text)


def test_semicolons_separate_utterances_and_bars_join_clips():
    assert trials.parse_side("a|b@1+2;c").utterances == ((Clip("a"), Clip("b", 1.0, 2.0)), (Clip("c"),))


@given(st.floats(0, 100), st.floats(0.01, 100))
def test_a_stretch_survives_being_written_and_read(start, seconds):
    assert trials.parse_clip(f"f@{start!r}+{seconds!r}") == Clip("f", start, seconds)


def test_samples_are_those_of_the_stretches_in_order(speech):
    audio = trials.Audio(speech)
    first, second = audio.utterances(trials.parse_side("a.wav@0.5+1.25|b.wav;b.wav@2+9"))
    assert np.array_equal(first, np.concatenate([raw(speech, "a")[8000:28000], raw(speech, "b")]))
    assert np.array_equal(second, raw(speech, "b")[32000:]), "a stretch beyond the end is cut at the end"


def test_positions_are_truncated_to_whole_samples_from_the_sum(speech):
    """0.1 + 0.2 is a little more than 0.3: the end is computed from the sum, as the format says."""
    clip = trials.Audio(speech).clip(Clip("a.wav", 1.00001, 0.50009))
    assert np.array_equal(clip, raw(speech, "a")[int(1.00001 * RATE) : int((1.00001 + 0.50009) * RATE)])


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 10.0, 20.0])
def test_noise_is_repeated_and_mixed_at_the_ratio_over_the_whole_side(speech, snr_db):
    audio = trials.Audio(speech)
    clean = audio.utterances(trials.parse_side("a.wav|b.wav"))[0]
    noisy = audio.utterances(trials.parse_side("a.wav|b.wav", f"hum.wav@2.5:{snr_db}"))[0]
    added = noisy.astype(float) - clean
    ratio_db = 10 * np.log10(np.mean(clean.astype(float) ** 2) / np.mean(added**2))
    assert ratio_db == pytest.approx(snr_db, abs=0.01)
    shape = added / np.abs(added).max()
    source = raw(speech, "hum")[int(2.5 * RATE) :]
    tiled = np.tile(source, 13)[: len(clean)]
    assert np.corrcoef(shape, tiled)[0, 1] > 0.999
    assert noisy.dtype == np.float32


def test_noise_over_silence_stays_silent(speech):
    assert not trials.mix(np.zeros(100, np.float32), np.ones(10, np.float32), 5.0).any()


def test_the_files_used_last_stay_in_memory_and_the_rest_goes(speech):
    audio = trials.Audio(speech, keep_files=1)
    first = audio.file("a.wav")
    assert audio.file("a.wav") is first
    audio.file("b.wav")
    assert audio.file("a.wav") is not first


def test_missing_wrong_rate_stereo_and_overrun_are_errors_with_a_remedy(speech):
    soundfile.write(speech / "slow.wav", np.zeros(100), 8000)
    soundfile.write(speech / "two.wav", np.zeros((100, 2)), RATE)
    (speech / "text.wav").write_text("no audio")
    audio = trials.Audio(speech)
    for name in ("absent.wav", "slow.wav", "two.wav", "text.wav"):
        with pytest.raises(AudioFileError, match=name) as caught:
            audio.file(name)
        assert caught.value.remedy
    with pytest.raises(AudioFileError, match="ends before"):
        audio.clip(Clip("a.wav", 5.0, 1.0))
    with pytest.raises(AudioFileError, match="ends before"):
        audio.utterances(Side(((Clip("a.wav"),),), Noise("hum.wav", 3.0, 5.0)))


HEADER = "target\tenrol_speaker\tenrol\ttest_speaker\ttest\tnoise\n"


def test_a_list_is_read_with_its_name_and_sides_are_shared(tmp_path):
    path = tmp_path / "words-1s.tsv"
    path.write_text(HEADER + "1\tann\ta;b\tann\tc\tn@1:5\n0\tann\ta;b\tbob\td\t\n")
    found = trials.read_list(path)
    assert found.name == "words-1s"
    assert [t.target for t in found.trials] == [True, False]
    assert found.trials[0].test.noise == Noise("n", 1.0, 5.0)
    assert found.trials[1].test == trials.parse_side("d")
    assert found.trials[0].enrol is found.trials[1].enrol


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no trials"),
        (HEADER, "no trials"),
        ("target\tenrol\n1\ta\n", "no column enrol_speaker"),
        (HEADER + "yes\tann\ta\tann\tb\t\n", "Line 2.*target"),
        (HEADER + "1\tann\ta\tann\tb\t\n1\tann\ta@3\tann\tb\t\n", "Line 3"),
        (HEADER + "1\tann\ta\tann\n", "Line 2"),
    ],
)
def test_a_broken_list_names_the_line(tmp_path, text, words):
    path = tmp_path / "x.tsv"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        trials.read_list(path)


def test_a_missing_list_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        trials.read_list(tmp_path / "none.tsv")


MANIFEST = "path\tsplit\tset\tspeaker\tgender\temotion\tlanguage\tseconds\tlicence\tsource\n"


def test_a_manifest_is_read_in_order_and_grouped_by_known_speaker(tmp_path):
    rows = [
        "a.ogg\ttrain\tx\tann\tf\t\ten\t1.5\tCC0\there",
        "n.ogg\tnoise\ty\t\t\t\t\t5\tCC0\t",
        "b.ogg\ttrain\tx\tann\tf\t\ten\t2\tCC0\t",
    ]
    (tmp_path / "manifest.tsv").write_text(MANIFEST + "\n".join(rows) + "\n")
    found = corpus.read_manifest(tmp_path)
    assert [r.path for r in found] == ["a.ogg", "n.ogg", "b.ogg"]
    assert found[0].seconds == 1.5
    assert {key: [r.path for r in rows] for key, rows in corpus.by_speaker(found).items()} == {
        ("x", "ann"): ["a.ogg", "b.ogg"]
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path\tsplit\n", "no column set"),
        (MANIFEST + "a\ttrain\n", "Line 2.*too few"),
        (MANIFEST + "a\ttrain\tx\ty\tf\t\ten\tlong\tCC0\t\n", "Line 2.*seconds"),
    ],
)
def test_a_broken_manifest_names_the_line(tmp_path, text, words):
    (tmp_path / "manifest.tsv").write_text(text)
    with pytest.raises(UsageError, match=words):
        corpus.read_manifest(tmp_path)


def test_a_folder_without_a_manifest_says_what_to_give(tmp_path):
    with pytest.raises(UsageError, match="cannot be read") as caught:
        corpus.read_manifest(tmp_path)
    assert "--speech" in caught.value.remedy
