"""Label heads and packs for tests: seeded random weights, which know nothing and always say the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edge.bundle import read_card, seal

EIGHT = ["neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"]
FOUR = {
    "neutral": ["neutral", "calm"],
    "happy": ["happy"],
    "sad": ["sad"],
    "angry": ["angry"],
    "unsure": ["fearful", "disgust", "surprised"],
}
GENDER: dict[str, Any] = {"file": "gender.npz", "labels": ["female", "male"]}
EMOTION: dict[str, Any] = {"file": "emotion.npz", "labels": EIGHT, "publish": FOUR}


def arrays(width: int, classes: int, seed: int = 1, *, hidden: int = 0, strength: float = 1.0) -> dict[str, np.ndarray]:
    """Seeded arrays of a head on pooled vectors ``(width,)``; ``hidden``: units of its hidden layer, 0 for none."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(0, 1, shape).astype(np.float32)

    below = hidden or width
    found = {
        "kernel": strength * normal(below, classes) / np.float32(np.sqrt(below)),
        "bias": 0.1 * normal(classes),
        "centre": normal(width),
        "scale": (1 + np.abs(normal(width))).astype(np.float32),
        "temperature": np.array(1.5, np.float32),
    }
    if hidden:
        found |= {"hidden_kernel": normal(width, hidden) / np.float32(np.sqrt(width)), "hidden_bias": normal(hidden)}
    return {name: value.astype(np.float32) for name, value in found.items()}


def card(heads: dict[str, Any], trunk: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A complete card of a pack without ``files``; ``changes`` replace its keys."""
    return {
        "schema": 1,
        "kind": "labels",
        "name": "made-up",
        "version": "1.2",
        "summary": "A pack for tests.",
        "licence": "CC-BY-NC-SA-4.0",
        "attribution": [{"what": "random numbers", "licence": "CC0-1.0", "source": "numpy"}],
        "training_data": "None.",
        "intended_use": "Tests.",
        "must_not_be_used_for": ["anything else"],
        "limits": ["It knows nothing."],
        "figures": {},
        "trunks": [trunk | {"heads": heads}],
    } | changes


def make_pack(
    folder: Path,
    bundle: Path,
    width: int,
    heads: dict[str, Any] | None = None,
    *,
    loudness: float = 1.0,
    **changes: Any,
) -> Path:
    """Write a sealed pack for the encoder of ``bundle``, whose pooled vectors are ``(width,)`` and of the size of
    ``loudness``, and return it; ``changes`` replace keys of its card.
    """
    heads = {"gender": GENDER, "emotion": EMOTION} if heads is None else heads
    folder.mkdir(parents=True)
    for seed, head in enumerate(heads.values()):
        hidden = 5 if head["file"] == "emotion.npz" else 0
        stored = arrays(width, len(head["labels"]), seed + 1, hidden=hidden, strength=4.0)
        np.savez(folder / head["file"], **(stored | {"scale": np.float32(loudness) * stored["scale"]}))
    seal(folder, card(heads, read_card(bundle).trunk.to_json(), **changes))
    return folder
