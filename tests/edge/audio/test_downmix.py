"""Many channels to one: the mean, unless that would lose the voice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.audio.downmix import Downmix, mixing_weights
from tests.edge.audio.sounds import cuts, likeness, voice

RATE = 16_000


def mixed(frames: np.ndarray, pieces: list[np.ndarray] | None = None) -> np.ndarray:
    downmix = Downmix(frames.shape[1], RATE)
    given = pieces if pieces is not None else [frames]
    return np.concatenate([downmix.push(piece.astype(np.float32)) for piece in given] + [downmix.finish()])


def noise(seed: int, level: float, count: int = 24_000) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(count) * level


def test_one_channel_passes_untouched_and_at_once() -> None:
    samples = voice().astype(np.float32)
    assert np.array_equal(Downmix(1, RATE).push(samples[:, None]), samples)


def test_unrelated_channels_give_their_mean() -> None:
    frames = np.stack([voice(seed=1), noise(2, 0.05), noise(3, 0.05)], axis=1)
    assert np.allclose(mixed(frames), frames.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("channels", [2, 4, 6])
@pytest.mark.parametrize("rest", [0.0, 1e-5])
def test_dead_channels_do_not_lower_the_level(channels: int, rest: float) -> None:
    frames = np.stack([noise(channel, rest) for channel in range(channels)], axis=1)
    frames[:, channels - 1] = voice()
    assert np.allclose(mixed(frames), voice(), atol=1e-3)


def test_a_dead_channel_with_an_offset_is_dead() -> None:
    frames = np.stack([voice(), np.full(24_000, 0.01)], axis=1)
    heard = mixed(frames)
    assert np.allclose(heard - 0.01, voice(), atol=1e-3)


@pytest.mark.parametrize("gain", [-1.0, -0.8, -0.5, -1.25])
def test_channels_in_antiphase_do_not_cancel(gain: float) -> None:
    frames = np.stack([gain * voice(), voice()], axis=1) + 1e-4 * noise(4, 1.0)[:, None]
    heard = mixed(frames)
    assert abs(likeness(heard, voice())) > 0.999
    assert np.std(heard) >= 0.49 * np.std(voice())


def test_antiphase_after_silence_is_heard_from_the_first_syllable() -> None:
    silence = np.zeros((8_000, 2))
    frames = np.concatenate((silence, np.stack([-voice(), voice()], axis=1)))
    heard = mixed(frames)[8_000:]
    assert abs(likeness(heard, voice())) > 0.999


def test_a_second_speaker_on_the_other_channel_is_not_lost() -> None:
    """The dead channel comes alive after ten seconds; its very first samples are in the mix."""
    first, second = np.zeros((160_000, 2)), np.zeros((24_000, 2))
    first[:, 0] = np.tile(voice(seconds=1.0), 10)
    second[:, 1] = voice(seed=9)
    heard = mixed(np.concatenate((first, second)))[160_000:]
    assert likeness(heard[:2_000], voice(seed=9)) > 0.99
    assert np.std(heard) > 0.45 * np.std(voice(seed=9))


def test_silence_stays_silence() -> None:
    assert np.array_equal(mixed(np.zeros((5_000, 2))), np.zeros(5_000))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 6_000), channels=st.integers(1, 5))
def test_the_way_the_input_is_cut_does_not_matter(seed: int, count: int, channels: int) -> None:
    frames = np.random.default_rng(seed).uniform(-1, 1, (count, channels)) * np.linspace(0, 1, channels)
    whole = mixed(frames)
    assert len(whole) == count
    assert np.array_equal(whole, mixed(frames, cuts(frames, seed)))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), channels=st.integers(1, 8))
def test_weights_never_raise_a_voice_that_is_everywhere(seed: int, channels: int) -> None:
    mixing = np.random.default_rng(seed).standard_normal((channels, channels))
    weights = mixing_weights(mixing @ mixing.T)
    assert weights.shape == (channels,)
    assert weights.sum() == pytest.approx(1.0)
    assert (weights >= 0).all()
