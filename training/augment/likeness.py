"""Measures how far augmentation takes a voice away: ``python -m training.augment.likeness CORPUS --bundle accurate``.

Takes a corpus folder with a manifest and a bundle. Gives the median cosine between the embeddings of a clip before and
after each change, and those of one person and of two for comparison. Must hold: only labelled training speech is used.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np

from edge.audio import read_samples
from edge.bundle import open_bundle
from edge.records import Float32
from training.augment.augmenter import Augmenter
from training.augment.materials import load_materials
from training.augment.recipe import AugmentRecipe
from training.augment.seeding import generator
from training.augment.voices import Prosody, change
from training.corpus import by_speaker, read_manifest

_SECONDS: Final = 4.0

Change = Callable[[Float32, np.random.Generator], Float32]


def changes(augmenter: Augmenter) -> dict[str, Change]:
    """What is measured, by name."""

    def fixed(**ratios: float) -> Change:
        return lambda samples, rng: change(samples, prosody=None, **ratios)

    return {
        "tempo x 0.80": fixed(tempo=0.8),
        "tempo x 1.25": fixed(tempo=1.25),
        "pitch -4 semitones": fixed(pitch=2 ** (-4 / 12)),
        "pitch +4 semitones": fixed(pitch=2 ** (4 / 12)),
        "melody of 1.5 semitones": lambda samples, rng: change(samples, prosody=Prosody.drawn(1.5, 3.0, rng)),
        "speed x 0.87": fixed(speed=0.87),
        "speed x 1.15": fixed(speed=1.15),
        "formants x 0.87": fixed(formant=0.87),
        "formants x 1.15": fixed(formant=1.15),
        "pitch x 1.19, formants x 1.10": fixed(pitch=1.19, formant=1.1),
        "voice, all of it": augmenter.voice,
        "degrade, all of it": augmenter.degrade,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; gives 0. Raises ``EarmarkError`` where corpus or bundle cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m training.augment.likeness", description="How alike it leaves us.")
    parser.add_argument("corpus", type=Path, help="folder with a manifest.tsv")
    parser.add_argument("--bundle", default="accurate", help="what embeds (%(default)s)")
    parser.add_argument("--clips", type=int, default=60, help="how many clips (%(default)s)")
    options = parser.parse_args(argv)
    rows = read_manifest(options.corpus)
    long = [row for row in rows if row.split == "train" and row.seconds >= _SECONDS]
    # In turn from each speaker, so that there are pairs of one person and nobody dominates.
    people = list(by_speaker(long).values())
    turns = [row for turn in range(options.clips) for clips in people for row in clips[turn : turn + 1]]
    chosen = turns[: options.clips]
    bundle = open_bundle(options.bundle)
    sounds = [read_samples(options.corpus / row.path, _SECONDS) for row in chosen]
    embeddings = [bundle.embed(samples) for samples in sounds]
    pairs = [
        (a.speaker == b.speaker, _cosine(x, y))
        for (a, x), (b, y) in combinations(zip(chosen, embeddings, strict=True), 2)
    ]
    print(f"median cosine, {len(chosen)} clips of {_SECONDS:g} s, {len(people)} people, bundle {bundle.name}")
    for words, alike in (("two clips of one person", True), ("two people", False)):
        print(f"{words:32} {np.median([value for same, value in pairs if same == alike]):5.2f}")
    augmenter = Augmenter(load_materials(options.corpus, rows), AugmentRecipe())
    for name, step in changes(augmenter).items():
        after = [bundle.embed(step(samples, generator(1, f"{place}"))) for place, samples in enumerate(sounds)]
        values = [_cosine(before, now) for before, now in zip(embeddings, after, strict=True)]
        print(f"{name:32} {np.median(values):5.2f}")
    return 0


def _cosine(one: Float32, other: Float32) -> float:
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))


if __name__ == "__main__":
    raise SystemExit(main())
