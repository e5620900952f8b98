"""Whatever is wrong with a file: one clear sentence with its name, or as much sound as there is and a note."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.audio.files import FileSource, read_samples
from edge.errors import EXIT_USAGE, AudioFileError
from tests.edge.audio.sounds import likeness, voice


def encoded(folder: Path, kind: str = "WAV", subtype: str = "PCM_16", seconds: float = 1.5) -> bytearray:
    samples = np.tile(voice(), 10)[: round(seconds * 16_000)]
    soundfile.write(folder / "whole", samples, 16_000, format=kind, subtype=subtype)
    return bytearray((folder / "whole").read_bytes())


def put(folder: Path, content: bytes, name: str = "clip.wav") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def heard_and_notes(path: Path) -> tuple[np.ndarray, list[str]]:
    source = FileSource(path)
    return np.concatenate([block.samples for block in source.blocks()]), source.notes


def complaint(path: Path) -> str:
    with pytest.raises(AudioFileError) as caught:
        read_samples(path)
    assert caught.value.exit_code == EXIT_USAGE
    assert str(path) in caught.value.cause
    assert "\n" not in caught.value.sentence()
    return caught.value.sentence()


def test_a_missing_file(tmp_path: Path) -> None:
    assert "does not exist" in complaint(tmp_path / "nowhere.wav")


def test_a_folder(tmp_path: Path) -> None:
    assert "is a folder" in complaint(tmp_path)


def test_an_empty_file(tmp_path: Path) -> None:
    assert "is empty" in complaint(put(tmp_path, b""))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    assert "not a regular file" in complaint(tmp_path / "pipe.wav")


def test_a_name_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match="cannot be opened"):
        read_samples("a\0b.wav")
    assert "cannot be opened" in complaint(tmp_path / ("x" * 300))


@pytest.mark.parametrize(
    "content",
    [b"Hello, this is a text.\n" * 20, b"\x89PNG\r\n\x1a\n" + bytes(100), bytes(5_000), b"x", b"RIFF\4\0\0\0WEBPVP8 "],
)
def test_what_is_no_audio(tmp_path: Path, content: bytes) -> None:
    assert "is not audio that Earmark can read" in complaint(put(tmp_path, content))


@pytest.mark.parametrize("length", [4, 12, 20, 30, 43])
def test_a_wav_that_ends_within_its_header(tmp_path: Path, length: int) -> None:
    complaint(put(tmp_path, encoded(tmp_path)[:length]))


def test_a_wav_without_samples(tmp_path: Path) -> None:
    empty = encoded(tmp_path)[:44]
    empty[4:8], empty[40:44] = struct.pack("<I", 36), bytes(4)
    assert "contains no sound" in complaint(put(tmp_path, empty))
    assert "contains no sound" in complaint(put(tmp_path, encoded(tmp_path)[:44]))


def test_a_wav_without_samples_and_with_a_comment(tmp_path: Path) -> None:
    """The comment after the empty chunk is not taken for sound."""
    comment = b"LIST" + struct.pack("<I", 400) + b"INFO" + bytes(396)
    empty = encoded(tmp_path)[:44] + comment
    empty[4:8], empty[40:44] = struct.pack("<I", len(empty) - 8), bytes(4)
    assert "contains no sound" in complaint(put(tmp_path, empty))


def test_a_wav_cut_short_is_used_as_far_as_it_goes(tmp_path: Path) -> None:
    heard, notes = heard_and_notes(put(tmp_path, encoded(tmp_path)[: 44 + 2 * 8_000]))
    assert likeness(heard, voice()) > 0.999
    assert len(heard) == 8_000
    assert len(notes) == 1
    assert "only 0.5 of 1.5 seconds" in notes[0]


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0xFFFFFFF0, 0x80000000, 0x7FFFFFFF, 0x7FFFFFFF - 100])
def test_a_wav_that_claims_gigabytes_is_read_without_ado(tmp_path: Path, size: int) -> None:
    """Programs that write into a pipe cannot know better."""
    giant = encoded(tmp_path)
    giant[4:8] = giant[40:44] = struct.pack("<I", size)
    heard, notes = heard_and_notes(put(tmp_path, giant))
    assert len(heard) == len(voice())
    assert notes == []


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_a_wav_whose_recorder_was_killed_is_read(tmp_path: Path, subtype: str) -> None:
    unclosed = encoded(tmp_path, subtype=subtype)
    at = unclosed.index(b"data") + 4
    unclosed[4:8] = unclosed[at : at + 4] = bytes(4)
    heard, notes = heard_and_notes(put(tmp_path, unclosed))
    assert likeness(heard[: len(voice())], voice()) > 0.999
    assert "was not closed" in notes[0]


@pytest.mark.parametrize(
    ("kind", "subtype"), [("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS"), ("OGG", "OPUS")]
)
def test_a_compressed_file_cut_in_half_is_used_as_far_as_it_goes(tmp_path: Path, kind: str, subtype: str) -> None:
    whole = encoded(tmp_path, kind, subtype, seconds=15.0)
    heard, notes = heard_and_notes(put(tmp_path, whole[: len(whole) // 2]))
    assert 3 * 16_000 < len(heard) < 11 * 16_000
    assert len(notes) == 1
    assert "cut short" in notes[0]
    assert heard_and_notes(tmp_path / "whole")[1] == []


def test_damage_in_the_middle_does_not_lose_the_beginning(tmp_path: Path) -> None:
    broken = encoded(tmp_path, "FLAC", seconds=6.0)
    broken[len(broken) // 2 : len(broken) // 2 + 300] = np.random.default_rng(1).bytes(300)
    heard, notes = heard_and_notes(put(tmp_path, broken))
    assert len(heard) > 16_000
    assert likeness(heard[:16_000], voice()[:16_000]) > 0.999
    assert "damaged" in notes[0]


def test_a_rate_that_nobody_records_at(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "slow.wav", voice(), 2_000)
    assert "2000 Hz is outside 4000 to 192000 Hz" in complaint(tmp_path / "slow.wav")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), kind=st.sampled_from(["WAV", "FLAC", "OGG"]))
def test_random_damage_gives_sound_or_a_sentence(tmp_path: Path, data: st.DataObject, kind: str) -> None:
    content = encoded(tmp_path, kind, {"OGG": "VORBIS"}.get(kind, "PCM_16"), seconds=0.5)
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    path = put(tmp_path, content[: data.draw(st.integers(1, len(content)))])
    try:
        samples = read_samples(path)
    except AudioFileError as error:
        assert str(path) in error.sentence()
    else:
        assert np.isfinite(samples).all()
