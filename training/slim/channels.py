"""Which channels of CAM++ stand and fall together.

Takes the tensors of a checkpoint (``training.teachers``). Gives one ``Group`` for every set of channels that can be
removed without touching the rest: where it is observed, and how many channels it has. Must hold: every channel that
costs anything belongs to exactly one group, and the layers are those that ``training.teachers.campp`` builds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from training.teachers.checkpoint import Weights

BLOCKS: Final = (1, 2, 3)
STAGES: Final = (1, 2)


@dataclass(frozen=True, slots=True)
class Group:
    """``taps``: Keras layers whose outputs are these channels. ``width``: how many there are now."""

    name: str
    taps: tuple[str, ...]
    width: int


def depth(weights: Weights, block: int) -> int:
    """How many layers a dense block has."""
    count = 0
    while f"xvector.block{block}.tdnnd{count + 1}.linear1.weight" in weights:
        count += 1
    return count


def groups(weights: Weights) -> tuple[Group, ...]:
    """All groups, in the order of evaluation."""

    def group(name: str, tensor: str, *taps: str) -> Group:
        return Group(name, taps, int(weights[f"{tensor}.weight"].shape[0]))

    found = [group("front.in", "head.conv1", "head_bn1_relu")]
    for stage in STAGES:
        stream = tuple(f"head_layer{stage}_{block}_relu" for block in (0, 1))
        found.append(group(f"front.{stage}", f"head.layer{stage}.0.conv2", *stream))
        for block in (0, 1):
            inner = f"head.layer{stage}.{block}"
            found.append(group(f"front.{stage}.{block}", f"{inner}.conv1", f"{inner.replace('.', '_')}_bn1_relu"))
    found.append(group("front.out", "head.conv2", "head_bn2_relu"))
    found.append(group("tdnn", "xvector.tdnn.linear", "xvector_tdnn_nonlinear_batchnorm_relu"))
    for block in BLOCKS:
        for layer in range(1, depth(weights, block) + 1):
            name, key = f"xvector.block{block}.tdnnd{layer}", f"block{block}.{layer}"
            flat = name.replace(".", "_")
            found.append(group(f"{key}.bottleneck", f"{name}.linear1", f"{flat}_nonlinear2_batchnorm_relu"))
            found.append(group(f"{key}.gate", f"{name}.cam_layer.linear1", f"{flat}_gate_relu"))
            found.append(group(f"{key}.growth", f"{name}.cam_layer.linear_local", f"{flat}_gated"))
        transit = f"xvector.transit{block}.linear"
        found.append(group(f"transit{block}", transit, transit.replace(".", "_")))
    return tuple(found)
