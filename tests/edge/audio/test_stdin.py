"""Standard input: raw samples in every encoding, WAV where there is a header, and ends in the wrong place."""

import io
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.audio.pcm import Encoding
from edge.audio.stdin import PcmSource
from edge.errors import AudioFileError, UsageError
from tests.edge.audio.sounds import likeness, voice

ENCODERS: dict[Encoding, Callable[[np.ndarray], bytes]] = {
    "u8": lambda x: (np.round(x * 127) + 128).astype(np.uint8).tobytes(),
    "s16le": lambda x: np.round(x * 32_767).astype("<i2").tobytes(),
    "s24le": lambda x: np.round(x * (2**31 - 1)).astype("<i4").reshape(-1, 1).view(np.uint8)[:, 1:].tobytes(),
    "s32le": lambda x: np.round(x * (2**31 - 1)).astype("<i4").tobytes(),
    "f32le": lambda x: x.astype("<f4").tobytes(),
    "f64le": lambda x: x.astype("<f8").tobytes(),
}


def heard(source: PcmSource) -> np.ndarray:
    pieces, end = [], 0
    for block in source.blocks():
        assert block.start == end
        end += len(block.samples)
        pieces.append(block.samples)
    return np.concatenate(pieces)


def wav(subtype: str = "PCM_16", rate: int = 16_000, channels: int = 1, kind: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.repeat(voice(rate)[:, None], channels, axis=1), rate, format=kind, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize("encoding", ENCODERS)
def test_raw_samples_in_every_encoding(encoding: Encoding) -> None:
    source = PcmSource(io.BytesIO(ENCODERS[encoding](voice())), encoding=encoding)
    assert np.abs(heard(source) - voice()).max() < (0.01 if encoding == "u8" else 1e-4)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_raw_samples_at_any_rate_and_channel_count(rate: int, channels: int) -> None:
    data = ENCODERS["s16le"](np.repeat(voice(rate), channels))
    assert likeness(heard(PcmSource(io.BytesIO(data), rate, channels)), voice()) > 0.999


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64"])
def test_a_wav_header_overrules_what_was_said(subtype: str, kind: str) -> None:
    source = PcmSource(io.BytesIO(wav(subtype, 48_000, 2, kind)), rate=8_000, channels=1, encoding="u8")
    assert likeness(heard(source)[: len(voice())], voice()) > 0.999


def test_chunks_after_the_samples_are_not_heard() -> None:
    data = wav() + b"LIST" + struct.pack("<I", 4_000) + bytes(range(250)) * 16
    assert np.array_equal(heard(PcmSource(io.BytesIO(data))), heard(PcmSource(io.BytesIO(wav()))))


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_a_wav_of_unknown_size_goes_on_to_the_end(size: int) -> None:
    data = bytearray(wav())
    data[4:8] = data[40:44] = struct.pack("<I", size)
    assert len(heard(PcmSource(io.BytesIO(data)))) == len(voice())


@settings(max_examples=20, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9_000), min_size=1, max_size=12), header=st.booleans(), block_ms=st.integers(1, 300)
)
def test_the_pieces_in_which_bytes_arrive_do_not_matter(sizes: list[int], header: bool, block_ms: int) -> None:
    data = wav("PCM_24", 44_100, 2)[:20_000] if header else ENCODERS["s16le"](voice()[:8_000])

    class Dribble(io.RawIOBase):
        """Gives as much at a time as the list says, over and over."""

        def __init__(self) -> None:
            self.left, self.turn = data, 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: memoryview) -> int:
            self.turn += 1
            count = min(len(buffer), sizes[self.turn % len(sizes)], len(self.left))
            buffer[:count], self.left = self.left[:count], self.left[count:]
            return count

    dribbled = heard(PcmSource(io.BufferedReader(Dribble()), block_ms=block_ms))
    assert np.abs(dribbled - heard(PcmSource(io.BytesIO(data)))).max() <= 1.2e-7


