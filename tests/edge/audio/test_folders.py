"""Folders: sorted, told by content, and one bad file never stops the others."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.audio.folders import FolderSource, audio_files
from edge.clock import ManualClock
from edge.errors import AudioFileError
from tests.edge.audio.sounds import likeness, voice


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three usable files, two bad ones, and much that is no audio."""
    top = tmp_path / "talk"
    (top / "more").mkdir(parents=True)
    (top / ".trash").mkdir()
    for place in ("b.wav", "more/c.wav", ".hidden.wav", ".trash/d.wav"):
        soundfile.write(top / place, voice(), 16_000)
    soundfile.write(top / "a.bin", voice(48_000), 48_000, format="FLAC")
    (top / "bad.wav").write_text("this is no sound")
    (top / "phone.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    (top / "notes.txt").write_text("who is who")
    (top / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    os.mkfifo(top / "pipe.wav")
    return top


def test_listing_is_sorted_and_by_content(folder: Path) -> None:
    listing = audio_files(folder)
    assert [path.relative_to(folder).as_posix() for path in listing.files] == ["a.bin", "b.wav", "more/c.wav"]


def test_bad_files_are_reported_and_nothing_else(folder: Path) -> None:
    first, second = audio_files(str(folder)).problems
    assert "bad.wav is not audio" in first.cause
    assert "phone.m4a is M4A" in second.cause
    assert "ffmpeg" in second.remedy


def test_what_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match="does not exist"):
        audio_files(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(AudioFileError, match="is not a folder"):
        audio_files(tmp_path / "file")


def test_all_files_come_as_one_stream_with_silence_between(folder: Path) -> None:
    source = FolderSource(folder, gap_seconds=0.5)
    pieces, end = [], 0
    for block in source.blocks():
        assert block.start == end
        end += len(block.samples)
        pieces.append(block.samples)
    heard, one = np.concatenate(pieces), len(voice())
    assert end == 3 * one + 2 * 8_000
    for index in range(3):
        begin = index * (one + 8_000)
        assert likeness(heard[begin : begin + one], voice()) > 0.999
        assert not heard[begin + one : begin + one + 8_000].any()
    assert len(source.problems) == 2
    assert (source.name, source.live, source.current) == ("folder:talk", False, folder / "more" / "c.wav")


def test_a_file_that_turns_out_bad_does_not_stop_the_rest(folder: Path) -> None:
    whole = (folder / "b.wav").read_bytes()
    (folder / "a.bin").write_bytes(whole[:44])
    (folder / "b.wav").write_bytes(whole[:20_044])
    source = FolderSource(folder, gap_seconds=0.5)
    assert sum(len(block.samples) for block in source.blocks()) == 10_000 + 8_000 + len(voice())
    assert "a.bin contains no sound" in source.problems[-1].cause
    assert "b.wav is damaged or cut short" in source.notes[0]


def test_a_folder_without_any_usable_file(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match=r"holds no audio file that can be used$"):
        list(FolderSource(tmp_path).blocks())
    (tmp_path / "x.wav").write_bytes(b"")
    with pytest.raises(AudioFileError, match=r"the first problem: .*x.wav is empty"):
        list(FolderSource(tmp_path).blocks())


def test_close_ends_it_between_and_within_files(folder: Path) -> None:
    source = FolderSource(folder, realtime=True, clock=ManualClock())
    thread = threading.Thread(target=lambda: list(source.blocks()))
    thread.start()
    source.close()
    thread.join(10)
    assert not thread.is_alive()
    blocks = (again := FolderSource(folder)).blocks()
    next(blocks)
    again.close()
    assert list(blocks) == []
