"""What a quantisation-aware fine-tuning is made of: a conversion, and a distillation of what it gives.

Takes JSON, gives a frozen ``QuantiseRecipe``. Must hold: unknown keys are refused by name; ``to_json`` of a recipe is a
recipe again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from edge.errors import UsageError
from training.distil.recipe import DistilRecipe
from training.recipe_keys import checked
from training.windows import WINDOW_FRAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantiseRecipe:
    """``windows``: how many show the channels and the ranges, half of them each. ``equalise_share``, ``ranges``: as in
    ``convert.recipe.Recipe``. ``range_rate``: how much faster than weights the logarithms of the ranges learn; 0 keeps
    the ranges. ``clips``: how many are learnt from, which the teacher hears first; null: all of the cache.
    ``compared``: windows of held-out speakers on which int8 is compared with float. The rest as in
    ``training.slim.recipe.SlimRecipe``.
    """

    name: str
    distil: DistilRecipe
    features: str = "accurate"
    seed: int = 1
    windows: int = 192
    equalise_share: float | None = 0.5
    ranges: Literal["least_squares", "extremes"] = "least_squares"
    range_rate: float = 0.0
    clips: int | None = None
    compared: int = 128
    teacher_windows: int = 2
    held_out: int = 20

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the key that says what kind of recipe it is."""
        return {"kind": "quantise"} | asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> QuantiseRecipe:
        """Raises ``UsageError``."""
        values = checked("A fine-tuning for int8", values, cls, frozenset({"name", "distil"}))
        distil = DistilRecipe.from_json({"window_frames": WINDOW_FRAMES} | values["distil"])
        recipe = cls(**(values | {"distil": distil}))
        recipe.check()
        return recipe

    def check(self) -> None:
        """Raise ``UsageError`` for nonsense."""
        if self.distil.window_frames != WINDOW_FRAMES:
            raise UsageError(
                f"What is quantised takes windows of {WINDOW_FRAMES} frames, not {self.distil.window_frames}",
                "Leave window_frames out.",
            )
        if self.ranges not in ("least_squares", "extremes") or self.range_rate < 0:
            raise UsageError(
                f"The ranges {self.ranges!r} at the rate {self.range_rate} make no sense",
                "Choose least_squares or extremes, and a rate of 0 or more.",
            )
        few = self.clips is not None and self.clips < max(self.windows, self.distil.batch)
        if few or self.windows < 2 or self.compared < 1 or self.held_out < 2 or self.teacher_windows < 1:
            raise UsageError(
                "A fine-tuning for int8 calibrates on two windows, learns from as many clips or more, a batch or more, "
                "compares one, asks the teacher about one, and keeps away half the speakers at most",
                "Correct windows, clips, compared, teacher_windows or held_out.",
            )
