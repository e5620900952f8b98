"""What a distillation is made of: every choice, as it is written beside the weights.

Takes JSON, gives a frozen ``DistilRecipe``. Must hold: unknown keys and values that make no sense are refused with one
sentence; ``to_json`` of a recipe is a recipe again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from edge.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """Weights of the parts of the loss; 0 leaves a part out.

    ``embedding``: 1 - cosine to the teacher's embedding. ``relational``: squared difference between the student's and
    the teacher's cosines among the batch (W. Park et al., "Relational Knowledge Distillation", CVPR 2019, with cosine
    as the relation). ``posterior``: divergence of the student's distribution over a bank of teacher embeddings from
    the teacher's own (Kullback-Leibler, at ``temperature``). ``frames``: squared difference between the teacher's frame
    features of the clean window and a projection of the student's, divided by the teacher's variance (A. Romero et al.,
    "FitNets", ICLR 2015); the teacher then runs along. ``margin``: additive angular
    margin softmax over labelled speakers (J. Deng et al., "ArcFace", CVPR 2019).
    """

    embedding: float = 1.0
    relational: float = 0.0
    posterior: float = 0.0
    frames: float = 0.0
    margin: float = 0.0
    temperature: float = 0.07


@dataclass(frozen=True, slots=True, kw_only=True)
class DistilRecipe:
    """One distillation.

    ``start``: tensors of the student (``.npz``). ``window_frames``: length of the windows it trains on. ``shortest``,
    ``longest``: seconds of the crops, repeated to fill a window as the device does. ``views``: how many degraded views
    of a clip are used. ``spec_augment``: share of the batches' windows that get masks. ``steps``: in all.
    ``average``: decay of the weights' moving average, which is what is kept; 0 keeps the last weights.
    """

    name: str
    seed: int = 1
    window_frames: int = 200
    shortest: float = 1.0
    longest: float = 2.0
    batch: int = 32
    steps: int = 3000
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    weight_decay: float = 1e-5
    clip_norm: float = 1.0
    average: float = 0.998
    spec_augment: float = 0.3
    losses: Losses = Losses()
    checkpoint_steps: int = 250

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> DistilRecipe:
        """Raises ``UsageError`` for a key that is unknown, or a number that makes no sense."""
        known = {field.name for field in fields(cls)}
        unknown = set(values) - known
        losses = values.get("losses", {})
        unknown |= set(losses) - {field.name for field in fields(Losses)}
        if unknown:
            raise UsageError(f"A distillation has no {sorted(unknown)[0]!r}", f"It knows {', '.join(sorted(known))}.")
        try:
            recipe = cls(**(values | {"losses": Losses(**losses)}))
        except TypeError as error:
            raise UsageError(f"The recipe lacks a value ({error})", "Give at least a name.") from error
        recipe.check()
        return recipe

    def check(self) -> None:
        """Raise ``UsageError`` for nonsense."""
        weights = (getattr(self.losses, field.name) for field in fields(Losses))
        if self.steps < 1 or self.batch < 2 or self.window_frames < 50 or self.window_frames % 2:
            raise UsageError(
                "A distillation needs a step, two examples per batch, and windows of 50 frames or more, an even number",
                "Correct steps, batch or window_frames.",
            )
        if not 0 < self.shortest <= self.longest or not 0 <= self.average < 1 or any(weight < 0 for weight in weights):
            raise UsageError(
                "Crops must be longer than nothing, the average's decay below 1, and losses not negative",
                "Correct shortest, longest, average or losses.",
            )


def read_recipe(path: Path) -> DistilRecipe:
    """Read a recipe. Raises ``UsageError`` naming the file."""
    try:
        return DistilRecipe.from_json(json.loads(path.read_text()))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UsageError(f"The recipe {path} cannot be read ({error})", "Give a JSON file.") from error
