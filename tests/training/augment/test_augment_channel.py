"""Microphones, wires and codecs change the sound, not the time."""

import numpy as np
import pytest

from edge.records import SAMPLE_RATE, Float32
from tests.edge.synthetic import speech_like
from training.augment import channel
from training.augment.codecs import Codec, codecs, draw
from training.augment.levels import rms

SPEECH = speech_like(1.0, seed=3)[:15_999]  # no whole number of anybody's blocks


def lag(heard: Float32, spoken: Float32) -> int:
    size = 1 << 17
    likeness = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(spoken, size)))
    at = int(np.argmax(likeness))
    return at if at < size // 2 else at - size


def power_db(samples: Float32, low_hz: float, high_hz: float) -> float:
    spectrum = np.abs(np.fft.rfft(samples)) ** 2
    scale = len(samples) / SAMPLE_RATE
    return float(10 * np.log10(spectrum[int(low_hz * scale) : int(high_hz * scale)].mean() + 1e-20))


def noise(seconds: float = 1.0) -> Float32:
    return (np.random.default_rng(0).standard_normal(round(seconds * SAMPLE_RATE)) * 0.1).astype(np.float32)


@pytest.mark.parametrize("codec", codecs(), ids=lambda codec: codec.words)
def test_a_codec_gives_as_many_samples_in_line_and_about_as_loud(codec: Codec) -> None:
    spoken = SPEECH
    heard = codec.round_trip(spoken)
    assert heard.shape == spoken.shape
    assert heard.dtype == np.float32
    assert abs(lag(heard, spoken)) <= 16  # a tenth of a frame
    assert abs(20 * np.log10(rms(heard) / rms(spoken))) < 3
    assert not np.array_equal(heard, spoken)


@pytest.mark.parametrize("codec", codecs(), ids=lambda codec: codec.words)
def test_a_codec_takes_very_short_silent_and_loud_clips(codec: Codec) -> None:
    for clip in (np.zeros(0, np.float32), np.zeros(900, np.float32), np.full(50, 0.2, np.float32), 30 * noise(0.1)):
        heard = codec.round_trip(clip)
        assert heard.shape == clip.shape
        assert np.isfinite(heard).all()


def test_several_codecs_are_there_and_all_are_drawn() -> None:
    rng = np.random.default_rng(0)
    assert len(codecs()) >= 6
    assert {draw(rng) for _ in range(600)} == set(codecs())


@pytest.mark.parametrize("band", channel.BANDS, ids=lambda band: band.words)
def test_a_band_limit_takes_away_what_lies_outside_and_leaves_what_lies_inside(band: channel.Band) -> None:
    sound = noise()
    heard = channel.limit_band(sound, band)
    low, high, width = band.low_hz, band.high_hz, band.width_hz
    assert power_db(heard, high + width, 8000) < power_db(sound, high + width, 8000) - 40
    inside = (low + 50, high - 50)
    assert power_db(heard, *inside) == pytest.approx(power_db(sound, *inside), abs=0.5)
    assert lag(heard, sound) == 0


def test_a_microphone_follows_the_curve_it_was_given() -> None:
    sound = noise(4.0)
    points = np.array([-6.0, 6.0, 0.0])  # at 50 Hz, 632 Hz and 8 kHz
    heard = channel.colour(sound, points)
    for hertz, wanted in ((55.0, -6.0), (632.0, 6.0), (7800.0, 0.0)):
        near = (hertz * 0.95, hertz * 1.05)
        assert power_db(heard, *near) - power_db(sound, *near) == pytest.approx(wanted, abs=0.6)
    assert lag(heard, sound) == 0


@pytest.mark.parametrize("share", [0.001, 0.02, 0.2])
def test_clipping_cuts_off_the_share_that_was_asked(share: float) -> None:
    sound = noise()
    heard = channel.clip(sound, share)
    assert np.mean(np.abs(heard) == np.abs(heard).max()) == pytest.approx(share, rel=0.05)
    assert np.array_equal(heard[np.abs(heard) < np.abs(heard).max()], sound[np.abs(heard) < np.abs(heard).max()])


def test_hum_is_harmonics_of_the_mains() -> None:
    hum = channel.hum(SAMPLE_RATE, np.random.default_rng(0))
    assert rms(hum) == pytest.approx(1.0, rel=1e-3)
    spectrum = np.abs(np.fft.rfft(hum)) ** 2
    strongest = {int(at) for at in np.argsort(spectrum)[-4:]}
    assert all(at % 50 == 0 for at in strongest) or all(at % 60 == 0 for at in strongest)
