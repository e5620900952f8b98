"""Teaches a network that begins at random.

Takes a ``FreshRecipe``, the teacher's tensors and a store. Gives the student's tensors in ``out`` and what there is to
report. Must hold: the same command goes on where it was interrupted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import UsageError
from edge.records import FeatureSpec
from training.data.store import Store
from training.distil.classroom import Choices, Classroom
from training.distil.recipe import DistilRecipe
from training.distil.run import Distillation
from training.models.architecture import Fresh
from training.models.count import count
from training.models.families import Family, family
from training.recipe_keys import checked
from training.teachers.checkpoint import Weights, read_checkpoint
from training.windows import WINDOW_FRAMES

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshRecipe:
    """``architecture``: the student. ``clips``: how many are learnt from; None: all of the cache. The rest as in
    ``training.slim.recipe.SlimRecipe``.
    """

    name: str
    architecture: Family
    distil: DistilRecipe
    features: str = "accurate"
    seed: int = 1
    teacher_windows: int = 2
    held_out: int = 20
    clips: int | None = None

    @property
    def choices(self) -> Choices:
        """Who learns and who judges."""
        return Choices(seed=self.seed, held_out=self.held_out, teacher_windows=self.teacher_windows, clips=self.clips)

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the key that says what kind of recipe it is."""
        names = ("name", "features", "seed", "teacher_windows", "held_out", "clips")
        plain = {name: getattr(self, name) for name in names}
        return {"kind": "distil", **plain, "architecture": self.architecture.to_json(), "distil": self.distil.to_json()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> FreshRecipe:
        """Raises ``UsageError``."""
        values = checked("A distillation recipe", values, cls, frozenset({"name", "architecture", "distil"}))
        architecture, distil = family(values["architecture"]), DistilRecipe.from_json(values["distil"])
        clips = values.get("clips")
        if clips is not None and (not isinstance(clips, int) or clips < distil.batch):
            raise UsageError(
                f"Nothing can be learnt from {clips!r} clips", "Give as many as a batch has, or null for all."
            )
        return cls(**(values | {"architecture": architecture, "distil": distil}))


def teach(
    recipe: FreshRecipe, teacher: Weights, store: Store, spec: FeatureSpec, *, out: Path, say: Say
) -> dict[str, Any]:
    """Train the student to the end."""
    room = Classroom(teacher, store, spec, recipe.choices, folder=out / "teacher", say=say)
    stage = learn(recipe, room, out, say)
    return {"recipe": recipe.to_json(), **room.describe(), "stages": [stage]}


def learn(recipe: FreshRecipe, room: Classroom, out: Path, say: Say) -> dict[str, Any]:
    """Train the student of ``recipe`` in a room that is open, to the end; gives its cost and how it was judged."""
    bands = room.spec.coefficients
    dimensions = room.lessons.vectors.shape[1]
    student = Fresh(recipe.architecture, bands, dimensions, recipe.seed)
    found = out / "weights.npz"
    if not found.exists():
        Distillation(recipe.distil, student, room.lessons, out).run(say, room.judge)
    network = student.with_tensors(read_checkpoint(found)).build(WINDOW_FRAMES)
    costs = count(network)
    return {"macs_per_window": costs.macs, "weights": costs.weights, **room.judgement(network)}
