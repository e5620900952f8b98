"""Calibration clips: which pieces of which recordings show the network its working range.

Takes a corpus folder with ``manifest.tsv``. Gives a list of clips, drawn with a seed from its ``train`` and ``noise``
splits and kept as a tab-separated file, and their samples. Must hold: no clip comes from a ``dev`` speaker; each clip
names the SHA-256 of its files, and a file that differs is refused.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np

from convert.errors import ConversionError
from convert.graph import Float32
from edge.errors import UsageError
from edge.records import SAMPLE_RATE
from training.corpus import Recording

SHARES: Final[Mapping[str, int]] = {
    "librispeech": 40,
    "pvwake": 36,
    "pvintent": 36,
    "speechcommands": 32,
    "asc": 24,
    "rhasspyvoice": 16,
    "cmuarctic": 10,
    "vctk": 6,
}
"""How many clips of each set: read, spontaneous, wake words, single words, three languages, many microphones."""

LEAD_DBFS: Final = -66.0
"""Level of the faint hiss that stands for the silence before somebody speaks."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A piece of a recording, perhaps with noise under it and silence before it.

    ``noise`` is "" where there is none. ``lead_seconds``: faint hiss in front. Lengths and offsets in seconds.
    """

    path: str
    sha256: str
    start: float
    seconds: float
    lead_seconds: float
    noise: str
    noise_sha256: str
    noise_start: float
    snr_db: float


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read ({error.strerror})", "Give the folder of speech with --speech"
        ) from None


def draw(folder: Path, recordings: Sequence[Recording], seed: int, shares: Mapping[str, int] = SHARES) -> list[Clip]:
    """Draw clips of 1 to 3 seconds; every third has noise at 5 to 20 dB, every eighth some silence before it.

    ``shares``: clips per set; a set that the corpus lacks gives none.
    """
    rng = np.random.default_rng(seed)
    noises = [r for r in recordings if r.split == "noise"]
    clips: list[Clip] = []
    for name, count in shares.items():
        pool = [r for r in recordings if r.split == "train" and r.set == name]
        chosen = rng.permutation(len(pool))[:count]
        for place, index in enumerate(chosen):
            recording = pool[int(index)]
            seconds = min(recording.seconds, float(rng.choice([1.5, 2.0, 3.0, 3.0, 3.0])))
            start = round(float(rng.uniform(0.0, recording.seconds - seconds)), 2)
            noisy = bool(noises) and place % 3 == 1
            noise = noises[int(rng.integers(len(noises)))] if noisy else None
            clips.append(
                Clip(
                    path=recording.path,
                    sha256=_digest(folder / recording.path),
                    start=start,
                    seconds=round(seconds, 2),
                    lead_seconds=0.4 if place % 8 == 3 else 0.0,
                    noise=noise.path if noise else "",
                    noise_sha256=_digest(folder / noise.path) if noise else "",
                    noise_start=round(float(rng.uniform(0.0, max(0.0, noise.seconds - 1.0))), 2) if noise else 0.0,
                    snr_db=round(float(rng.uniform(5.0, 20.0)), 1) if noise else 0.0,
                )
            )
    return clips


def write_clips(path: Path, clips: Iterable[Clip]) -> None:
    """Write the list, one clip a line, with a header."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Clip)], delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(clip) for clip in clips)


def read_clips(path: Path) -> list[Clip]:
    """Read a list. Raises ``UsageError`` naming the line that is broken."""
    clips: list[Clip] = []
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter="\t"), 2):
            try:
                numbers = {
                    name: float(row[name]) for name in ("start", "seconds", "lead_seconds", "noise_start", "snr_db")
                }
                texts = {name: row[name] for name in ("path", "sha256", "noise", "noise_sha256")}
                clips.append(Clip(**texts, **numbers))  # type: ignore[arg-type]
            except (KeyError, TypeError, ValueError):
                raise UsageError(f"Line {number} of {path} is no calibration clip", "Restore the list") from None
    return clips


def read_speech(path: Path) -> Float32:
    """Samples (n,) of a 16 kHz mono file. Raises ``UsageError`` for anything else."""
    import soundfile

    try:
        samples, rate = soundfile.read(path, dtype="float32")
    except (OSError, soundfile.SoundFileError) as error:
        raise UsageError(f"{path} cannot be read as audio ({error})", "Fetch the corpus again") from None
    if rate != SAMPLE_RATE or samples.ndim != 1:
        raise UsageError(f"{path} is not 16 kHz mono", "Convert the corpus first")
    return np.asarray(samples, np.float32)


def mix(speech: Float32, noise: Float32, snr_db: float) -> Float32:
    """Noise, repeated to the length of the speech, added so that the ratio of powers is ``snr_db``."""
    under = np.resize(noise, speech.shape)
    gain = np.sqrt(np.mean(speech**2) / (np.mean(under**2) + 1e-12)) * 10.0 ** (-snr_db / 20.0)
    return np.asarray(speech + gain * under, np.float32)


def load(folder: Path, clip: Clip, seed: int) -> Float32:
    """Samples of one clip; ``seed`` makes its hiss. Raises ``ConversionError`` where a file is not the one listed."""
    for name, listed in ((clip.path, clip.sha256), (clip.noise, clip.noise_sha256)):
        if name and _digest(folder / name) != listed:
            raise ConversionError(
                f"{name} differs from the file that the calibration list names", "Fetch the corpus again"
            )
    whole = read_speech(folder / clip.path)
    start = round(clip.start * SAMPLE_RATE)
    samples = whole[start : start + round(clip.seconds * SAMPLE_RATE)]
    hiss = np.random.default_rng(seed).standard_normal(round(clip.lead_seconds * SAMPLE_RATE))
    samples = np.concatenate([(hiss * 10.0 ** (LEAD_DBFS / 20.0)).astype(np.float32), samples])
    if clip.noise:
        noise = read_speech(folder / clip.noise)[round(clip.noise_start * SAMPLE_RATE) :]
        samples = mix(samples, noise, clip.snr_db)
    return samples
