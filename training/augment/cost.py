"""Measures what augmentation costs here: ``python -m training.augment.cost CLIP_OR_FOLDER``.

Takes a clip, or a corpus folder with a manifest. Gives CPU milliseconds per three seconds of sound on standard output.
Must hold: CPU time of this process, not wall time, after a first round that fills the caches.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge.audio import read_samples
from edge.records import SAMPLE_RATE, Float32
from training.augment.augmenter import Augmenter
from training.augment.examples import clips_of
from training.augment.materials import Materials, load_materials
from training.augment.recipe import AugmentRecipe
from training.augment.seeding import generator
from training.corpus import MANIFEST, read_manifest

_SAMPLES = 3 * SAMPLE_RATE


@dataclass(slots=True)
class _Timer:
    """CPU milliseconds of each call of one step."""

    step: Callable[[Float32, np.random.Generator], Float32]
    milliseconds: list[float] = field(default_factory=list)

    def __call__(self, samples: Float32, rng: np.random.Generator) -> Float32:
        start = time.process_time()
        result = self.step(samples, rng)
        self.milliseconds.append(1000 * (time.process_time() - start))
        return result


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; gives 0."""
    parser = argparse.ArgumentParser(prog="python -m training.augment.cost", description="What augmentation costs.")
    parser.add_argument("source", type=Path, help="a clip, or a corpus folder with a manifest.tsv")
    parser.add_argument("--count", type=int, default=300, help="how many clips (%(default)s)")
    options = parser.parse_args(argv)
    rows = read_manifest(options.source) if (options.source / MANIFEST).is_file() else ()
    materials = load_materials(options.source, rows) if rows else Materials.of()
    augmenter = Augmenter(materials, AugmentRecipe())
    clips = [
        np.resize(read_samples(clip, 3.0), _SAMPLES) for clip in clips_of(options.source, rows, options.count, seed=1)
    ]
    voice, degrade = _Timer(augmenter.voice), _Timer(augmenter.degrade)
    for warm in (True, False):
        for number in range(options.count):
            rng = generator(1, f"{number}")
            degrade(voice(clips[number % len(clips)], rng)[:_SAMPLES], rng)
        if warm:
            first = sum(voice.milliseconds + degrade.milliseconds) / options.count
            voice.milliseconds.clear()
            degrade.milliseconds.clear()
    print(f"CPU milliseconds per clip of 3 s, {options.count} clips")
    for name, timer in (("voice", voice), ("degrade", degrade)):
        print(
            f"{name:8} mean {np.mean(timer.milliseconds):5.1f}, 95 % below {np.percentile(timer.milliseconds, 95):5.1f}"
        )
    print(f"first round, which makes rooms and reads noises: {first:.1f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
