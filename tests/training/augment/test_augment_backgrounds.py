"""What is mixed in has the level and the colour that was asked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.records import SAMPLE_RATE
from tests.edge.synthetic import fan, speech_like, white
from training.augment import Materials, backgrounds
from training.augment.levels import add_noise, rms, to_rms, under_full_scale
from training.trials import mix

MATERIALS = Materials.of(noises=[fan(2.0, -30), white(0.4, -20)], speech=[speech_like(1.0, seed) for seed in range(4)])


SPEECH = speech_like(1.0, seed=9)


@settings(max_examples=25, deadline=None)
@given(
    snr_db=st.floats(-10, 40), seed=st.integers(0, 99), kind=st.sampled_from(["household", "part", "babble", "hiss"])
)
def test_the_ratio_of_powers_is_the_one_asked(snr_db: float, seed: int, kind: str) -> None:
    speech = SPEECH
    rng = np.random.default_rng(seed)
    if kind == "babble":
        noise = backgrounds.babble(MATERIALS.speech, 3, len(speech), rng)
    elif kind == "hiss":
        noise = backgrounds.coloured(1.0, len(speech), rng)
    else:
        noise, _ = backgrounds.household(MATERIALS.noises, len(speech), rng)
        noise = backgrounds.in_part(noise, rng) if kind == "part" else noise
    added = add_noise(speech, noise, snr_db) - speech
    assert 20 * np.log10(rms(speech) / rms(added)) == pytest.approx(snr_db, abs=0.5)


def test_the_ratio_is_that_of_the_trial_lists() -> None:
    speech, noise = SPEECH, fan(1.0, -30)
    assert np.allclose(add_noise(speech, noise, 7.0), mix(speech, noise, 7.0), atol=1e-4)


def test_silence_as_noise_or_as_speech_adds_nothing_and_breaks_nothing() -> None:
    speech, silence = speech_like(0.5), np.zeros(8000, np.float32)
    assert np.array_equal(add_noise(speech, silence, 10.0), speech)
    assert not add_noise(silence, speech, 10.0).any()
    assert not to_rms(silence, 0.1).any()


@pytest.mark.parametrize("slope", [-0.5, 0.0, 1.0, 2.0])
def test_coloured_noise_falls_with_the_slope_asked(slope: float) -> None:
    noise = backgrounds.coloured(slope, 4 * SAMPLE_RATE, np.random.default_rng(0))
    spectrum = np.abs(np.fft.rfft(noise)) ** 2
    hertz = np.arange(len(spectrum)) / 4
    octaves = [(spectrum[(hertz >= low) & (hertz < 2 * low)]).mean() for low in (100, 200, 400, 800, 1600, 3200)]
    per_octave = np.polyfit(np.arange(6), np.log2(octaves), 1)[0]
    assert per_octave == pytest.approx(-slope, abs=0.12)


def test_noise_in_part_leaves_the_rest_untouched() -> None:
    gated = backgrounds.in_part(np.ones(16_000, np.float32), np.random.default_rng(4))
    heard = np.flatnonzero(gated)
    assert 0.15 < len(heard) / 16_000 < 0.75
    assert gated.max() == 1.0
    assert len(heard) == heard[-1] - heard[0] + 1


def test_a_silent_stretch_of_noise_is_passed_over_where_there_is_something_to_hear() -> None:
    loud = np.concatenate((fan(0.2, -20), np.zeros(60_000, np.float32), fan(0.2, -20)))
    clips = Materials.of(noises=[loud, fan(4.0, -20)]).noises
    pieces = [backgrounds.household(clips, 8000, np.random.default_rng(seed))[0] for seed in range(40)]
    assert np.mean([rms(piece) > 1e-3 for piece in pieces]) > 0.9


def test_only_what_leaves_full_scale_is_turned_down() -> None:
    quiet = speech_like(0.2)
    assert under_full_scale(quiet) is quiet
    assert np.abs(under_full_scale(quiet * 9)).max() == pytest.approx(0.99, abs=1e-3)
