"""Calibration clips are the ones listed, from training people only."""

import numpy as np
import pytest
import soundfile

from convert.clips import Clip, draw, load, mix, read_clips, read_speech, write_clips
from convert.errors import ConversionError
from convert.windows import fill, window
from edge.errors import UsageError
from edge.records import FeatureSpec
from training.corpus import read_manifest


def test_the_same_seed_draws_the_same_training_clips(corpus):
    rows = read_manifest(corpus)
    clips = draw(corpus, rows, 3)
    assert clips == draw(corpus, rows, 3) != draw(corpus, rows, 4)
    assert len(clips) == 32
    assert {clip.path.split("/")[0] for clip in clips} == {"train"}
    assert any(clip.noise for clip in clips)
    assert any(clip.lead_seconds for clip in clips)


def test_a_list_comes_back_from_its_file(corpus, tmp_path):
    clips = draw(corpus, read_manifest(corpus), 3)
    write_clips(tmp_path / "list.tsv", clips)
    assert read_clips(tmp_path / "list.tsv") == clips


def test_a_broken_line_is_named(corpus, tmp_path):
    write_clips(tmp_path / "list.tsv", draw(corpus, read_manifest(corpus), 3)[:2])
    text = (tmp_path / "list.tsv").read_text().splitlines()
    (tmp_path / "list.tsv").write_text("\n".join([*text[:2], text[2].replace("\t", " ")]))
    with pytest.raises(UsageError, match="Line 3"):
        read_clips(tmp_path / "list.tsv")


def test_every_clip_has_its_length_and_noise(corpus):
    for clip in draw(corpus, read_manifest(corpus), 3):
        samples = load(corpus, clip, 0)
        assert samples.dtype == np.float32
        assert len(samples) == pytest.approx(16_000 * (clip.seconds + clip.lead_seconds), abs=400)


def test_a_file_that_was_changed_is_refused(corpus, tmp_path):
    source = tmp_path / "a.wav"
    soundfile.write(source, np.zeros(16_000), 16_000)
    clip = Clip("a.wav", "0" * 64, 0.0, 1.0, 0.0, "", "", 0.0, 0.0)
    with pytest.raises(ConversionError, match=r"a\.wav differs"):
        load(tmp_path, clip, 0)


def test_a_recording_at_another_rate_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(8_000), 8_000)
    with pytest.raises(UsageError, match="16 kHz mono"):
        read_speech(tmp_path / "a.wav")


def test_noise_is_mixed_at_the_ratio_asked_for():
    rng = np.random.default_rng(0)
    speech, noise = (rng.normal(size=n).astype(np.float32) for n in (5_000, 700))
    added = mix(speech, noise, 7.0) - speech
    assert 10 * np.log10(np.mean(speech**2) / np.mean(added**2)) == pytest.approx(7.0, abs=0.01)


def test_a_short_clip_is_repeated_and_a_long_one_cut():
    frames = np.arange(14, dtype=np.float32).reshape(7, 2)
    np.testing.assert_array_equal(fill(frames, 10)[7:], frames[:3])
    np.testing.assert_array_equal(fill(frames, 5), frames[:5])


def test_a_window_has_no_mean_over_time():
    found = window(FeatureSpec(n_ceps=0), np.random.default_rng(0).normal(size=20_000).astype(np.float32))
    assert found.shape == (300, 80)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-4)
