"""Rate conversion: aligned, flat, free of aliases, and blind to how the input was cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.audio.resample import HIGHEST_RATE, LOWEST_RATE, Resampler, resample
from tests.edge.audio.sounds import likeness, voice

COMMON = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000]
UNUSUAL = [4_000, 4_001, 7_919, 12_345, 15_999, 16_001, 37_800, 44_056, 47_999, 191_999]


def gain_db(rate: int, hertz: float) -> float:
    """Level of a tone after conversion, in decibels relative to before, away from both ends."""
    tone = np.sin(2 * np.pi * hertz * np.arange(rate) / rate + 0.3)
    middle = resample(tone, rate)[4_000:12_000].astype(np.float64)
    return 20 * np.log10(np.sqrt(2 * np.mean(middle**2)) + 1e-12)


@pytest.mark.parametrize("rate", COMMON + UNUSUAL)
def test_sound_is_aligned_with_the_original_at_every_rate(rate: int) -> None:
    assert likeness(resample(voice(rate), rate), voice(16_000)) > (0.9999 if rate >= 8_000 else 0.85)


@pytest.mark.parametrize("rate", COMMON + UNUSUAL)
def test_a_sample_is_the_sound_at_its_moment(rate: int) -> None:
    tone = np.sin(2 * np.pi * 1_000 * np.arange(rate) / rate)
    expected = np.sin(2 * np.pi * 1_000 * np.arange(16_000) / 16_000)
    assert np.abs(resample(tone, rate) - expected)[1_000:-1_000].max() < 2e-3


@settings(max_examples=60, deadline=None)
@given(
    rate=st.one_of(st.sampled_from(COMMON + UNUSUAL), st.integers(LOWEST_RATE, HIGHEST_RATE)),
    count=st.integers(0, 6_000),
    places=st.lists(st.floats(0, 1), max_size=8),
    seed=st.integers(0, 2**31),
)
def test_the_way_the_input_is_cut_does_not_matter(rate: int, count: int, places: list[float], seed: int) -> None:
    samples = np.random.default_rng(seed).uniform(-1, 1, count).astype(np.float32)
    pieces = np.split(samples, sorted(round(place * count) for place in places))
    converter = Resampler(rate)
    cut = np.concatenate([converter.push(piece) for piece in pieces] + [converter.finish()])
    whole = resample(samples, rate)
    assert len(cut) == len(whole) == round(count * 16_000 / rate)
    assert cut.dtype == whole.dtype == np.float32
    assert np.abs(cut - whole).max(initial=0) <= 1.2e-7


@settings(max_examples=30, deadline=None)
@given(rate_in=st.sampled_from(COMMON), rate_out=st.sampled_from(COMMON), count=st.integers(0, 5_000))
def test_the_length_is_the_duration_at_any_output_rate(rate_in: int, rate_out: int, count: int) -> None:
    assert len(resample(np.zeros(count), rate_in, rate_out)) == round(count * rate_out / rate_in)


@pytest.mark.parametrize("rate", [22_050, 32_000, 44_100, 48_000, 44_056, 96_000])
def test_what_speech_needs_passes_unchanged(rate: int) -> None:
    for hertz in (50, 300, 1_000, 3_400, 6_000, 7_000, 7_200):
        assert abs(gain_db(rate, hertz)) < 0.1, hertz


@pytest.mark.parametrize("rate", [22_050, 32_000, 44_100, 48_000, 44_056, 96_000])
def test_what_would_alias_is_70_db_down(rate: int) -> None:
    for hertz in np.linspace(8_010, rate / 2 - 10, 9):
        assert gain_db(rate, hertz) < -70, hertz


@pytest.mark.parametrize("rate", [8_000, 11_025, 12_345])
def test_a_narrow_band_gets_no_mirror_image_above_it(rate: int) -> None:
    tone = np.sin(2 * np.pi * 0.4 * rate * np.arange(rate) / rate)
    spectrum = np.abs(np.fft.rfft(resample(tone, rate) * np.blackman(16_000)))
    assert spectrum[rate // 2 + 10 :].max() < spectrum.max() * 10 ** (-70 / 20)


def test_a_constant_stays_what_it_is_at_every_phase() -> None:
    for rate in (8_000, 44_100, 12_345):
        assert np.allclose(resample(np.full(rate, 0.5), rate)[500:-500], 0.5, atol=1e-6)


def test_equal_rates_change_nothing() -> None:
    samples = np.random.default_rng(3).uniform(-1, 1, 999).astype(np.float32)
    converter = Resampler(16_000)
    assert np.array_equal(converter.push(samples), samples)
    assert len(converter.finish()) == 0


def test_a_finished_converter_starts_afresh() -> None:
    converter = Resampler(44_100)
    first, second = (np.concatenate((converter.push(voice(44_100, 0.3)), converter.finish())) for _ in range(2))
    assert np.array_equal(first, second)


def test_output_comes_with_little_delay() -> None:
    """After 100 ms of input from a usual microphone, at least 85 ms have come out."""
    for rate in (44_100, 48_000):
        assert len(Resampler(rate).push(np.zeros(rate // 10))) >= 1_360


@pytest.mark.parametrize("rate", [0, -16_000, 3_999, 192_001])
def test_a_rate_out_of_range_is_refused(rate: int) -> None:
    with pytest.raises(ValueError, match=str(rate)):
        Resampler(rate)


@pytest.mark.parametrize("rate", [4_000, 44_100, 44_101, 191_999])
def test_tables_stay_small_whatever_the_ratio(rate: int) -> None:
    kernel = Resampler(rate)._kernel
    tables = [value for value in vars(kernel).values() if isinstance(value, np.ndarray)]
    tables += [matrix for _, _, matrix in getattr(kernel, "_blocks", [])]
    assert sum(table.nbytes for table in tables) < 6e6


def test_an_hour_is_not_slower_than_a_second() -> None:
    """The state does not grow: what is kept after many pushes is what is kept after one."""
    converter = Resampler(48_000)
    sizes = set()
    for _ in range(50):
        converter.push(np.zeros(4_800))
        sizes.add(len(converter._buffer))
    assert max(sizes) < 1_500
