"""Bundles for tests: a tiny int8 network with a seeded head, or feature statistics without a network."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from edge.bundle import seal
from edge.records import FeatureSpec

GOLDEN = Path(__file__).parents[1] / "golden"
DIM = 24
CHANNELS = 12
"""Of tiny_encoder.int8.tflite."""


def card(kind: str = "network", spec: FeatureSpec | None = None, **changes) -> dict:
    """A complete card without ``files``; ``changes`` replace its keys."""
    network = kind == "network"
    return {
        "schema": 1,
        "name": "small",
        "version": "1",
        "summary": "A bundle for tests.",
        "kind": kind,
        "created": "2026-11-21",
        "licence": "Apache-2.0",
        "attribution": [{"what": "random numbers", "licence": "CC0-1.0", "source": "numpy"}],
        "training_data": [],
        "intended_use": "Tests.",
        "must_not_be_used_for": "Anything else.",
        "limits": "It knows nothing.",
        "features": (spec or _spec(network)).to_json(),
        "encoder": {"window_frames": 300, "head": "head.npz", "embedding_dim": DIM}
        | ({"file": "encoder.int8.tflite"} if network else {}),
        "cohort": {"file": "cohort.npy", "speakers": 5},
        "calibration": {"made": "up"},
        "figures": {},
    } | changes


def _spec(network: bool) -> FeatureSpec:
    if network:
        return FeatureSpec(n_ceps=0, scale=(2.0,) * 80)
    return FeatureSpec(n_mels=26, n_ceps=13, n_fft=512, f_min=0.0, lifter=22, normalise="none")


def arrays(kind: str = "network", *, speech: bool = True) -> dict[str, np.ndarray]:
    """Seeded arrays of head.npz."""
    rng = np.random.default_rng(5)
    width = 2 * (CHANNELS if kind == "network" else 13)
    found = {
        "kernel": rng.normal(0, 0.3, (width, DIM)).astype(np.float32),
        "bias": rng.normal(0, 0.1, DIM).astype(np.float32),
    }
    if speech:
        found |= {
            "speech_kernel": rng.normal(0, 0.1, width).astype(np.float32),
            "speech_bias": np.array(0.5, np.float32),
        }
    return found


def make(
    folder: Path, kind: str = "network", *, spec: FeatureSpec | None = None, speech: bool = True, **changes
) -> Path:
    """Write a sealed bundle into ``folder`` (made if need be) and return it; ``changes`` replace keys of the card."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "network":
        shutil.copy(GOLDEN / "tiny_encoder.int8.tflite", folder / "encoder.int8.tflite")
    np.savez(folder / "head.npz", **arrays(kind, speech=speech))
    cohort = np.random.default_rng(6).normal(size=(5, DIM)).astype(np.float32)
    np.save(folder / "cohort.npy", cohort / np.linalg.norm(cohort, axis=1, keepdims=True))
    seal(folder, card(kind, spec, **changes))
    return folder


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    """A buzz that glides, with hiss: float32, full scale 1.0."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * 16000)) / 16000
    phase = np.cumsum(120 + 30 * seed + 40 * np.sin(2 * np.pi * 1.3 * time + seed)) / 16000
    return (0.3 * (2 * (phase % 1) - 1) * (0.6 + 0.4 * np.sin(9 * time)) + rng.normal(0, 0.01, len(time))).astype(
        np.float32
    )
