"""A voice is changed in what was asked, and in nothing else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.records import SAMPLE_RATE
from tests.edge.synthetic import speech_like
from tests.training.augment.vowels import FORMANTS, apart_db, f0_of, vowel
from training.augment.levels import rms
from training.augment.voices import Prosody, change


def scaled(ratio: float) -> tuple[float, ...]:
    return tuple(formant * ratio for formant in FORMANTS)


@pytest.mark.parametrize("f0", [105.0, 160.0, 215.0])
@pytest.mark.parametrize("pitch", [0.78, 1.28])
def test_pitch_moves_the_fundamental_and_leaves_formants_and_length(f0: float, pitch: float) -> None:
    changed = change(vowel(f0), pitch=pitch)
    assert len(changed) == len(vowel(f0))
    assert f0_of(changed, f0 * pitch) == pytest.approx(f0 * pitch, rel=0.01)
    moved_together = vowel(f0 * pitch, scaled(pitch))
    wanted = vowel(f0 * pitch)
    assert apart_db(changed, wanted, f0 * pitch) < 0.5 * apart_db(moved_together, wanted, f0 * pitch)


@pytest.mark.parametrize("f0", [105.0, 160.0])
@pytest.mark.parametrize("formant", [0.87, 1.15])
def test_formants_move_and_the_fundamental_and_the_length_stay(f0: float, formant: float) -> None:
    changed = change(vowel(f0), formant=formant)
    assert len(changed) == len(vowel(f0))
    assert f0_of(changed, f0) == pytest.approx(f0, rel=0.003)
    wanted = vowel(f0, scaled(formant))
    assert apart_db(changed, wanted, f0) < 0.5 * apart_db(vowel(f0), wanted, f0)


@pytest.mark.parametrize("tempo", [0.8, 1.25])
def test_tempo_moves_the_length_and_leaves_fundamental_and_formants(tempo: float) -> None:
    changed = change(vowel(140.0), tempo=tempo)
    assert len(changed) == pytest.approx(len(vowel(140.0)) / tempo, abs=2)
    assert f0_of(changed, 140.0) == pytest.approx(140.0, rel=0.01)
    assert apart_db(changed, vowel(140.0), 140.0) < 1.5


@pytest.mark.parametrize("speed", [0.85, 1.18])
def test_speed_moves_all_three_together(speed: float) -> None:
    changed = change(vowel(140.0), speed=speed)
    assert len(changed) == pytest.approx(len(vowel(140.0)) / speed, abs=2)
    assert f0_of(changed, 140.0 * speed) == pytest.approx(140.0 * speed, rel=0.003)
    assert apart_db(changed, vowel(140.0 * speed, scaled(speed)), 140.0 * speed) < 1.5


def test_a_lowered_voice_keeps_its_high_frequencies() -> None:
    hiss = np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype(np.float32) * 0.1
    lowered = change(hiss, pitch=0.75)
    spectrum = np.abs(np.fft.rfft(lowered)) ** 2
    top = spectrum[int(len(spectrum) * 0.85) :].mean()
    assert 10 * np.log10(top / spectrum[: len(spectrum) // 2].mean()) > -6


def test_a_melody_makes_the_pitch_move_by_as_much_as_asked() -> None:
    steady = vowel(150.0, seconds=4.0)
    lively = change(steady, prosody=Prosody((0.5,), (0.0,), semitones=2.0, loudness_db=0.0, tempo=0.0))
    heard = [f0_of(lively[at : at + 8000], 150.0) for at in range(0, len(lively) - 8000, 2000)]
    # A sine of RMS 2 semitones has peaks of 2.8; half a second of it blurs them a little.
    assert 1.8 < 12 * np.log2(max(heard) / 150.0) < 3.2
    assert -3.2 < 12 * np.log2(min(heard) / 150.0) < -1.8


def test_a_melody_of_nothing_changes_next_to_nothing() -> None:
    speech = speech_like(1.0)
    same = change(speech, prosody=Prosody((1.0, 2.0), (0.0, 1.0), semitones=0.0, loudness_db=0.0, tempo=0.0))
    assert len(same) == pytest.approx(len(speech), abs=2)
    length = min(len(same), len(speech))
    assert rms(same[:length] - speech[:length]) < 0.05 * rms(speech)


RATIOS = st.floats(0.7, 1.4)


@settings(max_examples=25, deadline=None)
@given(
    length=st.integers(0, 6000),
    level=st.sampled_from([0.0, 1e-4, 0.3, 3.0]),
    speed=RATIOS, pitch=RATIOS, formant=RATIOS, tempo=RATIOS,
    lively=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_any_clip_and_any_ratio_give_sound_within_full_scale(
    length: int, level: float, speed: float, pitch: float, formant: float, tempo: float, lively: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    clip = (rng.standard_normal(length) * level).astype(np.float32)
    prosody = Prosody.drawn(2.0, 4.0, rng) if lively else None
    changed = change(clip, speed=speed, pitch=pitch, formant=formant, tempo=tempo, prosody=prosody)
    assert changed.dtype == np.float32
    assert np.isfinite(changed).all()
    assert np.max(np.abs(changed), initial=0.0) <= 1.0
    if not lively and length:
        assert len(changed) == pytest.approx(length / tempo / speed, abs=2)
