"""An augmenter does the same for the same seed, keeps time, and stays within full scale."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.records import SAMPLE_RATE, Float32
from tests.edge.synthetic import fan, speech_like, white
from training.augment import Augmenter, AugmentRecipe, Materials, generator

MATERIALS = Materials.of(
    noises=[fan(2.0, -30), white(0.5, -20)],
    speech=[speech_like(1.0, seed) for seed in range(4)],
    responses=[np.exp(-np.arange(4000) / 600).astype(np.float32) * white(0.25, -3)],
)
AUGMENTER = Augmenter(MATERIALS, AugmentRecipe(rooms=6))
EVERYTHING = AugmentRecipe(
    voice_kept=0, speed=1, pitch=1, formant=1, tempo=1, prosody=1,
    place_kept=0, room=1, noise=1, babble=1, coloured=1, microphone=1, hum=1, dc=1, clipping=1, gain=1,
    band_limit=1, codec=1, rooms=6,
)  # fmt: skip
SPEECH = speech_like(1.0, seed=7)
NO_CHANCE = {
    name: 0.0
    for name, value in AugmentRecipe().to_json().items()
    if isinstance(value, float) and not name.endswith("kept")
}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), gain=st.sampled_from([0.0, 0.01, 1.0, 1.6]), length=st.integers(0, 16_000))
def test_degrading_keeps_the_length_and_gives_numbers_within_full_scale(seed: int, gain: float, length: int) -> None:
    speech = (SPEECH * np.float32(gain))[:length]
    heard = AUGMENTER.degrade(speech, generator(seed, "clip"))
    assert heard.shape == speech.shape
    assert heard.dtype == np.float32
    assert np.isfinite(heard).all()
    assert np.max(np.abs(heard), initial=0.0) <= 1.0


@pytest.mark.parametrize("seed", range(8))
def test_the_same_seed_gives_the_same_whatever_was_done_before(seed: int) -> None:
    speech = SPEECH
    fresh = Augmenter(MATERIALS, AugmentRecipe(rooms=6))
    travelled = pickle.loads(pickle.dumps(fresh))
    travelled.degrade(speech, generator(99, "another clip"))
    for method in ("voice", "degrade"):
        one, other = (getattr(a, method)(speech, generator(seed, "clip")) for a in (fresh, travelled))
        assert np.array_equal(one, other)


def test_other_seeds_and_other_clips_get_other_changes() -> None:
    drawn = {generator(seed, key).random() for seed in (1, 2) for key in ("a#1", "a#2", "b#1")}
    assert len(drawn) == 6


def test_the_generator_is_the_same_on_every_machine() -> None:
    assert generator(1, "train/a.ogg#1").integers(0, 1000, 4).tolist() == KNOWN


KNOWN = [129, 437, 276, 603]


@pytest.mark.parametrize("seed", range(6))
def test_a_degraded_voice_stays_in_line(seed: int) -> None:
    speech = SPEECH
    near = {"rt60_seconds": (0.15, 0.4), "distance_metres": (0.3, 0.7), "measured_room": 0.0}
    quiet = {"noise_snr_db": (10, 25), "babble_snr_db": (10, 25), "coloured_snr_db": (10, 25)}
    recipe = AugmentRecipe.from_json(EVERYTHING.to_json() | near | quiet | {"dc_offset": [0.001, 0.002]})
    heard = Augmenter(MATERIALS, recipe).degrade(speech, generator(seed, "clip"))
    assert abs(_lag(heard, speech)) < 160


def test_everything_at_once_is_told_and_still_within_full_scale() -> None:
    augmenter, speech = Augmenter(MATERIALS, EVERYTHING), SPEECH
    voice, told_voice = augmenter.voice_told(speech, generator(1, "clip"))
    heard, told_place = augmenter.degrade_told(voice, generator(1, "clip"))
    assert len(told_voice) == 5
    assert len(told_place) == 11
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() <= 1.0


def test_where_nothing_has_a_chance_nothing_happens() -> None:
    augmenter = Augmenter(MATERIALS, AugmentRecipe.from_json(NO_CHANCE))
    speech = SPEECH[:8000]
    for seed in range(5):
        assert augmenter.voice_told(speech, generator(seed, "clip")) == (speech, ())
        heard, told = augmenter.degrade_told(speech, generator(seed, "clip"))
        assert told == ()
        assert np.array_equal(heard, speech)


def test_a_share_is_kept_and_the_rest_changed_as_often_as_the_recipe_says() -> None:
    recipe = AugmentRecipe.from_json(NO_CHANCE | {"place_kept": 0.4, "gain": 0.5, "coloured": 0.25})
    augmenter, speech = Augmenter(MATERIALS, recipe), SPEECH[:3200]
    told = [augmenter.degrade_told(speech, generator(seed, "clip"))[1] for seed in range(300)]
    assert np.mean([any("gain" in words for words in done) for done in told]) == pytest.approx(0.3, abs=0.08)
    assert np.mean([any("noise" in words for words in done) for done in told]) == pytest.approx(0.15, abs=0.06)


def test_clipping_is_heard_only_where_it_was_asked() -> None:
    recipe = AugmentRecipe.from_json(NO_CHANCE | {"gain": 1.0, "gain_db": [25.0, 40.0], "place_kept": 0.0})
    speech = SPEECH[:8000]
    heard = Augmenter(MATERIALS, recipe).degrade(speech, generator(1, "clip"))
    assert np.allclose(heard / np.abs(heard).max(), speech / np.abs(speech).max(), atol=1e-5)


def test_without_materials_there_is_still_something_to_do() -> None:
    augmenter, speech = Augmenter(Materials.of(), EVERYTHING), SPEECH[:8000]
    _, told = augmenter.degrade_told(speech, generator(1, "clip"))
    assert any(words.startswith("room of") for words in told)
    assert not any("voices" in words for words in told)


@settings(max_examples=25, deadline=None)
@given(frames=st.integers(0, 400), bands=st.sampled_from([1, 24, 80]), seed=st.integers(0, 999))
def test_masks_hide_whole_rows_and_columns_behind_the_mean(frames: int, bands: int, seed: int) -> None:
    features = np.random.default_rng(seed).standard_normal((frames, bands)).astype(np.float32) + 3
    before = features.copy()
    masked = AUGMENTER.spec(features, generator(seed, "clip"))
    assert np.array_equal(features, before)
    assert masked.shape == features.shape
    assert masked.dtype == np.float32
    if not frames:
        return
    hidden = masked != features
    mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    assert np.array_equal(masked[hidden], np.broadcast_to(mean, masked.shape)[hidden])
    rows, columns = hidden.all(axis=1), hidden.all(axis=0)
    assert np.array_equal(hidden, rows[:, None] | columns[None, :])
    assert rows.sum() <= 2 * (frames // 5)
    assert columns.sum() <= 2 * (bands // 4)


def _lag(heard: Float32, spoken: Float32) -> int:
    size = 4 * SAMPLE_RATE
    likeness = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(spoken, size)))
    at = int(np.argmax(likeness))
    return at if at < size // 2 else at - size
