"""Learns the weights of ``edge.spoof.playback``: ``python -m training.playback_fit SPEECH``.

Takes a folder of speech with its manifest; prints the weights of that module, and how it does on people it has not
seen. Must hold: fitted on the split ``train`` only, measured on ``dev``; the same folder gives the same numbers.

Loudspeakers, rooms and telephones are those of ``edge.spoof.simulate``, so the figures are about simulations.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from edge.audio import read_samples
from edge.records import Float32
from edge.spoof import playback, simulate
from training.corpus import Recording, read_manifest

SETS: Final = {
    "train": ("librispeech", "cmuarctic", "pvintent", "vctk", "rhasspyvoice"),
    "dev": ("librispeech", "emodb", "ravdess"),
}
PER_SET: Final = 60
_RIDGE: Final = 1e-3

Float64 = npt.NDArray[np.float64]


def main(argv: Sequence[str] | None = None) -> int:
    """Fit and tell."""
    (folder,) = sys.argv[1:] if argv is None else argv
    root = Path(folder)
    rows = read_manifest(root)
    features, labels, _ = _examples(root, rows, "train")
    centre, scale = features.mean(axis=0), features.std(axis=0)
    weights = _fit((features - centre) / scale, labels)
    for name, values in (("CENTRE", centre), ("SCALE", scale), ("WEIGHTS", weights[:-1])):
        print(f"{name}: Final = ({', '.join(f'{value:.3f}' for value in values)})")
    print(f"BIAS: Final = {weights[-1]:.3f}")

    def score(values: Float64) -> Float64:
        return np.asarray(1 / (1 + np.exp(-((values - centre) / scale @ weights[:-1] + weights[-1]))), np.float64)

    suspect = playback.SUSPECT
    unseen, _, words = _examples(root, rows, "dev")
    for word in sorted(set(words)):
        found = score(unseen[np.array([w == word for w in words])])
        print(f"# {word}: flagged {np.mean(found >= suspect):.3f} of {len(found)}, median score {np.median(found):.3f}")
    return 0


def _examples(root: Path, rows: Sequence[Recording], split: str) -> tuple[Float64, Float64, list[str]]:
    rng = np.random.default_rng(7)
    features, labels, words = [], [], []
    for wanted in SETS[split]:
        of_set = [row for row in rows if row.split == split and row.set == wanted and row.seconds >= 2]
        for index in rng.permutation(len(of_set))[:PER_SET]:
            dry = read_samples(root / of_set[index].path)[: 6 * 16_000]
            for word, sound in conditions(dry, rng).items():
                parts = playback.measure(sound)
                if parts:
                    features.append([parts[name] for name in playback.PARTS])
                    labels.append(0.0 if word.startswith("live") else 1.0)
                    words.append(f"{wanted} {word}")
    return np.array(features), np.array(labels), words


def conditions(dry: Float32, rng: np.random.Generator) -> dict[str, Float32]:
    """One recording as a live voice, near and in a room, and as played back."""

    def heard(sound: Float32, near: float, far: float) -> Float32:
        rt60, metres = float(rng.uniform(0.2, 0.6)), float(rng.uniform(near, far))
        there = simulate.room(sound, rng, rt60_seconds=rt60, distance_metres=metres)
        return simulate.noise(there, rng, snr_db=float(rng.uniform(18, 40)))

    small = simulate.loudspeaker(dry, rng, small=True)
    large = simulate.loudspeaker(heard(dry, 0.2, 0.8), rng, small=False)
    phoned = simulate.loudspeaker(simulate.telephone(dry), rng, small=True)
    return {
        "live near": simulate.noise(dry, rng, snr_db=float(rng.uniform(18, 45))),
        "live in a room": heard(dry, 0.3, 2.0),
        "small loudspeaker": heard(small, 0.1, 0.6),
        "large loudspeaker": heard(large, 0.3, 1.5),
        "telephone": heard(phoned, 0.1, 0.6),
    }


def _fit(values: Float64, labels: Float64) -> Float64:
    """Logistic regression by Newton's method; both classes weigh the same. Gives weights, then bias."""
    design = np.concatenate([values, np.ones((len(values), 1))], axis=1)
    importance = np.where(labels == 1, 0.5 / labels.mean(), 0.5 / (1 - labels.mean()))
    weights = np.zeros(design.shape[1])
    for _ in range(25):
        chance = 1 / (1 + np.exp(-design @ weights))
        slope = design.T @ (importance * (chance - labels)) / len(labels) + _RIDGE * weights
        bend = (design * (importance * chance * (1 - chance))[:, None]).T @ design / len(labels)
        weights -= np.linalg.solve(bend + _RIDGE * np.eye(len(weights)), slope)
    return weights


if __name__ == "__main__":
    sys.exit(main())
