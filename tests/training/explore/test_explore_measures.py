"""Plain figures are what they are called, and maps keep what they promise to keep."""

from __future__ import annotations

import numpy as np
import pytest

from edge.records import SAMPLE_RATE
from tests.training.augment.vowels import vowel
from training.explore import draw_sound, draw_spread, pitch, project, sounds
from training.explore.measures import MFCC_SPEC, NAMES, measure, mfcc_db

TIME = np.arange(SAMPLE_RATE) / SAMPLE_RATE


def sine(hertz: float, peak: float = 0.1) -> np.ndarray:
    return (peak * np.sin(2 * np.pi * hertz * TIME)).astype(np.float32)


def figures(samples: np.ndarray) -> dict[str, float]:
    return dict(zip(NAMES, measure(samples, len(samples) / SAMPLE_RATE), strict=True))


@pytest.mark.parametrize("f0", [75.0, 110.0, 180.0, 260.0, 440.0])
def test_the_pitch_of_a_vowel_is_found_within_a_percent(f0):
    found = pitch.track(vowel(f0))
    assert np.isfinite(found).mean() > 0.9
    assert np.nanpercentile(np.abs(found / f0 - 1), 95) < 0.01


def test_noise_and_silence_have_no_pitch():
    noise = np.random.default_rng(1).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    assert np.isfinite(pitch.track(noise)).mean() < 0.05
    assert np.isnan(pitch.track(np.zeros(SAMPLE_RATE, np.float32))).all()
    assert not len(pitch.track(np.zeros(100, np.float32)))
    assert np.isnan(figures(noise[:500])["pitch"])


def test_a_sine_measures_as_a_sine():
    found = figures(sine(1000.0))
    assert found["length"] == 1
    assert found["level"] == pytest.approx(-23.01, abs=0.1)
    assert found["peak"] == pytest.approx(-20, abs=0.1)
    assert found["crossings"] == pytest.approx(2, abs=0.1)
    assert found["centroid"] == pytest.approx(1, abs=0.02)
    assert found["roll-off"] == pytest.approx(1, abs=0.05)
    assert found["background"] == pytest.approx(0, abs=0.5)
    assert found["flatness"] < -30


def test_white_noise_is_flat_and_louder_is_louder():
    noise = np.random.default_rng(2).normal(0, 0.05, SAMPLE_RATE).astype(np.float32)
    quiet, loud = figures(noise), figures(noise * 2)
    assert quiet["flatness"] > -1 and quiet["centroid"] == pytest.approx(4, abs=0.1)
    assert loud["level"] - quiet["level"] == pytest.approx(6.02, abs=0.01)
    assert loud["centroid"] == pytest.approx(quiet["centroid"], abs=1e-6)


def test_twice_the_amplitude_is_six_decibels_of_the_first_cepstrum_alone():
    from edge.features import FrontEnd

    sound = vowel(120.0)
    change = (mfcc_db(FrontEnd(MFCC_SPEC), 2 * sound) - mfcc_db(FrontEnd(MFCC_SPEC), sound))[5:-5].mean(axis=0)
    # Orthonormal DCT: a constant over 40 bands is sqrt(40) times that constant in coefficient 0.
    assert change[0] == pytest.approx(6.02 * np.sqrt(40), rel=0.01)
    assert np.abs(change[1:]).max() < 1.0


def test_a_sine_at_full_scale_reaches_zero_decibels_in_the_spectrogram():
    assert draw_sound.power_db(sine(1000.0, 1.0)).max() == pytest.approx(0, abs=0.1)


def test_principal_components_are_the_plane_that_the_points_lie_in():
    rng = np.random.default_rng(3)
    plane, _ = np.linalg.qr(rng.normal(size=(10, 2)))
    flat = rng.normal(size=(50, 2)) * (5, 1)
    points, shares = project.principal(flat @ plane.T + 7)
    assert shares.sum() == pytest.approx(1)
    apart = np.linalg.norm(flat[:, None] - flat[None], axis=2)
    assert np.allclose(np.linalg.norm(points[:, None] - points[None], axis=2), apart)


def test_neighbours_stay_together():
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(5), 25)
    points = project.neighbours(6 * rng.normal(size=(5, 30))[groups] + rng.normal(size=(125, 30)))
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    nearest = np.argsort(apart, axis=1)[:, :10]
    assert (groups[nearest] == groups[:, None]).mean() > 0.99
    assert np.isfinite(project.neighbours(np.ones((9, 4)))).all(), "points that are all the same have a place, too"


def test_correlations_are_pearsons_and_unknown_values_are_left_out():
    rng = np.random.default_rng(5)
    table = rng.normal(size=(40, 3))
    table[:, 1] += table[:, 0]
    found = draw_spread.correlations(table)
    assert np.allclose(found, np.corrcoef(table.T))
    table[7, 2] = np.nan
    kept = np.delete(np.arange(40), 7)
    assert draw_spread.correlations(table)[0, 2] == pytest.approx(np.corrcoef(table[kept, 0], table[kept, 2])[0, 1])
    assert np.isnan(draw_spread.correlations(np.column_stack([np.ones(9), np.arange(9)]))[0, 1])


def test_a_sound_costs_a_page_little_and_keeps_its_length():
    import io

    import soundfile

    data, kind = sounds.playable(vowel(150.0, seconds=8.0))
    assert len(data) < 300_000 and kind in ("audio/mpeg", "audio/wav")
    samples, rate = soundfile.read(io.BytesIO(data))
    assert len(samples) / rate == pytest.approx(8.0, abs=0.2)
