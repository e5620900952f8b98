"""The speech head, its logistic regression, and the sounds that it learns to refuse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convert import sounds, speech_head
from convert.cohort import choose, cohort
from convert.logistic import fit
from training.corpus import read_manifest


@pytest.mark.parametrize("kind", sounds.KINDS)
def test_made_up_sounds_are_audible_bounded_and_repeatable(kind):
    for seed in range(8):
        one, two = (sounds.make(kind, np.random.default_rng(seed), 20_000) for _ in range(2))
        np.testing.assert_array_equal(one, two)
        assert one.dtype == np.float32
        assert one.shape == (20_000,)
        assert np.abs(one).max() <= 1.0
        assert np.sqrt(np.mean(one**2)) > 1e-3


@given(st.integers(0, 50))
def test_logistic_regression_finds_the_direction_whatever_the_scales(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(400, 3)) * [1.0, 100.0, 0.01] + [0.0, 500.0, 0.0]
    truth = x[:, 0] + (x[:, 1] - 500) / 100 > 0.3
    kernel, bias = fit(x, truth, 1e-4)
    assert np.mean((x @ kernel + bias > 0) == truth) > 0.97


def test_both_classes_weigh_the_same():
    x = np.concatenate([np.full(990, -1.0), np.full(10, 1.0)])[:, None]
    kernel, bias = fit(x, x[:, 0] > 0, 1e-2)
    assert kernel[0] > 0
    assert abs(bias) < 0.2 * kernel[0]


class Ear:
    """Stands for an encoder: spectral flatness, level and peakedness instead of pooled frame features."""

    def statistics(self, samples):
        spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2 + 1e-9
        low = spectrum[: len(spectrum) // 4].sum() / spectrum.sum()
        flat = np.exp(np.log(spectrum).mean()) / spectrum.mean()
        return [np.array([low, np.log(flat), np.log(samples.std() + 1e-6)], np.float32)]

    def embed(self, samples):
        spectrum = np.abs(np.fft.rfft(samples, 4096))[:16]
        return (spectrum / np.linalg.norm(spectrum)).astype(np.float32)


def test_the_head_tells_voices_from_noise_it_never_heard(corpus, few_sounds):
    head = speech_head.train(Ear(), corpus, read_manifest(corpus), 0)
    assert head.kernel.shape == (3,)
    assert head.report["missed_speech_percent"] <= 5
    assert head.report["false_speech_percent"] <= 50
    assert head.report["wrong_percent_by_group"]["esc10 rain"] <= 20


def test_nothing_of_the_test_is_in_the_training(corpus, few_sounds):
    rows = read_manifest(corpus)
    examples = [*speech_head.speech(corpus, rows, 0), *speech_head.noises(corpus, rows, 0)]
    for group in {e.group for e in examples}:
        mine = [e for e in examples if e.group == group]
        assert {e.held_out for e in mine} <= {True, False}
        kept = {e.samples.tobytes() for e in mine if not e.held_out}
        assert not kept & {e.samples.tobytes() for e in mine if e.held_out}
    assert {e.speech for e in examples} == {True, False}


def test_the_cohort_has_one_unit_row_for_each_training_speaker(corpus):
    rows = read_manifest(corpus)
    assert len(choose(rows)) == 8
    found = cohort(Ear(), corpus, rows)
    assert found.shape == (8, 16)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
