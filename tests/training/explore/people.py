"""A small folder of speech made of the demo's clips, with three wrong genders and three wrong speakers in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

import edge.demo
from edge.audio import read_samples
from edge.records import SAMPLE_RATE

ASSETS = Path(edge.demo.__file__).parent / "assets"
HEADER = "path\tsplit\tset\tspeaker\tgender\temotion\tlanguage\tseconds\tlicence\tsource\n"
PIECE = round(1.6 * SAMPLE_RATE)
VOICES = {
    "ada": ("f", ("ada-enrol-1", "ada-enrol-2", "ada-enrol-3", "clip-1-ada")),
    "ben": ("m", ("ben-enrol-1", "ben-enrol-2", "ben-enrol-3", "clip-3-ben")),
    "s3664": ("m", ("clip-5-stranger",)),
    "s8629": ("m", ("clip-6-stranger",)),
    "s669": ("f", ("clip-7-stranger",)),
    "s1898": ("f", ("clip-8-stranger",)),
}
"""Speaker: gender as LibriSpeech states it, and clips."""

WRONG_GENDER = {"ada-2.wav", "ben-5.wav", "s8629-1.wav"}
WRONG_SPEAKER = {"ada-0.wav": "ben", "ben-0.wav": "ada", "ben-7.wav": "ada"}
BAD = {"broken.wav", "gone.wav", "silent.wav"}


@dataclass(frozen=True, slots=True)
class Row:
    path: str
    speaker: str
    gender: str


def write(folder: Path) -> Path:
    """Pieces of 1.6 s with a manifest; three more rows name files that are of no use."""
    rows = []
    for voice, (gender, clips) in VOICES.items():
        pieces = []
        for clip in clips:
            samples = read_samples(ASSETS / f"{clip}.ogg")
            pieces += [samples[i : i + PIECE] for i in range(0, len(samples) - PIECE + 1, PIECE)]
        for number, piece in enumerate(pieces[:8]):
            path = f"{voice}-{number}.wav"
            soundfile.write(folder / path, piece, SAMPLE_RATE)
            told = {"f": "m", "m": "f"}[gender] if path in WRONG_GENDER else gender
            rows.append(Row(path, WRONG_SPEAKER.get(path, voice), told))
    (folder / "broken.wav").write_bytes(b"RIFF\x00\x00\x00\x00WAVEfmt nothing more")
    soundfile.write(folder / "silent.wav", np.zeros(PIECE, np.float32), SAMPLE_RATE)
    rows += [Row(path, "", "") for path in sorted(BAD)]
    (folder / "manifest.tsv").write_text(
        HEADER + "".join(f"{r.path}\ttrain\tdemo\t{r.speaker}\t{r.gender}\t\ten\t1.6\tCC BY 4.0\tdemo\n" for r in rows)
    )
    return folder
