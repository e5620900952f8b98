"""Files of every usual format give the sound that went into them; the content decides, not the name."""

import shlex
import shutil
import struct
import subprocess
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.audio.files import FileSource, read_samples
from edge.clock import ManualClock
from edge.errors import AudioFileError
from tests.edge.audio.sounds import found_likeness, likeness, voice

EXACT = [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "PCM_32"), ("WAV", "FLOAT"), ("WAV", "DOUBLE")]
EXACT += [("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("AIFF", "PCM_16"), ("AU", "PCM_16"), ("W64", "PCM_16")]
COARSE = [("WAV", "PCM_U8"), ("FLAC", "PCM_S8"), ("WAV", "ULAW"), ("WAV", "ALAW"), ("WAV", "IMA_ADPCM")]


def written(path: Path, rate: int = 16_000, channels: int = 1, kind: str = "WAV", subtype: str = "PCM_16") -> Path:
    """A file with the voice on all channels."""
    frames = np.repeat(voice(rate)[:, None], channels, axis=1)
    soundfile.write(path, frames, rate, format=kind, subtype=subtype)
    return path


@pytest.mark.parametrize(("kind", "subtype"), EXACT)
def test_lossless_formats_are_read_exactly(tmp_path: Path, kind: str, subtype: str) -> None:
    heard = read_samples(written(tmp_path / "clip", kind=kind, subtype=subtype))
    assert heard.dtype == np.float32
    assert np.abs(heard - voice()).max() < 2 / 32_768
    assert len(heard) == len(voice())


@pytest.mark.parametrize(("kind", "subtype"), COARSE)
def test_coarse_formats_are_read(tmp_path: Path, kind: str, subtype: str) -> None:
    assert likeness(read_samples(written(tmp_path / "clip", kind=kind, subtype=subtype)), voice()) > 0.99


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 32_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_any_rate_and_channel_count_gives_the_same_sound(tmp_path: Path, rate: int, channels: int) -> None:
    heard = read_samples(written(tmp_path / "clip.wav", rate, channels))
    assert len(heard) == round(len(voice(rate)) * 16_000 / rate)
    assert likeness(heard, voice()) > 0.999


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
@pytest.mark.parametrize(
    ("kind", "subtype"), [("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"), ("FLAC", "PCM_16")]
)
@pytest.mark.parametrize("channels", [1, 2])
def test_compressed_formats_are_read(
    tmp_path: Path, kind: str, subtype: str, rate: int, channels: int, capfd: pytest.CaptureFixture[str]
) -> None:
    if subtype == "OPUS" and rate == 44_100:
        rate = 24_000  # Opus knows five rates
    path = written(tmp_path / "clip", rate, channels, kind, subtype)
    heard = read_samples(path)
    assert abs(len(heard) - len(voice())) < 1_600
    assert found_likeness(np.concatenate((np.zeros(200), heard)), voice()) > 0.97
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("kind", "subtype"), [("MP3", "MPEG_LAYER_III"), ("FLAC", "PCM_16"), ("OGG", "VORBIS")])
@pytest.mark.parametrize("suffix", ["wav", "raw", "txt", "flac", "mp3"])
def test_the_suffix_does_not_matter(tmp_path: Path, kind: str, subtype: str, suffix: str) -> None:
    path = written(tmp_path / f"clip.{suffix}", kind=kind, subtype=subtype)
    assert found_likeness(np.concatenate((np.zeros(200), read_samples(path))), voice()) > 0.97


def test_a_dead_channel_does_not_lower_the_level(tmp_path: Path) -> None:
    frames = np.stack([voice(), np.zeros_like(voice())], axis=1)
    soundfile.write(tmp_path / "clip.wav", frames, 16_000)
    assert np.abs(read_samples(tmp_path / "clip.wav") - voice()).max() < 1e-4


def test_channels_in_antiphase_do_not_cancel(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "clip.wav", np.stack([voice(44_100), -voice(44_100)], axis=1), 44_100)
    assert likeness(read_samples(tmp_path / "clip.wav"), voice()) > 0.999


def test_blocks_follow_each_other_without_gap(tmp_path: Path) -> None:
    source = FileSource(written(tmp_path / "clip.wav", 44_100, 2), block_ms=50)
    end = 0
    for block in source.blocks():
        assert (block.start, block.dropped) == (end, 0)
        end += len(block.samples)
    assert end == len(voice())
    assert (source.name, source.live, source.notes) == ("file:clip.wav", False, [])


@pytest.mark.parametrize("block_ms", [3, 100, 5_000])
@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_the_block_size_does_not_change_the_sound(tmp_path: Path, block_ms: int, rate: int) -> None:
    path = written(tmp_path / "clip.flac", rate, 2, "FLAC")
    heard = np.concatenate([block.samples for block in FileSource(path, block_ms).blocks()])
    assert np.abs(heard - read_samples(path)).max() <= 1.2e-7


def test_a_file_may_be_read_again(tmp_path: Path) -> None:
    source = FileSource(written(tmp_path / "clip.wav"))
    first, second = (np.concatenate([block.samples for block in source.blocks()]) for _ in range(2))
    assert np.array_equal(first, second)


def test_a_long_file_is_never_in_memory(tmp_path: Path) -> None:
    with soundfile.SoundFile(tmp_path / "long.wav", "w", 16_000, 1) as file:
        for _ in range(100):
            file.write(np.zeros(16_000, np.int16))
    tracemalloc.start()
    seconds = sum(len(block.samples) for block in FileSource(tmp_path / "long.wav").blocks()) / 16_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds == 100
    assert peak < 1_500_000


def test_the_limit_cuts_a_clip(tmp_path: Path) -> None:
    path = written(tmp_path / "clip.wav", 48_000)
    assert np.array_equal(read_samples(path, limit_seconds=0.5), read_samples(path)[:8_000])


def test_numbers_that_are_none_become_silence(tmp_path: Path) -> None:
    samples = voice().astype(np.float32)
    samples[[5, 500, 5_000]] = np.nan, np.inf, -np.inf
    soundfile.write(tmp_path / "clip.wav", samples, 16_000, subtype="FLOAT")
    source = FileSource(tmp_path / "clip.wav")
    heard = np.concatenate([block.samples for block in source.blocks()])
    assert (source.repaired, np.isfinite(heard).all()) == (3, True)
    assert "3 samples" in source.notes[0]


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT"])
def test_clipping_is_seen_in_every_encoding(tmp_path: Path, subtype: str) -> None:
    loud = np.clip(voice() * 40, -1, 1)
    soundfile.write(tmp_path / "loud.wav", loud, 16_000, subtype=subtype)
    soundfile.write(tmp_path / "soft.wav", voice(), 16_000, subtype=subtype)
    counted = sum(block.clipped for block in FileSource(tmp_path / "loud.wav").blocks())
    assert counted == pytest.approx(np.count_nonzero(np.abs(loud) == 1), rel=0.01)
    assert sum(block.clipped for block in FileSource(tmp_path / "soft.wav").blocks()) == 0


def test_real_time_follows_the_clock(tmp_path: Path) -> None:
    """No block before the moment at which its last sample would have been heard."""
    clock = ManualClock()
    heard: list[float] = []
    source = FileSource(written(tmp_path / "clip.wav"), realtime=True, clock=clock)
    thread = threading.Thread(target=lambda: heard.extend(0 * b.start + clock.monotonic() for b in source.blocks()))
    thread.start()
    while thread.is_alive():
        clock.advance(0.05)
        thread.join(0.01)
    assert len(heard) == 15
    assert all(moment >= 0.1 * (index + 1) - 1e-9 for index, moment in enumerate(heard))


def test_close_ends_a_file_that_waits_for_its_time(tmp_path: Path) -> None:
    source = FileSource(written(tmp_path / "clip.wav"), realtime=True, clock=ManualClock())
    thread = threading.Thread(target=lambda: list(source.blocks()))
    thread.start()
    source.close()
    source.close()
    thread.join(10)
    assert not thread.is_alive()
    assert list(source.blocks()) == []


def open_handles() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_neither_good_nor_bad_files_stay_open(tmp_path: Path) -> None:
    good, bad = written(tmp_path / "good.wav"), tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF" + struct.pack("<I", 99) + b"WAVEnonsense" * 9)
    before = open_handles()
    for _ in range(5):
        read_samples(good, limit_seconds=0.1)
        next(FileSource(good).blocks())
        with pytest.raises(AudioFileError):
            read_samples(bad)
    assert open_handles() == before


@pytest.mark.parametrize("suffix", ["m4a", "webm", "aac"])
def test_formats_that_are_not_read_come_with_the_line_that_converts_them(tmp_path: Path, suffix: str) -> None:
    head = {"m4a": b"\0\0\0\x20ftypM4A \0\0\0\0", "webm": b"\x1a\x45\xdf\xa3" + b"\1" * 40, "aac": b"\xff\xf1\x50\x80"}
    path = tmp_path / f"my clip.{suffix}"
    path.write_bytes(head[suffix] + bytes(200))
    with pytest.raises(AudioFileError) as caught:
        read_samples(path)
    assert "not supported" in caught.value.cause
    assert f"ffmpeg -i '{path}' '{path.with_suffix('.wav')}'" in caught.value.remedy


def test_the_line_that_converts_works(tmp_path: Path) -> None:
    """With ffmpeg on the machine, the remedy is run as it stands."""
    if not shutil.which("ffmpeg"):
        pytest.skip("ffmpeg is not installed")
    written(tmp_path / "in.wav")
    subprocess.run(["ffmpeg", "-v", "error", "-i", tmp_path / "in.wav", tmp_path / "clip.m4a"], check=True)
    with pytest.raises(AudioFileError) as caught:
        read_samples(tmp_path / "clip.m4a")
    subprocess.run(shlex.split(caught.value.remedy.partition(": ")[2]), check=True, capture_output=True)
    assert found_likeness(np.concatenate((np.zeros(2_000), read_samples(tmp_path / "clip.wav"))), voice()) > 0.95
