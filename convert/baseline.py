"""The bundle ``baseline``: mean and deviation of MFCCs, so that every figure has something to be compared to.

Takes a folder of speech with a manifest. Gives a bundle of the kind ``statistics``: no network, the pooled MFCCs
brought to mean 0 and deviation 1 over the training speakers, and their cohort. Must hold: no ``dev`` speaker goes in;
the same corpus gives the same bytes; a louder recording of the same speech has the same embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from convert.bundle_folder import npy, npz, write_bundle
from convert.clips import read_speech
from convert.cohort import choose
from convert.graph import Float32
from edge.bundle import EmbeddingStream, open_bundle
from edge.bundle.embedding import MIN_SECONDS, Machinery
from edge.bundle.heads import Head, unit
from edge.errors import UsageError
from edge.features import FrontEnd
from edge.records import SAMPLE_RATE, FeatureSpec
from training.corpus import Recording, read_manifest

SPEC: Final = FeatureSpec(n_ceps=20, normalise="none")
"""The first twenty coefficients of the front-end that the networks have; the mean over time stays, for it is the
feature."""

WINDOW_FRAMES: Final = 300
VERSION: Final = "1"
CREATED: Final = "2026-11-21"

Progress = Callable[[int, int], None]


def build(speech: Path, out: Path, progress: Progress | None = None) -> None:
    """Make the bundle from the ``train`` split of the corpus in ``speech``, and open it once to be sure.

    Raises ``UsageError`` where the corpus cannot be read or has no labelled training speakers.
    """
    speakers = choose(read_manifest(speech))
    if len(speakers) < 2:
        raise UsageError(f"{speech} has fewer than two labelled training speakers", "Point --speech at another corpus")
    front_end = FrontEnd(SPEC)
    pooled = []
    for done, clips in enumerate(speakers, 1):
        pooled.append(np.concatenate([_pooled(front_end, read_speech(speech / clip.path)) for clip in clips]))
        if progress:
            progress(done, len(speakers))
    head = standardise(pooled)
    cohort = np.stack([unit(np.stack([head.embed(row) for row in rows]).mean(axis=0)) for rows in pooled])
    files = {
        "head.npz": npz({"kernel": head.kernel, "bias": head.bias}),
        "cohort.npy": npy(cohort.astype(np.float32)),
    }
    write_bundle(out, _card(speakers, dim=len(head.bias)), files)
    open_bundle(out)


def standardise(pooled: Sequence[Float32]) -> Head:
    """The dense layer that subtracts the mean and divides by the deviation of each pooled value over the speakers.

    ``pooled``: per speaker float32 (windows, 2 * coefficients). Every speaker counts the same, however much there is of
    him or her. The mean of c0 is left out: it is the loudness.
    """
    means = np.stack([rows.mean(axis=0, dtype=np.float64) for rows in pooled])
    squares = np.stack([np.square(rows, dtype=np.float64).mean(axis=0) for rows in pooled])
    centre = means.mean(axis=0)
    deviation = np.sqrt(np.maximum(squares.mean(axis=0) - centre**2, 1e-6))
    kernel = np.diag(1.0 / deviation)[:, 1:]
    bias = (-centre / deviation)[1:]
    return Head(kernel.astype(np.float32), bias.astype(np.float32), None, 0.0)


def _pooled(front_end: FrontEnd, samples: Float32) -> Float32:
    """Mean and deviation of the coefficients in each of the edge's windows, float32 (windows, 2 * coefficients)."""
    seen: list[Float32] = []

    def keep(window: Float32) -> tuple[Float32, ...]:
        seen.append(np.concatenate([window.mean(axis=0), window.std(axis=0, ddof=1)]))
        return (window,)

    width = 2 * front_end.spec.coefficients
    nothing = Head(np.eye(width, dtype=np.float32), np.zeros(width, np.float32), None, 0.0)
    stream = EmbeddingStream(
        Machinery("unnamed", front_end, keep, fixed=False, window_frames=WINDOW_FRAMES, head=nothing, labels={})
    )
    stream.push(np.resize(samples, max(len(samples), round(MIN_SECONDS * SAMPLE_RATE))))
    stream.finish()
    return np.stack(seen)


def _card(speakers: Sequence[Sequence[Recording]], dim: int) -> dict[str, Any]:
    clips = [clip for mine in speakers for clip in mine]
    sets = sorted({clip.set for clip in clips})
    return {
        "schema": 1,
        "name": "baseline",
        "version": VERSION,
        "summary": "Mean and deviation of 20 MFCCs, without a network: what the other bundles are compared with.",
        "kind": "statistics",
        "created": CREATED,
        "licence": "CC-BY-4.0",
        "attribution": [_attribution(name, clips) for name in sets],
        "training_data": [
            {
                "set": name,
                "speakers": sum(mine[0].set == name for mine in speakers),
                "clips": sum(clip.set == name for clip in clips),
            }
            for name in sets
        ],
        "intended_use": "Comparison, and trying Earmark out where no network can run.",
        "must_not_be_used_for": "Anything that depends on the answer: it confuses voices, rooms and microphones.",
        "limits": "It hears the channel as much as the voice; noise and other languages mislead it.",
        "features": SPEC.to_json(),
        "encoder": {"window_frames": WINDOW_FRAMES, "head": "head.npz", "embedding_dim": dim},
        "cohort": {"file": "cohort.npy", "speakers": len(speakers)},
        "calibration": None,
        "figures": {},
    }


def _attribution(name: str, clips: Sequence[Recording]) -> dict[str, str]:
    mine = [clip for clip in clips if clip.set == name]
    return {
        "what": f"{name}: statistics of {len(mine)} recordings",
        "licence": "; ".join(sorted({clip.licence for clip in mine})),
        "source": "; ".join(sorted({clip.source for clip in mine})),
    }
