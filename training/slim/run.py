"""Runs a slimming: look at the channels, cut, mend, teach, again.

Takes a ``SlimRecipe``, the teacher's tensors and a store. Gives the small network's tensors in ``out``, with what was
done and how near it is to the teacher. Must hold: every stage can be interrupted and goes on; a stage that is done is
not done again; what is left is mended after the teacher itself, however many cuts lie between.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edge.records import FeatureSpec, Float32
from training.data.store import Store
from training.distil.classroom import Choices, Classroom, windows_of
from training.distil.run import Distillation
from training.models.architecture import Campp
from training.models.campp import embedder
from training.slim.channels import groups
from training.slim.choose import Kept, choose
from training.slim.compose import compose, everything
from training.slim.cost import cost
from training.slim.cut import cut
from training.slim.importance import channel_means, importances
from training.slim.mend import mend
from training.slim.recipe import SlimRecipe, Stage
from training.teachers.checkpoint import Weights, read_checkpoint, save_tensors
from training.teachers.pace import pace_of, paced
from training.windows import WINDOW_FRAMES

Say = Callable[[str], None]


class Slimming:
    """One run in the folder ``out``."""

    def __init__(self, recipe: SlimRecipe, teacher: Weights, store: Store, spec: FeatureSpec, out: Path) -> None:
        self._recipe, self._teacher, self._store, self._spec, self._out = recipe, teacher, store, spec, out

    def run(self, say: Say) -> dict[str, Any]:
        """All stages. Returns what there is to report."""
        recipe = self._recipe
        choices = Choices(seed=recipe.seed, held_out=recipe.held_out, teacher_windows=recipe.teacher_windows)
        room = Classroom(self._teacher, self._store, self._spec, choices, folder=self._out / "teacher", say=say)
        weights, stages = dict(self._teacher), []
        kept = everything(groups(weights))
        for number, stage in enumerate(recipe.stages, 1):
            say(f"stage {number} of {len(recipe.stages)}")
            weights, kept = self._stage(stage, (weights, kept), room, self._out / f"stage-{number}", say)
            stages.append(self._describe(weights, room))
            say(f"  {stages[-1]}")
        save_tensors(self._out / "weights.npz", weights)
        return {"recipe": recipe.to_json(), **room.describe(), "stages": stages}

    def _stage(
        self, stage: Stage, present: tuple[Weights, Kept], room: Classroom, out: Path, say: Say
    ) -> tuple[dict[str, Float32], Kept]:
        """``present``: the network before, and which of the teacher's channels it has. Gives the same after."""
        finished, start, kept = out / "weights.npz", out / "start.npz", out / "kept.npz"
        if finished.exists():
            return _tensors(finished), _kept(kept)
        out.mkdir(parents=True, exist_ok=True)
        if not start.exists():
            small, chosen = self._cut(stage, present, room, say)
            save_tensors(kept, chosen)
            save_tensors(start, small)
        small = _tensors(start)
        say(f"  before teaching: {room.judge(embedder(small, WINDOW_FRAMES))}")
        if stage.distil is None:
            save_tensors(finished, small)
            return small, _kept(kept)
        taught = Distillation(stage.distil, Campp(small), room.lessons, out).run(say, room.judge)
        return taught, _kept(kept)

    def _cut(
        self, stage: Stage, present: tuple[Weights, Kept], room: Classroom, say: Say
    ) -> tuple[dict[str, Float32], Kept]:
        say("  looking at the channels")
        weights, before = present
        shown = windows_of(self._store, self._spec, room.lessons.rows[: self._recipe.windows])
        model, found = embedder(weights, WINDOW_FRAMES), groups(weights)
        means = channel_means(model, found, shown)
        matter = importances(model, found, means, shown, seed=self._recipe.seed)
        chosen = choose(matter, stage.budget, WINDOW_FRAMES, shown.shape[2], stage.pace)
        small, kept = paced(cut(weights, chosen, means), stage.pace), compose(before, chosen)
        if not stage.mend_windows:
            return small, kept
        shown = windows_of(self._store, self._spec, room.lessons.rows[: stage.mend_windows])
        return mend(self._teacher, small, kept, shown, seed=self._recipe.seed, say=say), kept

    def _describe(self, weights: Weights, room: Classroom) -> dict[str, Any]:
        widths = {group.name: group.width for group in groups(weights)}
        found = cost(widths, WINDOW_FRAMES, self._spec.coefficients, pace_of(weights))
        judged = room.judgement(embedder(weights, WINDOW_FRAMES))
        return {"macs_per_window": found.macs, "weights": found.weights, **judged}


def _tensors(path: Path) -> dict[str, Float32]:
    return {name: np.asarray(value) for name, value in read_checkpoint(path).items()}


def _kept(path: Path) -> Kept:
    with np.load(path) as found:
        return {name: found[name] for name in found.files}