@pytest.mark.parametrize("extra", [1, 2, 3])
def test_a_sample_cut_in_two_is_left_out_and_counted(extra: int) -> None:
    source = PcmSource(io.BytesIO(ENCODERS["s16le"](np.repeat(voice(), 2)) + bytes(extra)), channels=2)
    assert len(heard(source)) == len(voice())
    assert source.cut_bytes == extra


def test_numbers_that_are_none_become_silence() -> None:
    samples = voice().astype(np.float32)
    samples[100:103] = np.nan, np.inf, -np.inf
    source = PcmSource(io.BytesIO(samples.tobytes()), encoding="f32le")
    assert np.isfinite(heard(source)).all()
    assert source.repaired == 3


@pytest.mark.parametrize("data", [b"", b"x"])
def test_nothing_on_standard_input(data: bytes) -> None:
    with pytest.raises(AudioFileError, match="carried no sound"):
        list(PcmSource(io.BytesIO(data)).blocks())


@pytest.mark.parametrize("kind", ["FLAC", "OGG", "MP3"])
def test_compressed_sound_is_recognised_and_not_taken_for_noise(kind: str) -> None:
    data = wav({"OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}.get(kind, "PCM_16"), kind=kind)
    if kind == "MP3":
        data = b"ID3\3\0\0\0\0\0\0" + data
    with pytest.raises(AudioFileError, match=r"carries (FLAC|Ogg|MP3)") as caught:
        list(PcmSource(io.BytesIO(data)).blocks())
    assert "ffmpeg" in caught.value.remedy


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (wav()[:30], "ends within its WAV header"),
        (wav("IMA_ADPCM"), "not plain samples"),
        (wav()[:16] + b"\xff\xff\xff\x7f" + bytes(100), "damaged"),
        (wav()[:12] + wav()[36:], "does not say how"),
        (wav(rate=2_000), "2000 Hz is outside"),
    ],
)
def test_a_wav_that_cannot_be_understood(data: bytes, words: str) -> None:
    with pytest.raises(AudioFileError, match=words) as caught:
        list(PcmSource(io.BytesIO(data)).blocks())
    assert "standard input" in caught.value.sentence()


def test_arguments_that_make_no_sense() -> None:
    for arguments in ({"rate": 10}, {"channels": 0}, {"encoding": "s16be"}):
        with pytest.raises(UsageError):
            PcmSource(io.BytesIO(), **arguments)


def test_sound_is_given_while_the_other_end_still_speaks() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as speaker:
        source = PcmSource(stream, live=True)
        blocks = source.blocks()
        for _ in range(3):
            speaker.write(ENCODERS["s16le"](voice()[:1_600]))
            assert len(next(blocks).samples) == 1_600
        assert (source.name, source.live) == ("stdin", True)


def test_close_ends_a_read_that_waits() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as speaker:
        source = PcmSource(stream)
        got: list[int] = []
        thread = threading.Thread(target=lambda: got.extend(block.start for block in source.blocks()))
        thread.start()
        speaker.write(ENCODERS["s16le"](voice()[:1_600]))
        while not got:
            thread.join(0.01)
        source.close()
        source.close()
        thread.join(10)
        assert not thread.is_alive()
        assert got == [0]


def test_a_real_pipe_of_a_real_process(tmp_path: Path) -> None:
    (tmp_path / "clip.wav").write_bytes(wav("PCM_24", 44_100, 2))
    code = "import edge.audio; print(sum(len(b.samples) for b in edge.audio.open_source('-').blocks()))"
    with (
        (tmp_path / "clip.wav").open("rb") as clip,
        subprocess.Popen(["cat"], stdin=clip, stdout=subprocess.PIPE) as cat,
    ):
        done = subprocess.run(
            [sys.executable, "-c", code], stdin=cat.stdout, capture_output=True, text=True, check=True
        )
    assert int(done.stdout) == len(voice())
