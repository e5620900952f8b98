"""Runs a quantisation-aware fine-tuning: convert, teach the network with the rounding in the way, keep the graph.

Takes a ``QuantiseRecipe``, the teacher, the tensors to begin with and a store. Gives the fine-tuned network in ``out``,
and how far int8 is from float and from the teacher before and after. Must hold: the same command goes on where it was
interrupted, with the same scales.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from convert.campplus import quantised, rewrite, scaled_head
from convert.float_tflite import float_tflite
from convert.keras_graph import from_keras
from convert.qat.file import Tuned, read_tuned, tensors_digest, write_tuned
from convert.qat.network import Quantised
from convert.qat.plan import read_plan
from convert.qat.recipe import QuantiseRecipe
from edge.errors import UsageError
from edge.records import FeatureSpec, Float32
from training.data.store import Store
from training.distil.classroom import Choices, Classroom, windows_of
from training.distil.run import Distillation
from training.distil.split import learn_and_judge
from training.models.campp import embedder
from training.teachers.campp import Head, campp_head, campp_trunk
from training.teachers.checkpoint import Weights, read_checkpoint
from training.windows import WINDOW_FRAMES

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Networks:
    """``teacher``: says what is right. ``start``: what is fine-tuned; the teacher itself, or what was made of it."""

    teacher: Weights
    start: Weights


class _Float:
    """What the network says without rounding, on windows of speakers that nobody learns from."""

    def __init__(self, start: Weights, store: Store, spec: FeatureSpec, recipe: QuantiseRecipe) -> None:
        _, judging = learn_and_judge(store, recipe.held_out)
        rows = np.random.default_rng(recipe.seed).permutation(judging)[: recipe.compared]
        self._windows = windows_of(store, spec, rows)[..., None]
        self.network = embedder(start, WINDOW_FRAMES)
        self._expected = self._embed(self.network)

    def _embed(self, network: keras.Model) -> Float32:
        parts = np.array_split(self._windows, -(-len(self._windows) // 16))
        return np.concatenate([network.predict_on_batch(part) for part in parts])

    def distance(self, network: keras.Model) -> dict[str, float]:
        """Cosines of its embeddings to the float ones."""
        cosines = (self._embed(network) * self._expected).sum(axis=1)
        found = {"mean": cosines.mean(), "p5": np.quantile(cosines, 0.05), "min": cosines.min()}
        return {f"float_cosine_{name}": round(float(value), 4) for name, value in found.items()}


def _begin(recipe: QuantiseRecipe, start: Weights, windows: Float32, say: Say) -> Tuned:
    """The network as ``earmark convert`` would quantise it, with the scales it would get."""
    graph, factors = rewrite(from_keras(campp_trunk(start, WINDOW_FRAMES)), windows, recipe, say)
    plan = read_plan(quantised(float_tflite(graph), windows, recipe, say), graph)
    return Tuned(graph, plan, factors, tensors_digest(start))


def tune(
    recipe: QuantiseRecipe, networks: Networks, store: Store, spec: FeatureSpec, *, out: Path, say: Say
) -> dict[str, Any]:
    """Fine-tune to the end. Returns what there is to report; the network lies in ``out/weights.npz``.

    Raises ``UsageError`` where ``out`` holds the fine-tuning of another network.
    """
    choices = Choices(
        seed=recipe.seed, held_out=recipe.held_out, teacher_windows=recipe.teacher_windows, clips=recipe.clips
    )
    room = Classroom(networks.teacher, store, spec, choices, folder=out / "teacher", say=say)
    first, last = out / "start.npz", out / "weights.npz"
    if not first.exists():
        say("converting")
        shown = windows_of(store, spec, room.lessons.rows[: recipe.windows])
        write_tuned(first, _begin(recipe, networks.start, shown, say))
    begun = read_tuned(first)
    if begun.started_from != tensors_digest(networks.start):
        raise UsageError(f"{out} holds the fine-tuning of another network", "Give another folder with --out")
    student = _student(begun, campp_head(networks.start), recipe)
    whole = _Float(networks.start, store, spec, recipe)
    stages = [_stage("float", whole.network, whole, room), _stage("int8", student.build(WINDOW_FRAMES), whole, room)]
    for stage in stages:
        say(f"  {stage}")
    if not last.exists():
        found = Distillation(recipe.distil, student, room.lessons, out / "tuning").run(say, room.judge)
        after = student.with_tensors(found)
        write_tuned(last, Tuned(after.graph, after.plan, begun.factors, begun.started_from))
    tuned = _student(read_tuned(last), campp_head(networks.start), recipe)
    stages.append(_stage("int8, fine-tuned", tuned.build(WINDOW_FRAMES), whole, room))
    return {"recipe": recipe.to_json(), **room.describe(), "started_from": begun.started_from, "stages": stages}


def _student(tuned: Tuned, head: Head, recipe: QuantiseRecipe) -> Quantised:
    return Quantised(tuned.graph, tuned.plan, scaled_head(head, tuned.factors), recipe.range_rate)


def _stage(name: str, network: keras.Model, whole: _Float, room: Classroom) -> dict[str, Any]:
    return {"network": name, **room.judgement(network), **whole.distance(network)}


def tune_by_recipe(
    raw: dict[str, Any], teacher: Weights, start: Path | None, caches: list[Path], *, out: Path, say: Say
) -> dict[str, Any]:
    """What ``earmark train`` does with a recipe of the kind ``quantise``. ``start``: None for the teacher itself.

    Raises ``UsageError``.
    """
    from training.data.choices import features_of

    recipe = QuantiseRecipe.from_json(raw)
    networks = Networks(teacher, teacher if start is None else read_checkpoint(start))
    return tune(recipe, networks, Store(caches), features_of(recipe.features), out=out, say=say)
