"""Recordings: files of every kind that are damaged or lie about themselves, streams, folders with odd names."""

from __future__ import annotations

import io
import os
import random
import struct
from functools import cache
from pathlib import Path

import numpy as np

from edge.audio import FileSource, FolderSource, PcmSource, audio_files, read_samples
from edge.cli.truth import Truth
from tests.edge.small_bundles import sound
from tests.fuzz.mutate import mutate, mutate_json
from tests.fuzz.target import Target, command, only_earmark_errors
from tests.fuzz.targets_bundle import bundles
from tests.fuzz.targets_state import state

_KINDS = (
    ("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAV", "PCM_24"), ("WAV", "PCM_U8"), ("WAV", "IMA_ADPCM"), ("WAV", "GSM610"),
    ("WAVEX", "PCM_16"), ("RF64", "PCM_16"), ("W64", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"), ("AIFF", "PCM_16"), ("AU", "PCM_16"), ("CAF", "PCM_16"),
)  # fmt: skip


@cache
def clips() -> tuple[bytes, ...]:
    """The same short sound in every kind of file that people send."""
    import soundfile

    found = []
    for number, (form, subtype) in enumerate(_KINDS):
        file = io.BytesIO()
        rate = 16_000 if subtype != "GSM610" else 8_000
        samples = sound(0.8, number)
        if number % 2 and form == "WAV" and subtype != "GSM610":
            samples = np.stack([samples, samples], 1)
        soundfile.write(file, samples, rate, format=form, subtype=subtype)
        found.append(file.getvalue())
    return tuple(found)


def _wav(form: bytes, promised: int, samples: bytes, riff: int = 0xFFFFFFF7) -> bytes:
    """A WAV file with any ``fmt `` chunk, and any promise of its length."""
    chunks = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", promised) + samples
    return b"RIFF" + struct.pack("<I", riff) + chunks


def _liars() -> list[bytes]:
    """Small files that promise gigabytes, thousands of channels, or rates that nothing has."""
    plain = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)
    noise = random.Random(1).randbytes(20_000)
    found = [_wav(plain, size, noise) for size in (0xFFFFFFFF, 0xFFFFFFF0, 0x80000000, 0x7FFFFFFF, 0)]
    for channels, rate, bits, kind in (
        (65_535, 16_000, 16, 1), (65_535, 4_294_967_295, 32, 3), (1, 4_294_967_295, 16, 1), (0, 0, 0, 1),
        (2, 191_999, 64, 3), (1, 3_999, 8, 1), (1_024, 192_000, 24, 0xFFFE), (1, 11_025, 4, 0x11), (7, 47_999, 16, 1),
    ):  # fmt: skip
        form = struct.pack("<HHIIHH", kind, channels, rate, 0xFFFFFFFF, 0xFFFF, bits)
        found.append(_wav(form, 0xFFFFFFF0, noise))
    size = struct.pack("<IQQQI", 28, 2**63, 2**63, 2**63, 0)
    found.append(b"RF64\xff\xff\xff\xffWAVEds64" + size + _wav(plain, 2**32 - 1, noise)[12:])
    found.append(b"RIFF\xff\xff\xff\xffWAVE" + b"LIST\x00\x00\x00\x00" * 3000 + _wav(plain, 100, noise)[12:])
    flac = bytearray(clips()[9])
    flac[21:26] = b"\xff" * 5  # 2^36 samples
    return [*found, bytes(flac), b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + clips()[12], clips()[10] + b"OggS" + b"\xff" * 200]


def _seeds(_: Path) -> list[bytes]:
    return [*_liars(), *clips()]


