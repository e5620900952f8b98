"""Two cuts as one: which of the teacher's channels stay after the second.

Takes the channels that a first cut kept and those that a second cut kept of what it left. Gives the same in numbers of
the network before both. Must hold: cutting by the result leaves the network that both cuts leave, layer names included.
"""

from __future__ import annotations

import numpy as np

from training.slim.channels import BLOCKS, Group
from training.slim.choose import Kept

_PARTS = ("bottleneck", "gate", "growth")


def everything(found: tuple[Group, ...]) -> Kept:
    """Nothing is cut."""
    return {group.name: np.arange(group.width) for group in found}


def renamed(kept: Kept) -> dict[str, str]:
    """Group of the smaller network -> group of the larger one: a layer without growth is gone, later ones move up."""
    names = {name: name for name in kept if not name.startswith("block")}
    for block in BLOCKS:
        layer = left = 0
        while f"block{block}.{layer + 1}.growth" in kept:
            layer += 1
            if len(kept[f"block{block}.{layer}.growth"]):
                left += 1
                names |= {f"block{block}.{left}.{part}": f"block{block}.{layer}.{part}" for part in _PARTS}
    return names


def compose(first: Kept, second: Kept) -> Kept:
    """What stays of the network that ``first`` was cut from, after ``second`` was cut from the result."""
    found = {name: indices[:0] for name, indices in first.items()}
    for small, large in renamed(first).items():
        found[large] = first[large][second[small]]
    return found
