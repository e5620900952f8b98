"""What a slimming is made of: budgets, and a distillation after each.

Takes JSON, gives a frozen ``SlimRecipe``. Must hold: unknown keys are refused by name; ``to_json`` of a recipe is a
recipe again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from edge.errors import UsageError
from training.distil.recipe import DistilRecipe
from training.slim.choose import Budget
from training.slim.cost import AS_THE_ORIGINAL
from training.teachers.pace import Pace

_MEND_WINDOWS: Final = 600
"""Enough for the widest layer: with 96 windows it is fitted to these windows rather than to speech."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Cut to ``budget``, go at ``pace`` (from here on), mend on ``mend_windows`` windows (0: not at all), then teach by
    ``distil`` (None: not).
    """

    budget: Budget
    pace: Pace = AS_THE_ORIGINAL
    mend_windows: int = _MEND_WINDOWS
    distil: DistilRecipe | None = None

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Stage:
        """Raises ``UsageError``."""
        _known("stage of a slimming", values, {field.name for field in fields(cls)})
        _known("pace", values.get("pace", {}), {field.name for field in fields(Pace)})
        _known("budget", values.get("budget", {}), {field.name for field in fields(Budget)})
        try:
            budget, pace, lesson = Budget(**values["budget"]), Pace(**values.get("pace", {})), values.get("distil")
        except (KeyError, TypeError) as error:
            raise UsageError(f"A stage lacks a value ({error})", "Give a budget with macs.") from error
        distil = None if lesson is None else DistilRecipe.from_json(lesson)
        windows = values.get("mend_windows", _MEND_WINDOWS)
        if not isinstance(windows, int) or windows < 0:
            raise UsageError(f"A stage can't mend on {windows!r} windows", "Give a number, 0 for no mending.")
        return cls(budget=budget, pace=pace, mend_windows=windows, distil=distil)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlimRecipe:
    """A teacher made smaller in stages.

    ``features``: bundle whose front-end the network has. ``seed``: of the choice of windows. ``windows``: how many show
    which channels matter, half of them degraded. ``teacher_windows``: how many of a clip the teacher hears at most.
    ``held_out``: one speaker in so many is kept away from training, and judged on.
    """

    name: str
    features: str = "accurate"
    seed: int = 1
    windows: int = 384
    teacher_windows: int = 2
    held_out: int = 20
    stages: tuple[Stage, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the key that says what kind of recipe it is."""
        return {"kind": "slim"} | asdict(self) | {"stages": [asdict(stage) for stage in self.stages]}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> SlimRecipe:
        """Raises ``UsageError``."""
        values = {name: value for name, value in values.items() if name != "kind"}
        _known("slimming", values, {field.name for field in fields(cls)})
        stages = tuple(Stage.from_json(stage) for stage in values.get("stages", ()))
        if not stages or not values.get("name"):
            raise UsageError("A slimming needs a name and a stage", "Give both.")
        recipe = cls(**(values | {"stages": stages}))
        if recipe.windows < 2 or recipe.held_out < 2 or recipe.teacher_windows < 1:
            raise UsageError(
                "A slimming looks at two windows, asks the teacher about one, and keeps away half the speakers at most",
                "Correct windows, teacher_windows or held_out.",
            )
        return recipe


def _known(what: str, values: dict[str, Any], known: set[str]) -> None:
    unknown = sorted(set(values) - known)
    if unknown:
        raise UsageError(f"A {what} has no {unknown[0]!r}", f"It knows {', '.join(sorted(known))}.")
