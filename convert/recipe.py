"""A recipe: every choice behind a converted bundle, in one JSON file.

Takes a path. Gives a frozen ``Recipe``. Must hold: what a bundle was made with can be read from the recipe saved
beside its report; an unknown or missing key is an error that names it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal

from edge.errors import UsageError
from edge.records import FeatureSpec

RECIPES: Final = Path(__file__).resolve().parent.parent / "training" / "recipes"
"""The recipes that come with the project."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What ``earmark convert`` does.

    ``checkpoint_sha256``: of the teacher's file; "" accepts any. ``features``: fields of ``FeatureSpec`` that differ
    from its defaults. ``calibration``: file of clips beside the recipe, pinned by ``calibration_sha256``.
    ``equalise_share``: see ``convert.passes.equalise``; null leaves the pass out. ``ranges``: ``least_squares``, or
    ``extremes``, which the converter would take by itself; see ``convert.ranges``. ``parity_utterances``: how many to
    compare. ``card``: file of texts beside the recipe.
    """

    name: str
    teacher: str
    checkpoint_sha256: str
    seed: int
    features: dict[str, Any]
    calibration: str
    calibration_sha256: str
    equalise_share: float | None
    ranges: Literal["least_squares", "extremes"]
    parity_utterances: int
    card: str

    @property
    def spec(self) -> FeatureSpec:
        """The front-end's definition."""
        return FeatureSpec(**self.features)

    def to_json(self) -> dict[str, Any]:
        """Plain values, with every field of the feature spec spelled out."""
        return asdict(self) | {"features": self.spec.to_json()}


def read_recipe(path: Path) -> Recipe:
    """Read a recipe. Raises ``UsageError`` naming the key that is missing, unknown or wrong."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"The recipe {path} cannot be read ({error})", "Give a recipe with --recipe") from None
    known = {field.name for field in fields(Recipe)}
    wrong = sorted(known.symmetric_difference(values)) if isinstance(values, dict) else ["{}"]
    if wrong:
        raise UsageError(f"The recipe {path} has missing or unknown keys: {', '.join(wrong)}", "Correct them")
    recipe = Recipe(**values)
    if recipe.ranges not in ("least_squares", "extremes"):
        raise UsageError(f"The recipe {path} has the ranges {recipe.ranges!r}", "Choose least_squares or extremes")
    try:
        _ = recipe.spec
    except TypeError as error:
        raise UsageError(f"The recipe {path} has wrong features ({error})", "Correct them") from None
    return recipe
