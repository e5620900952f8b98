"""What the front-end must hold: python_speech_features' numbers, stream equals whole, shapes, refusals by name."""

from __future__ import annotations

import dataclasses
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import python_speech_features as psf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.fftpack import dct

from edge.audio import read_samples
from edge.demo.stage import ASSETS
from edge.errors import BundleError, UsageError
from edge.features import PIECE_FRAMES, FrontEnd, frame_count, mel_filters, normalise
from edge.records import FeatureSpec, Float32
from tests.edge.synthetic import speech_like

MEL = FeatureSpec(n_ceps=0)
MFCC = FeatureSpec()
CLASSIC = FeatureSpec(n_fft=512, n_mels=26, n_ceps=13, f_min=0.0, lifter=22, window="rectangular")
FORTY = FeatureSpec(n_fft=512, n_mels=40, n_ceps=40, f_min=0.0)
NARROW = FeatureSpec(n_fft=1024, n_mels=23, n_ceps=0, f_min=300.0, f_max=3400.0, preemphasis=0.9, window="hann")
WIDE_HOP = FeatureSpec(frame_ms=32.0, hop_ms=32.0, n_fft=512, n_mels=40, n_ceps=20, lifter=22)
SPECS = [MEL, MFCC, CLASSIC, FORTY, NARROW, WIDE_HOP]
WINDOWS = {"hamming": np.hamming, "hann": np.hanning, "rectangular": np.ones}
GOLDEN = Path(__file__).parents[1] / "golden" / "features.npz"


def reference(spec: FeatureSpec, samples: Float32) -> np.ndarray:
    """python_speech_features in float64, with the spec's absolute floor between filterbank and logarithm."""
    energies, _ = psf.fbank(
        samples.astype(np.float64) * 32768,
        spec.sample_rate,
        spec.frame_ms / 1000,
        spec.hop_ms / 1000,
        spec.n_mels,
        spec.n_fft,
        spec.f_min,
        spec.f_max,
        spec.preemphasis,
        WINDOWS[spec.window],
    )
    logarithms = np.log(np.maximum(energies, spec.log_floor))
    if not spec.n_ceps:
        return logarithms
    return psf.lifter(dct(logarithms, type=2, axis=1, norm="ortho")[:, : spec.n_ceps], spec.lifter)


@pytest.fixture(scope="session")
def real_clips() -> list[Float32]:
    """Recordings of people: the bundled ones, and more from the folder that EARMARK_SPEECH names."""
    files = sorted(ASSETS.glob("*-enrol-*.ogg")) + sorted(ASSETS.glob("clip-*.ogg"))
    assert len(files) > 10
    folder = os.environ.get("EARMARK_SPEECH")
    if folder:
        files += sorted(Path(folder).glob("train/librispeech/*/*.ogg"))[::40]
        files += sorted(Path(folder).glob("dev/*/*/*.ogg"))[::400]
    return [read_samples(file) for file in files]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.n_mels}of{spec.n_fft}-{spec.n_ceps}-{spec.window}")
def test_equals_python_speech_features(spec: FeatureSpec) -> None:
    """Each spec gives python_speech_features' frames within 1e-3."""
    for seed, seconds in enumerate((0.01, 0.4, 1.0, 3.217)):
        samples = speech_like(seconds, seed)
        found = FrontEnd(spec).features(samples)
        expected = reference(spec, samples)
        assert found.dtype == np.float32
        assert found.shape == expected.shape == (frame_count(spec, len(samples)), spec.coefficients)
        np.testing.assert_allclose(found, expected, atol=1e-3, rtol=0)


