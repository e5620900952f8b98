"""The score of a loudspeaker, and the simulations that it was fitted on."""

from __future__ import annotations

import numpy as np
import pytest

from edge.audio import read_samples
from edge.demo.stage import ASSETS
from edge.spoof import playback_suspect, simulate
from edge.spoof.playback import PARTS
from edge.spoof.species import ALL
from edge.spoof.synthetic import missing, speak, voices

CLIPS = [read_samples(ASSETS / f"{name}-enrol-{number}.ogg") for name in ("ada", "ben") for number in (1, 2, 3)]
RNG = np.random.default_rng


def test_a_phone_sounds_more_like_a_loudspeaker_than_the_voice_itself() -> None:
    by_name = {species.name: species for species in ALL}
    for number, clip in enumerate(CLIPS):
        played = by_name["loudspeaker_small"].make(clip, RNG(number))
        assert playback_suspect(played).score > playback_suspect(clip).score + 0.2


def test_live_recordings_are_seldom_suspected() -> None:
    reports = [playback_suspect(clip) for clip in CLIPS]
    assert sum(report.suspect for report in reports) <= 1
    assert all(set(report.parts) == set(PARTS) for report in reports)


def test_the_score_does_not_depend_on_the_level() -> None:
    one, other = playback_suspect(CLIPS[0]), playback_suspect(CLIPS[0] * np.float32(0.05))
    assert one.score == pytest.approx(other.score, abs=0.01)


@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros(48_000), np.full(48_000, np.inf), CLIPS[0][:4_000]])
def test_too_little_to_say_is_no_sign(samples: np.ndarray) -> None:
    report = playback_suspect(samples.astype(np.float32))
    assert (report.score, report.suspect, dict(report.parts)) == (0.0, False, {})
    assert report.to_json() == {"score": 0.0, "suspect": False, "parts": {}}


@pytest.mark.parametrize("species", ALL, ids=lambda species: species.name)
def test_every_kind_of_attack_gives_sound_at_the_level_of_speech(species) -> None:
    made = species.make(CLIPS[0], RNG(1))
    assert made.dtype == np.float32 and np.isfinite(made).all() and np.max(np.abs(made)) <= 1.0
    assert 0.9 * len(CLIPS[0]) < len(made) <= 1.05 * len(CLIPS[0])
    assert np.array_equal(made, species.make(CLIPS[0], RNG(1)))
    rms = np.sqrt(np.mean(made**2) / np.mean(CLIPS[0] ** 2))
    assert 0.2 < rms < 1.3


def peak_hz(samples: np.ndarray) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(samples)))) * 16_000 / len(samples)


@pytest.mark.parametrize("semitones", [-4.0, 2.0, 4.0])
def test_pitch_moves_by_semitones_and_keeps_the_length(semitones: float) -> None:
    tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000).astype(np.float32)
    moved = simulate.pitch(tone, semitones)
    assert len(moved) == pytest.approx(len(tone), rel=0.01)
    assert peak_hz(moved[4_000:-4_000]) == pytest.approx(440 * 2 ** (semitones / 12), rel=0.01)


def test_a_telephone_passes_its_band_only() -> None:
    noise = 0.1 * RNG(0).normal(size=64_000).astype(np.float32)
    power = np.abs(np.fft.rfft(simulate.telephone(noise))) ** 2
    hertz = np.fft.rfftfreq(64_000, 1 / 16_000)
    inside = power[(hertz > 400) & (hertz < 3_200)].mean()
    assert power[hertz > 4_200].mean() < 1e-3 * inside
    assert power[hertz < 100].mean() < 1e-2 * inside


def test_a_room_lets_a_sound_ring() -> None:
    burst = np.zeros(16_000, np.float32)
    burst[:160] = RNG(0).normal(size=160)
    heard = simulate.room(burst, RNG(1), rt60_seconds=0.5, distance_metres=2.0)
    early, late = (float(np.sum(heard[a:b] ** 2)) for a, b in ((1_600, 3_200), (6_400, 8_000)))
    assert early > 0
    # 0.3 s later the energy has fallen by 36 dB (60 dB in 0.5 s).
    assert 10 * np.log10(early / late) == pytest.approx(36, abs=5)


def test_synthetic_voices_are_those_that_are_installed() -> None:
    """Without the programs there are none, and their packages are named."""
    spoken = list(speak(2))
    assert len(spoken) <= 2
    assert bool(voices()) == (len(missing()) < 3)
    for words, samples in spoken:
        assert words.split()[0] not in missing()
        assert len(samples) > 16_000 and np.abs(samples).max() > 0.01
