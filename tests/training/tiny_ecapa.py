"""An ECAPA-TDNN of a few thousand weights."""

from __future__ import annotations

import numpy as np

BANDS, WIDTH, POOLED, DIM = 12, 6, 10, 6


def tiny_ecapa(seed: int = 0, bands: int = BANDS, groups: int = 3) -> dict[str, np.ndarray]:
    """Tensors named and shaped as in the real checkpoint, only narrow, and with fewer groups than its eight."""
    rng = np.random.default_rng(seed)
    weights: dict[str, np.ndarray] = {}

    def conv(name: str, outputs: int, inputs: int, taps: int = 1) -> None:
        scale = (2 / (inputs * taps)) ** 0.5
        weights[f"{name}.conv.weight"] = rng.normal(0, scale, (outputs, inputs, taps)).astype(np.float32)
        weights[f"{name}.conv.bias"] = rng.normal(0, 0.1, outputs).astype(np.float32)

    def norm(name: str, width: int) -> None:
        weights[f"{name}.norm.weight"] = rng.uniform(0.5, 1.5, width).astype(np.float32)
        weights[f"{name}.norm.bias"] = rng.normal(0, 0.3, width).astype(np.float32)
        weights[f"{name}.norm.running_mean"] = rng.normal(0, 0.3, width).astype(np.float32)
        weights[f"{name}.norm.running_var"] = rng.uniform(0.3, 2.0, width).astype(np.float32)
        weights[f"{name}.norm.num_batches_tracked"] = np.ones(1, np.int64)

    def tdnn(name: str, outputs: int, inputs: int, taps: int = 1) -> None:
        conv(f"{name}.conv", outputs, inputs, taps)
        norm(f"{name}.norm", outputs)

    tdnn("blocks.0", WIDTH, bands, 5)
    for block in (1, 2, 3):
        tdnn(f"blocks.{block}.tdnn1", WIDTH, WIDTH)
        for group in range(groups - 1):
            tdnn(f"blocks.{block}.res2net_block.blocks.{group}", WIDTH // groups, WIDTH // groups, 3)
        tdnn(f"blocks.{block}.tdnn2", WIDTH, WIDTH)
        conv(f"blocks.{block}.se_block.conv1", 3, WIDTH)
        conv(f"blocks.{block}.se_block.conv2", WIDTH, 3)
    tdnn("mfa", POOLED, 3 * WIDTH)
    tdnn("asp.tdnn", 4, 3 * POOLED)
    conv("asp.conv", POOLED, 4)
    norm("asp_bn", 2 * POOLED)
    conv("fc", DIM, 2 * POOLED)
    return weights