def _file(data: bytes, place: Path) -> None:
    path = place / "clip.wav"
    path.write_bytes(data)
    with only_earmark_errors():
        samples = read_samples(path, 60.0)
        if samples.dtype != np.float32 or samples.ndim != 1 or not np.isfinite(samples).all():
            raise AssertionError(f"samples of {samples.dtype} {samples.shape}, or not finite")
    source = FileSource(path)
    with only_earmark_errors():
        seconds = 0.0
        for block in source.blocks():
            seconds += len(block.samples) / 16_000
            if seconds > 600:
                break
    source.close()


def _stream(data: bytes, _: Path) -> None:
    for encoding in ("s16le", "f64le"):
        with only_earmark_errors():
            for block in PcmSource(io.BytesIO(data), channels=1 + len(data) % 3, encoding=encoding).blocks():
                if not np.isfinite(block.samples).all():
                    raise AssertionError("not finite")


def _commands(data: bytes, place: Path) -> None:
    home = {"EARMARK_STATE": str(_copy(place)), "HOME": str(place), "EARMARK_MODELS__BUNDLE": str(bundles() / "stats")}
    clip = place / "clip.wav"
    clip.write_bytes(data)
    command("identify", clip, environ=home)
    command("identify", "-", "--json", environ=home, stdin=data)
    command("verify", "Ada", clip, "--json", environ=home)
    command("enroll", "Cy", clip, environ=home)
    command("simulate", clip, environ=home)


def _copy(place: Path) -> Path:
    import shutil

    return Path(shutil.copytree(state(), place / "state"))


def _names(_: Path) -> list[bytes]:
    return [b"ada\0ben", b"a\nb\0\xff\xfe\0 \0-x\0--json", b"\x1b[2Jx\0\xed\xa0\x80\0\xf0\x9f\x98\x80\0.hidden\0x.wav"]


def _folder(data: bytes, place: Path) -> None:
    """Recordings whose names are anything that a file system takes."""
    folder = os.fsencode(place) + b"/in"
    os.mkdir(folder)  # noqa: PTH102 - the names are bytes
    contents = clips()
    for number, part in enumerate(data.split(b"\0")[:8]):
        name = part.replace(b"/", b"_")[:200]
        if name not in {b"", b".", b".."}:
            with open(folder + b"/" + name + b".wav", "wb") as file:  # noqa: PTH123
                file.write(contents[number % len(contents)] if number % 3 else b"no sound")
    there = os.fsdecode(folder)
    with only_earmark_errors():
        audio_files(there)
    with only_earmark_errors():
        for _ in FolderSource(there).blocks():
            pass
    home = {
        "EARMARK_STATE": str(place / "state"),
        "HOME": str(place),
        "EARMARK_MODELS__BUNDLE": str(bundles() / "stats"),
    }
    command("identify", there, environ=home)
    command("identify", there, "--json", environ=home)
    command("simulate", there, environ=home)
    command("enroll", "Cy", there, "--json", environ=home)


def _truths(_: Path) -> list[bytes]:
    return [
        b'{"segments": [{"start": 0.0, "end": 2.5, "who": "Ada"}]}',
        b'{"clips": [{"file": "clip.wav", "who": "Ada"}]}',
    ]


def _truth(data: bytes, place: Path) -> None:
    path = place / "truth.json"
    path.write_bytes(data)
    with only_earmark_errors():
        Truth.load(path)
    clip = place / "clip.wav"
    clip.write_bytes(clips()[0])
    home = {
        "EARMARK_STATE": str(place / "state"),
        "HOME": str(place),
        "EARMARK_MODELS__BUNDLE": str(bundles() / "stats"),
    }
    command("simulate", clip, "--truth", path, environ=home)


def _either(seed: bytes, rng: random.Random) -> bytes:
    return mutate_json(seed, rng) if rng.random() < 0.7 else mutate(seed, rng)


TARGETS = (
    Target("sound-file", _seeds, _file),
    Target("sound-stream", _seeds, _stream),
    Target("sound-commands", _seeds, _commands, cost=6),
    Target("folder-names", _names, _folder, cost=6),
    Target("truth", _truths, _truth, _either, cost=3),
)
