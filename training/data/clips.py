"""Reads a clip for training, or says in a sentence why it is of no use.

Takes a path; gives float32 mono samples at 16 kHz, and facts of a file's head without decoding it. Must hold: what is
given has sound in it, only finite numbers, and is long enough for a segment of speech.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from edge.errors import AudioFileError
from edge.records import SAMPLE_RATE, Float32

MIN_SECONDS: Final = 0.1
"""Shorter clips hold no syllable; quickly spoken digits last a fifth of a second."""

_POINTER: Final = b"version https://git-lfs"


@dataclass(frozen=True, slots=True)
class Head:
    """What a file says about itself. ``seconds``: its length."""

    rate: int
    channels: int
    seconds: float


def read_head(path: Path) -> Head:
    """Read what a file says about itself. Raises ``AudioFileError``: missing, empty, or no audio."""
    import soundfile

    refuse_missing(path)
    try:
        info = soundfile.info(str(path))
    except (OSError, RuntimeError) as error:
        raise AudioFileError(f"unreadable ({error})") from error
    return Head(info.samplerate, info.channels, info.frames / max(info.samplerate, 1))


def read_clip(path: Path, *, convert: bool = False) -> Float32:
    """Return float32 ``(n,)``. Raises ``AudioFileError`` whose cause is the reason to set the clip aside.

    ``convert``: take any rate, channel count and codec; else the file must be what a manifest promises.
    """
    import soundfile

    refuse_missing(path)
    if convert:
        return _converted(path)
    try:
        samples, rate = soundfile.read(path, dtype="float32")
    except (OSError, RuntimeError) as error:
        raise AudioFileError(f"unreadable ({error})") from error
    refuse_form(rate, samples.shape[1] if samples.ndim > 1 else 1, len(samples) / max(rate, 1))
    if not np.isfinite(samples).all():
        raise AudioFileError("has samples that are no numbers")
    if not samples.any():
        raise AudioFileError("silent: every sample is zero")
    return np.asarray(samples, np.float32)


def refuse_form(rate: int, channels: int, seconds: float) -> None:
    """Raise ``AudioFileError`` unless a file of this form can be used."""
    if rate != SAMPLE_RATE:
        raise AudioFileError(f"wrong rate: {rate} Hz instead of {SAMPLE_RATE}")
    if channels != 1:
        raise AudioFileError(f"{channels} channels instead of 1")
    if seconds < MIN_SECONDS:
        raise AudioFileError(f"too short: {seconds:.2f} s of at least {MIN_SECONDS}")


def refuse_missing(path: Path) -> None:
    """Raise ``AudioFileError`` unless there is a file with something in it of its own."""
    if not path.is_file():
        raise AudioFileError("missing")
    if not path.stat().st_size:
        raise AudioFileError("empty file")
    with path.open("rb") as file:
        if file.read(len(_POINTER)) == _POINTER:
            raise AudioFileError("not downloaded: a pointer of Git LFS stands in its place; git lfs pull gets it")


def _converted(path: Path) -> Float32:
    from training.data.convert import read_any

    samples = read_any(path)
    refuse_form(SAMPLE_RATE, 1, len(samples) / SAMPLE_RATE)
    if not samples.any():
        raise AudioFileError("silent: every sample is zero")
    return samples
