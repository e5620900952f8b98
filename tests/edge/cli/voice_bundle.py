"""A bundle that tells the voices of the demo apart, made from the demo's own clips in a second.

Feature statistics and a whitening head, no network: what is tested is what the commands do with a bundle that works,
and not how good a bundle is.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

from edge.audio import read_samples
from edge.bundle import seal
from edge.features import FrontEnd
from edge.records import FeatureSpec
from tests.edge import small_bundles

ASSETS = Path(__file__).parents[3] / "edge" / "demo" / "assets"
SPEC = FeatureSpec(n_mels=26, n_ceps=19, n_fft=512, f_min=0.0, normalise="none")
CALIBRATION = {
    "weights": {"bias": -9.0, "cosine": 20.0},
    "points": [
        {"far": 0.1, "llr": -2.0},
        {"far": 0.03, "llr": -0.5},
        {"far": 0.01, "llr": 0.5},
        {"far": 0.003, "llr": 1.5},
        {"far": 0.001, "llr": 2.5},
    ],
    "trials": 2000,
    "speakers": 20,
}
"""Made up; 2000 trials support the profiles relaxed and balanced, and not strict."""


def _speaker(path: Path) -> str:
    """The four strangers are four people; Ada and Ben are heard in several clips."""
    if "enrol" in path.name:
        return path.name.split("-")[0]
    return path.stem if "stranger" in path.name else path.stem.split("-")[-1]


def make(folder: Path, **changes: object) -> Path:
    """Write the bundle into ``folder`` and return it; ``changes`` replace keys of the card."""
    front_end = FrontEnd(SPEC)
    paths = [*sorted(ASSETS.glob("*-enrol-*.ogg")), *sorted(ASSETS.glob("clip-*.ogg"))]
    rows, speakers = [], []
    for path in paths:
        frames = front_end.features(read_samples(path)).astype(np.float64)
        for start in range(0, len(frames) - 150, 150):
            window = frames[start : start + 300]
            rows.append(np.r_[window.mean(0), window.std(0, ddof=1)])
            speakers.append(_speaker(path))
    x, who = np.array(rows), np.array(speakers)
    names = sorted(set(speakers))
    within = sum(np.cov(x[who == name].T) * np.sum(who == name) for name in names) / len(x) + 0.01 * np.eye(x.shape[1])
    kernel = np.linalg.cholesky(np.linalg.inv(within))
    bias = -np.mean([x[who == name].mean(0) for name in names], axis=0) @ kernel
    strangers = np.array([(x[who == name] @ kernel + bias).mean(0) for name in names if "stranger" in name])
    cohort = strangers / np.linalg.norm(strangers, axis=1, keepdims=True)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "head.npz", kernel=kernel.astype(np.float32), bias=bias.astype(np.float32))
    np.save(folder / "cohort.npy", cohort.astype(np.float32))
    card = small_bundles.card("statistics", SPEC, name="voices", calibration=CALIBRATION)
    card["encoder"]["embedding_dim"] = kernel.shape[1]
    seal(folder, card | changes)
    return folder


def relative(of: Path, folder: Path, seed: int, **changes: object) -> Path:
    """Write a copy of the bundle ``of`` that hears a little differently, as a student of its teacher does."""
    shutil.copytree(of, folder)
    head = dict(np.load(folder / "head.npz"))
    blur = np.random.default_rng(seed).normal(0, 0.02 * np.abs(head["kernel"]).mean(), head["kernel"].shape)
    np.savez(folder / "head.npz", **(head | {"kernel": (head["kernel"] + blur).astype(np.float32)}))
    seal(folder, json.loads((of / "card.json").read_text()) | changes)
    return folder