def test_log_mel_is_logfbank_where_the_floor_is_out_of_reach() -> None:
    """Without digital silence our log-mel is psf.logfbank itself (whose window is rectangular)."""
    spec = FeatureSpec(n_ceps=0, window="rectangular")
    samples = speech_like(2.0) + (np.random.default_rng(5).standard_normal(32000) * 0.03).astype(np.float32)
    expected = psf.logfbank(samples.astype(np.float64) * 32768, 16000, 0.025, 0.01, 80, 640, 20, 8000, 0.97)
    assert expected.min() > np.log(spec.log_floor)
    np.testing.assert_allclose(FrontEnd(spec).features(samples), expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("spec", [MEL, MFCC, CLASSIC], ids=["log-mel", "mfcc", "classic"])
def test_equals_python_speech_features_on_real_speech(spec: FeatureSpec, real_clips: list[Float32]) -> None:
    """On recordings of people too the difference stays under 1e-3."""
    worst = max(np.abs(FrontEnd(spec).features(clip) - reference(spec, clip)).max() for clip in real_clips)
    assert worst < 1e-3


def test_equals_the_golden_file() -> None:
    """The frames that python_speech_features gave when the golden file was made are still ours."""
    golden = np.load(GOLDEN)
    samples = golden["samples"].astype(np.float32) / 32768
    for name, spec in (("log_mel", MEL), ("mfcc", MFCC), ("classic", CLASSIC)):
        np.testing.assert_allclose(FrontEnd(spec).features(samples), golden[name], atol=1e-3, rtol=0)


def test_filters_are_those_of_python_speech_features() -> None:
    """Each filter, empty ones included, equals psf.get_filterbanks."""
    for spec in [*SPECS, FeatureSpec(n_fft=512)]:
        expected = psf.get_filterbanks(spec.n_mels, spec.n_fft, spec.sample_rate, spec.f_min, spec.f_max)
        np.testing.assert_allclose(mel_filters(spec), expected, atol=1e-12)


@settings(deadline=None, max_examples=60)
@given(data=st.data(), spec=st.sampled_from(SPECS), length=st.integers(0, 40000))
def test_a_stream_equals_the_whole_however_it_is_cut(data: st.DataObject, spec: FeatureSpec, length: int) -> None:
    """Bit for bit, for any cutting, empty parts included."""
    samples = speech_like(2.5, 3)[:length]
    cuts = sorted(data.draw(st.lists(st.integers(0, length), max_size=12)))
    front_end = FrontEnd(spec)
    stream = front_end.stream()
    parts = [stream.push(part) for part in np.split(samples, cuts)]
    parts.append(stream.finish())
    np.testing.assert_array_equal(np.concatenate(parts), front_end.features(samples))


def test_a_stream_gives_its_frames_in_pieces_as_they_become_due() -> None:
    """Memory and delay are bounded: after n samples at most one piece of frames is owed."""
    stream = FrontEnd(MEL).stream()
    samples, given_out = speech_like(4.0), 0
    for start in range(0, len(samples), 1600):
        given_out += len(stream.push(samples[start : start + 1600]))
        complete = max(0, (start + 1600 - MEL.frame_samples) // MEL.hop_samples + 1)
        assert complete - PIECE_FRAMES < given_out <= complete
    assert given_out + len(stream.finish()) == frame_count(MEL, len(samples))


def test_two_streams_of_one_front_end_do_not_disturb_each_other() -> None:
    """Each stream has its own memory."""
    front_end = FrontEnd(MFCC)
    one, two = front_end.stream(), front_end.stream()
    first, second = speech_like(1.5, 1), speech_like(1.5, 2)
    found: list[list[Float32]] = [[], []]
    for start in range(0, len(first), 3000):
        found[0].append(one.push(first[start : start + 3000]))
        found[1].append(two.push(second[start : start + 3000]))
    np.testing.assert_array_equal(np.concatenate([*found[0], one.finish()]), front_end.features(first))
    np.testing.assert_array_equal(np.concatenate([*found[1], two.finish()]), front_end.features(second))


def test_pieces_given_out_are_not_overwritten_later() -> None:
    """A caller may keep what push returned."""
    stream = FrontEnd(MEL).stream()
    first = stream.push(speech_like(1.2))
    kept = first.copy()
    stream.push(speech_like(2.0, 9))
    stream.finish()
    assert len(first) == PIECE_FRAMES
    np.testing.assert_array_equal(first, kept)


def test_shapes() -> None:
    """One second is 99 frames, anything up to a frame is one, nothing is none."""
    counts = {0: 0, 1: 1, 400: 1, 401: 2, 560: 2, 561: 3, 16000: 99, 48000: 299}
    for samples, frames in counts.items():
        assert frame_count(MEL, samples) == frames
        assert FrontEnd(MEL).features(np.full(samples, 0.1, np.float32)).shape == (frames, 80)
        assert FrontEnd(CLASSIC).features(np.full(samples, 0.1, np.float32)).shape == (frames, 13)


def test_digital_silence_is_the_floor_and_nothing_else() -> None:
    """Silence gives log(floor) in every band, so that it can't wreck a mean; only c0 of its DCT remains."""
    mel = FrontEnd(MEL).features(np.zeros(8000, np.float32))
    np.testing.assert_allclose(mel, np.log(0.1), atol=1e-6)
    mfcc = FrontEnd(MFCC).features(np.zeros(8000, np.float32))
    np.testing.assert_allclose(mfcc[:, 0], np.log(0.1) * np.sqrt(80), atol=1e-4)
    np.testing.assert_allclose(mfcc[:, 1:], 0, atol=1e-4)


def test_silence_after_speech_is_the_floor_again() -> None:
    """The floor is absolute: what came before does not change it."""
    samples = np.concatenate((speech_like(1.0), np.zeros(8000, np.float32)))
    np.testing.assert_allclose(FrontEnd(MEL).features(samples)[105:], np.log(0.1), atol=1e-6)


@given(frames=st.integers(0, 40), seed=st.integers(0, 1000))
def test_normalise(frames: int, seed: int) -> None:
    """The window's mean goes first, then mean and scale of the spec; the input stays as it was."""
    rng = np.random.default_rng(seed)
    mean, scale = rng.normal(size=80), rng.uniform(0.5, 4, 80)
    values = rng.normal(5, 3, (frames, 80)).astype(np.float32)
    before = values.copy()
    spec = dataclasses.replace(MEL, mean=tuple(mean), scale=tuple(scale))
    centred = values - values.mean(axis=0) if frames else values
    np.testing.assert_allclose(normalise(spec, values), (centred - mean) / scale, atol=1e-5)
    raw = dataclasses.replace(spec, normalise="none", mean=(), scale=())
    np.testing.assert_array_equal(normalise(raw, values), values)
    assert normalise(spec, values).dtype == np.float32
    assert not np.shares_memory(normalise(raw, values), values)
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", 2),
        ("sample_rate", 8000),
        ("frame_ms", 23.21),
        ("hop_ms", 10.03),
        ("hop_ms", 30.0),
        ("n_fft", 256),
        ("n_mels", 0),
        ("n_ceps", 81),
        ("f_max", 9000.0),
        ("f_min", 8000.0),
        ("preemphasis", float("nan")),
        ("window", "kaiser"),
        ("log_floor", 0.0),
        ("lifter", -1),
        ("normalise", "cmvn"),
        ("mean", (1.0, 2.0)),
        ("scale", (0.0,) * 80),
    ],
)
def test_a_spec_that_cannot_be_computed_exactly_is_refused_by_name(field: str, value: object) -> None:
    """The message names the field, so that whoever made the bundle finds it."""
    with pytest.raises(BundleError, match=rf"feature field {field} is"):
        FrontEnd(dataclasses.replace(MFCC, **{field: value}))


