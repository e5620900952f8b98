"""Takes become strings: who says what, at what level, and in what noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.audio import read_samples
from edge.challenge.frames import FLOOR, SPEC
from edge.errors import UsageError
from edge.records import SAMPLE_RATE
from tests.training.digits.made import WORDS, tone, write_speech
from training.augment import AugmentRecipe
from training.augment.materials import Clips, Materials
from training.digits import material, trials
from training.digits.compose import Composer
from training.digits.material import Material
from training.digits.takes import find_takes, samples_of, trimmed
from training.digits.words import WordList

LIST = WordList.of(WORDS)


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("speech")
    write_speech(folder)
    return folder


@pytest.fixture(scope="module")
def made(speech: Path) -> Material:
    return _make(speech, speech / "kept.npz")


def _make(speech: Path, kept: Path, seed: int = 1) -> Material:
    takes, fillers = find_takes(speech, LIST, "xx", 10, 1)
    noises = [next(speech.glob("other_*"))]
    return material.make(
        [*takes, *fillers], noises, copies=1, materials=Materials(Clips(()), Clips(())),
        recipe=AugmentRecipe(codec=0.0), seed=seed, kept=kept, say=lambda _: None,
    )  # fmt: skip


def test_words_are_takes_and_everything_else_is_a_filler(speech: Path) -> None:
    takes, fillers = find_takes(speech, LIST, "xx", 10, 1)
    assert {take.speaker for take in takes} == {"p0", "p1", "p2"}
    assert len(takes) == 24 and len(fillers) == 3
    assert all(not take.digits for take in fillers)


def test_a_word_that_nobody_says_is_named(speech: Path) -> None:
    with pytest.raises(UsageError, match="no recording of 'summit'"):
        find_takes(speech, WordList.of([*WORDS, "summit"]), "xx", 10, 1)


def test_silence_around_a_word_goes_and_little_else() -> None:
    kept = trimmed(tone(1, 0))
    assert 0.2 * SAMPLE_RATE < len(kept) < 0.4 * SAMPLE_RATE
    assert np.sum(kept**2) == pytest.approx(np.sum(tone(1, 0) ** 2), rel=0.01)


def test_fillers_are_cut(speech: Path) -> None:
    _, fillers = find_takes(speech, LIST, "xx", 10, 1)
    assert len(samples_of(fillers[0])) == 1.5 * SAMPLE_RATE
    assert len(read_samples(fillers[0].path)) == 2 * SAMPLE_RATE


def test_copies_belong_to_their_take_and_come_again_from_the_file(made: Material, speech: Path) -> None:
    assert len(made.frames) == 24 * 2 + 3
    assert made.plain.sum() == 27
    again = _make(speech, speech / "kept.npz")
    assert all(np.array_equal(one, other) for one, other in zip(made.frames, again.frames, strict=True))
    assert len(again.noises) == 1


def test_another_seed_makes_the_copies_anew(made: Material, speech: Path, tmp_path: Path) -> None:
    other = _make(speech, tmp_path / "kept.npz", seed=2)
    assert any(one.shape != two.shape or not np.array_equal(one, two)
               for one, two in zip(made.frames, other.frames, strict=True))  # fmt: skip


def test_batches_have_strings_that_fit(made: Material) -> None:
    composer = Composer(made, ["p0", "p1"], 300, {})
    batch = composer.batch(40, np.random.default_rng(1))
    assert batch.x.shape == (40, 300, SPEC.n_mels) and batch.x.dtype == np.float32
    assert batch.x.min() >= FLOOR
    lengths = (batch.labels >= 0).sum(axis=1)
    assert lengths.max() > 2
    for row, length in zip(batch.labels, lengths, strict=True):
        assert set(row[:length]) <= {0, 1, 2, 3} and (row[length:] == -1).all()


def test_nobody_who_is_left_out_is_heard(made: Material) -> None:
    composer = Composer(made, ["p1"], 300, {})
    used = {made.takes[made.take[copy]].speaker for rows in composer._of["p1"].values() for copy in rows}
    assert used == {"p1"} and list(composer._of) == ["p1"]


def test_strings_for_trials_have_six_words_of_one_person(speech: Path) -> None:
    takes, _ = find_takes(speech, LIST, "xx", 10, 1)
    found = list(trials.strings(takes, 4, 1, 4))
    assert len(found) == 12
    for trial in found:
        assert len(trial.digits) == 6
        assert all(one != other for one, other in zip(trial.digits, trial.digits[1:], strict=False))
        assert np.abs(trial.samples).max() <= 1.0
    lengths = [len(trial.samples) for trial in found if trial.speaker == "p0"]
    assert lengths[1] > lengths[0]  # every other one has pauses


def test_noise_is_as_loud_as_asked_under_the_words(speech: Path) -> None:
    takes, _ = find_takes(speech, LIST, "xx", 10, 1)
    clean = next(iter(trials.singles(takes)))
    noises = [next(speech.glob("other_*"))]
    mixed = next(trials.noisy(iter([clean]), noises, 10.0, 1))
    noise = mixed.samples - clean.samples
    spoken = clean.samples[np.abs(clean.samples) > 0.02]
    ratio_db = 10 * np.log10(np.mean(spoken**2) / np.mean(noise**2))
    assert 8.0 < ratio_db < 12.0
