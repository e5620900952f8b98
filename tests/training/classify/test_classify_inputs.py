"""What models see, and what of it lies on disk."""

import csv

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="needs the extra [train]")

from edge.audio import read_samples
from edge.errors import AudioFileError
from tests.training.classify.corpus import voice, write
from training.classify import inputs
from training.classify.examples import draw, trim
from training.classify.picture import picture, read_png, write_png
from training.classify.recipe import ClassifyRecipe, Input
from training.classify.store import Features
from training.corpus import read_manifest

RECIPE = {
    "name": "toy", "tasks": ["gender"], "sets": ["toy"], "augment": {"white": 0.5, "coloured": 0.3, "pitch": 0.3},
    "models": [{"network": "knn", "input": {"kind": "voice-table", "seconds": 0.5}}],
}  # fmt: skip
KINDS = [
    Input(kind="voice-table", seconds=0.5),
    Input(kind="mfcc-image", seconds=0.5, coefficients=13, frames=20),
    Input(kind="spectrogram-png", seconds=0.5),
]


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    return write(tmp_path_factory.mktemp("speech"), speakers=2, clips=2)


def test_mfccs_are_those_of_python_speech_features():
    import python_speech_features

    samples = voice(150, 700, 2.0, 1)
    found = inputs.mfcc(samples, 40, 87)
    hop = 32_000 // 87
    padded = np.concatenate((samples, np.zeros(88 * hop - len(samples), np.float32)))
    expected = python_speech_features.mfcc(
        32768 * padded.astype(np.float64), 16_000, 2 * hop / 16_000, hop / 16_000, 40, 64, 1024, 20, 8000, 0.97, 0,
        False, np.hamming,
    )  # fmt: skip
    assert found.shape == expected.shape == (87, 40)
    np.testing.assert_allclose(found, expected, atol=2e-2)


@pytest.mark.parametrize("kind", inputs.TABLES)
def test_a_table_has_a_name_for_every_column(kind):
    names = inputs.columns(kind)
    assert len(set(names)) == len(names) == len(inputs.compute(Input(kind=kind), voice(150, 700, 2.0, 1)))


def test_the_tables_have_the_columns_that_were_described():
    assert len(inputs.columns("spectral-statistics")) == 32
    assert len(inputs.columns("spectral-means")) == 26
    assert len(inputs.columns("mfcc-moments")) == 26


def test_a_picture_shows_high_sounds_above_low_ones_and_survives_its_file(tmp_path):
    time = np.arange(16_000) / 16_000
    pixels = picture(np.sin(2 * np.pi * 6000 * time).astype(np.float32))
    assert pixels.sum(axis=(1, 2))[:32].max() > pixels.sum(axis=(1, 2))[32:].max()
    write_png(tmp_path / "a" / "b.png", pixels)
    assert np.array_equal(read_png(tmp_path / "a" / "b.png"), pixels)


@pytest.mark.parametrize("what", KINDS, ids=lambda what: what.kind)
def test_features_are_computed_once_and_read_back_as_they_were(speech, tmp_path, what):
    recipe = ClassifyRecipe.from_json(RECIPE)
    examples = draw(recipe, "gender", what.seconds, read_manifest(speech))
    assert {one.change for one in examples} == {"", "white", "coloured", "pitch"}
    read: list = []

    def reading(path):
        read.append(path)
        return read_samples(path)

    _, first = Features(tmp_path, examples, what, recipe.augment, 1).load(speech, reading, lambda line: None)
    assert first.shape == (len(examples), *inputs.shape(what))
    assert len(read) == 4
    again = Features(tmp_path, examples, what, recipe.augment, 1)
    assert np.array_equal(again.load(speech, reading, lambda line: None)[1], first)
    assert len(read) == 4
    table = next(again.folder.glob("*.csv"))
    with table.open(newline="") as file:
        assert len(list(csv.reader(file))) == len(examples) + 1
    pictures = list(again.folder.rglob("*.png"))
    assert len(pictures) == (len(examples) if what.kind == "spectrogram-png" else 0)
    originals = np.array([not one.change for one in examples])
    assert not np.array_equal(first[originals][0], first[~originals][0])
    other = Features(tmp_path, examples, what, recipe.augment, 2)
    assert other.folder != again.folder


@pytest.mark.parametrize("what", [KINDS[0], KINDS[2]], ids=lambda what: what.kind)
def test_a_recording_that_cannot_be_read_is_named_and_left_out(speech, tmp_path, what):
    recipe = ClassifyRecipe.from_json(RECIPE)
    examples = draw(recipe, "gender", what.seconds, read_manifest(speech))
    bad, told = examples[0].path, []

    def reading(path):
        if path == speech / bad:
            raise AudioFileError(f"{path.name} is damaged")
        return read_samples(path)

    features = Features(tmp_path, examples, what, recipe.augment, 1)
    heard, rows = features.load(speech, reading, told.append)
    assert [one for one in examples if one.path != bad] == list(heard)
    assert len(rows) == len(heard)
    assert any("set aside" in line and "damaged" in line for line in told)
    again, same = features.load(speech, reading, told.append)
    assert again == heard
    assert np.array_equal(same, rows)


def test_silence_at_both_ends_is_cut_off_and_silence_alone_is_kept():
    sound = voice(150, 700, 0.5, 1)
    quiet = np.zeros(8000, np.float32)
    assert abs(len(trim(np.concatenate((quiet, sound, quiet)))) - len(sound)) <= 640
    assert len(trim(quiet)) == 8000
