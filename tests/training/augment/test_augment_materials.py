"""What is mixed in comes from where it may, and memory stays bounded."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.errors import AudioFileError
from edge.records import SAMPLE_RATE
from tests.edge.synthetic import fan, speech_like
from training.augment import Clips, load_materials
from training.corpus import Recording

SPEECH = speech_like(2.0)
QUIET_ENDS = np.zeros(4000, np.float32)


def row(path: str, split: str, speaker: str = "") -> Recording:
    return Recording(path, split, "made", speaker, "", "", "", 2.0, "none", "made")


@pytest.fixture
def corpus(tmp_path: Path) -> tuple[Path, list[Recording]]:
    rows = [row(f"train{n}.wav", "train", f"t{n}") for n in range(3)] + [row("dev.wav", "dev", "d")]
    rows += [row("noise.wav", "noise"), row("hall.wav", "rir")]
    for number, found in enumerate(rows):
        sound = fan(2.0, -30) if found.split == "noise" else np.roll(SPEECH, 999 * number)
        soundfile.write(tmp_path / found.path, np.concatenate((QUIET_ENDS, sound, QUIET_ENDS)), SAMPLE_RATE)
    return tmp_path, rows


def test_each_split_goes_where_it_belongs_and_development_speech_nowhere(
    corpus: tuple[Path, list[Recording]],
) -> None:
    materials = load_materials(*corpus)
    names = sorted(materials.speech.name(index) for index in range(len(materials.speech)))
    assert names == ["train0.wav", "train1.wav", "train2.wav"]
    assert [materials.noises.name(index) for index in range(len(materials.noises))] == ["noise.wav"]
    assert [response.words for response in materials.responses] == ["measured room hall"]


def test_silence_at_the_ends_is_left_out(corpus: tuple[Path, list[Recording]]) -> None:
    noise = load_materials(*corpus).noises.samples(0)
    assert len(noise) == pytest.approx(2 * SAMPLE_RATE, abs=200)
    assert np.abs(noise[:50]).max() > 0.001


def test_a_piece_does_not_depend_on_what_was_read_before(corpus: tuple[Path, list[Recording]]) -> None:
    fresh, used = load_materials(*corpus), load_materials(*corpus)
    for index in (2, 0, 1):
        used.speech.samples(index)
    one, other = (m.speech.piece(1, 50_000, np.random.default_rng(7)) for m in (fresh, used))
    assert np.array_equal(one, other)
    assert len(one) == 50_000


def test_no_more_is_kept_than_allowed_and_a_pickled_copy_carries_no_sound(
    corpus: tuple[Path, list[Recording]],
) -> None:
    folder, rows = corpus
    clips = Clips(((found.path, folder / found.path) for found in rows), most_bytes=150_000)
    for index in range(len(clips)):
        clips.samples(index)
    assert sum(samples.nbytes for samples in clips._kept.values()) <= 150_000
    copy = pickle.loads(pickle.dumps(clips))
    assert len(pickle.dumps(copy)) < 5000
    assert np.array_equal(copy.samples(3), clips.samples(3))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match="gone"):
        Clips([("gone", tmp_path / "gone.wav")]).samples(0)
