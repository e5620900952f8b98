"""Made-up voices: embeddings whose cosines are known, for tests of scoring, decision and enrolment."""

from __future__ import annotations

import numpy as np

from edge.records import SAMPLE_RATE, Embedding, Exemplar, Float32, Utterance, Voiceprint
from edge.scoring import Calibration, OperatingPoint, Scorer, mean_direction

DIM = 64
ENCODER = "0123456789abcdef"
CALIBRATION = Calibration(
    weights={"bias": -8.0, "cosine": 20.0, "log_test": 0.8},
    points=(
        OperatingPoint(0.03, 0.0),
        OperatingPoint(0.01, 1.0),
        OperatingPoint(0.003, 2.0),
        OperatingPoint(0.001, 3.0),
    ),
    trials=10_000,
    speakers=200,
)


def unit(vector: Float32) -> Float32:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


class Voice:
    """A direction; ``clip(noise)`` gives an embedding near it (noise 0 = exactly it)."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.centre = unit(self.rng.standard_normal(DIM).astype(np.float32))

    def vector(self, noise: float = 0.6) -> Float32:
        return unit(self.centre + noise * unit(self.rng.standard_normal(DIM).astype(np.float32)))

    def embedding(self, noise: float = 0.6, *, speech_probability: float | None = None) -> Embedding:
        vector = self.vector(noise)
        return Embedding(vector, vector[None, :], 3.0, ENCODER, speech_probability)

    def exemplar(self, noise: float = 0.6, seconds: float = 4.0) -> Exemplar:
        return Exemplar(
            self.vector(noise), ENCODER, seconds, 25.0, "mic:test", "2026-11-21T00:00:00Z", str(self.rng.random())
        )

    def voiceprint(self, name: str, clips: int = 4) -> Voiceprint:
        vectors = np.stack([self.vector() for _ in range(clips)])
        centre = mean_direction(vectors)
        return Voiceprint(f"p-{name}", name, centre, 4.0 * clips, clips, float(np.mean(vectors @ centre)), ENCODER)


def mixed(first: Voice, second: Voice) -> Embedding:
    """An utterance whose two windows are two people."""
    windows = np.stack([first.vector(0.2), second.vector(0.2)])
    return Embedding(mean_direction(windows), windows, 6.0, ENCODER)


def scorer(seed: int = 99, size: int = 100) -> Scorer:
    return Scorer(CALIBRATION, np.stack([Voice(seed + i).centre for i in range(size)]))


def utterance(
    *,
    start_seconds: float = 0.0,
    seconds: float = 3.0,
    speech_seconds: float | None = None,
    snr_db: float = 25.0,
    level_dbfs: float = -25.0,
    clipped_fraction: float = 0.0,
    seed: int = 0,
) -> Utterance:
    """Wide-band noise stands in for sound; only its circumstances matter to the rooms under test."""
    start = round(start_seconds * SAMPLE_RATE)
    samples = 0.05 * np.random.default_rng(seed).standard_normal(round(seconds * SAMPLE_RATE)).astype(np.float32)
    return Utterance(
        samples=samples,
        start=start,
        end=start + len(samples),
        speech_seconds=seconds if speech_seconds is None else speech_seconds,
        snr_db=snr_db,
        level_dbfs=level_dbfs,
        peak_dbfs=-12.0,
        clipped_fraction=clipped_fraction,
        ended_by="silence",
    )
