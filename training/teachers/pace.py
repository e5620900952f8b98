"""How many frames the parts of a CAM++ see.

Takes the tensors of a network. Gives its ``Pace``, or the tensors at another pace. Must hold: tensors without a mark
are the original's; the dense blocks behind a first transition that skips every second frame compute on what is left
exactly what they computed there before, but for the means over time.

Why that is so: the local convolutions of blocks 2 and 3 look at every second frame (dilation 2), so even and odd frames
never meet there except in the context and in the pooled statistics. One of the two streams does, at half the cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from edge.errors import UsageError
from training.teachers.checkpoint import Weights

SEGMENT_FRAMES: Final = 100
"""Length of a context segment in trunk frames (20 ms each)."""

_DILATIONS: Final = (1, 2, 2)
"""Of the local convolutions in each of the three dense blocks."""
_STRIDE: Final = 2
"""Of the original's first 1-D convolution: from here on frames are 20 ms apart at least."""
_TDNN: Final = "xvector.tdnn.linear.weight"
_MARK: Final = "pace"


@dataclass(frozen=True, slots=True)
class Pace:
    """``front``: frames (10 ms) per step of the residual layers, 1 or 2. ``tail``: trunk frames (20 ms) per step of the
    dense blocks behind the first transition, 1 or 2.
    """

    front: int = 1
    tail: int = 1

    def __post_init__(self) -> None:
        """Raises ``UsageError``."""
        if self.front not in (1, 2) or self.tail not in (1, 2):
            raise UsageError(
                f"A network can't take {self.front} frames at a time in front and {self.tail} behind", "Give 1 or 2."
            )

    @property
    def frames(self) -> int:
        """A window's length must be a multiple of it."""
        return _STRIDE * self.tail

    @property
    def tdnn_stride(self) -> int:
        """In steps of the front."""
        return _STRIDE // self.front

    def transit_stride(self, block: int) -> int:
        """Of the transition behind ``block``."""
        return self.tail if block == 1 else 1

    def per_step(self, block: int) -> int:
        """How many trunk frames a step of ``block`` is."""
        return 1 if block == 1 else self.tail

    def dilation(self, block: int) -> int:
        """Of the block's local convolutions, in steps."""
        return _DILATIONS[block - 1] // self.per_step(block)

    def segment(self, block: int) -> int:
        """Length of a context segment in steps of the block."""
        return SEGMENT_FRAMES // self.per_step(block)


def pace_of(weights: Weights) -> Pace:
    """The pace that the tensors are marked with. Raises ``UsageError`` for one that does not exist."""
    return Pace(*(int(np.asarray(weights.get(f"{_MARK}.{part}", 1)).item()) for part in ("front", "tail")))


def is_mark(name: str) -> bool:
    """Whether a tensor says how fast the network goes, and is no layer's."""
    return name.startswith(f"{_MARK}.")


def marks(weights: Weights) -> Weights:
    """The marks among the tensors."""
    return {name: value for name, value in weights.items() if is_mark(name)}


def paced(weights: Weights, pace: Pace) -> Weights:
    """The tensors for a network at ``pace``, which is not slower than theirs: where the front takes two frames at a
    time, the first 1-D convolution keeps every second of its taps.
    """
    before = pace_of(weights)
    if pace.front < before.front or pace.tail < before.tail:
        raise UsageError(f"A network at {before} can't go back to {pace}", "Begin with the teacher itself.")
    found = dict(weights) | {f"{_MARK}.front": np.array([pace.front]), f"{_MARK}.tail": np.array([pace.tail])}
    if pace.front > before.front:
        found[_TDNN] = np.ascontiguousarray(np.asarray(weights[_TDNN])[:, :, :: pace.front])
    return found