def test_a_lifter_without_cepstra_is_refused() -> None:
    """A lifter belongs to the DCT; log-mel has none."""
    with pytest.raises(BundleError, match="lifter"):
        FrontEnd(dataclasses.replace(MEL, lifter=22))


@pytest.mark.parametrize("samples", [np.zeros((2, 100), np.float32), np.zeros(100, np.int16)])
def test_stereo_and_integers_are_refused(samples: Float32) -> None:
    """Both would give plausible nonsense."""
    with pytest.raises(UsageError):
        FrontEnd(MEL).features(samples)


def test_a_finished_stream_takes_no_more() -> None:
    """finish ends the signal; asking twice gives nothing more."""
    stream = FrontEnd(MEL).stream()
    stream.push(np.zeros(1000, np.float32))
    assert len(stream.finish()) == frame_count(MEL, 1000)
    assert len(stream.finish()) == 0
    with pytest.raises(UsageError, match="finished"):
        stream.push(np.zeros(10, np.float32))


def test_threads_may_share_a_front_end() -> None:
    """Working memory is per thread, so that four threads get what one gets."""
    front_end = FrontEnd(MFCC)
    clips = [speech_like(1.7, seed) for seed in range(4)]
    expected = [front_end.features(clip) for clip in clips]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(front_end.features, clips * 5))
    for number, frames in enumerate(found):
        np.testing.assert_array_equal(frames, expected[number % 4])
