"""A small folder of training speech, made of the demo's clips."""

from __future__ import annotations

from pathlib import Path

import soundfile

import edge.demo

ASSETS = Path(edge.demo.__file__).parent / "assets"


def write(folder: Path) -> Path:
    """Eighteen pretended speakers of two sets: five pieces of one second of each clip, as files, with a manifest."""
    rows = ["path\tsplit\tset\tspeaker\tgender\temotion\tlanguage\tseconds\tlicence\tsource"]
    clips = sorted(ASSETS.glob("*-enrol-*.ogg")) + sorted(ASSETS.glob("clip-*.ogg"))
    for number, clip in enumerate(clips):
        samples, rate = soundfile.read(clip, dtype="float32")
        name = "librispeech" if number % 2 else "asc"
        for piece in range(5):
            path = f"{number}-{piece}.wav"
            start = round(piece * (len(samples) - rate) / 4)
            soundfile.write(folder / path, samples[start : start + rate], rate)
            rows.append(f"{path}\ttrain\t{name}\ts{number}\t\t\ten\t1.0\t\t")
    (folder / "manifest.tsv").write_text("\n".join(rows) + "\n")
    return folder
