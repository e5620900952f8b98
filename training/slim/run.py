"""Runs a slimming: look at the channels, cut, teach, again.

Takes a ``SlimRecipe``, the teacher's tensors and a store. Gives the small network's tensors in ``out``, with what was
done and how near it is to the teacher. Must hold: every stage can be interrupted and goes on; a stage that is done is
not done again; the speakers that judge were learnt from in no stage.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import numpy.typing as npt

from edge.features import normalise
from edge.records import FeatureSpec, Float32
from training.data.store import Store
from training.distil.run import Distillation, Lessons
from training.distil.split import learn_and_judge
from training.distil.targets import WINDOW_FRAMES, digest_of, targets
from training.models.campp import embedder
from training.slim.channels import groups
from training.slim.choose import choose
from training.slim.cost import cost
from training.slim.cut import cut
from training.slim.importance import channel_means, importances
from training.slim.recipe import SlimRecipe, Stage
from training.teachers.checkpoint import Weights, read_checkpoint, save_tensors
from training.windows import fill

Say = Callable[[str], None]

_JUDGED: Final = 256
"""Windows of held-out speakers that a student is judged by."""


def windows_of(store: Store, spec: FeatureSpec, rows: npt.NDArray[np.int64]) -> Float32:
    """The first window of each row as the network gets it, (n, frames, bands)."""
    return np.stack([normalise(spec, fill(store.features(int(row), 0, WINDOW_FRAMES), WINDOW_FRAMES)) for row in rows])


class Slimming:
    """One run in the folder ``out``."""

    def __init__(self, recipe: SlimRecipe, teacher: Weights, store: Store, spec: FeatureSpec, out: Path) -> None:
        self.recipe, self.out = recipe, out
        self._teacher, self._store, self._spec = teacher, store, spec
        rng = np.random.default_rng(recipe.seed)
        learning, judging = learn_and_judge(store, recipe.held_out)
        self._rows = rng.permutation(learning)
        self._judging = rng.permutation(judging)[:_JUDGED]

    def run(self, say: Say) -> dict[str, Any]:
        """All stages. Returns the report that also lies in ``out/report.json``."""
        self.out.mkdir(parents=True, exist_ok=True)
        begun = time.monotonic()
        network = embedder(self._teacher, WINDOW_FRAMES)
        say("asking the teacher")
        vectors = self._ask(network, self._rows, say)
        self._expected = self._ask(network, self._judging, say)
        del network
        lessons = Lessons(self._store, self._spec, self._rows, vectors)
        weights, stages = dict(self._teacher), []
        for number, stage in enumerate(self.recipe.stages, 1):
            say(f"stage {number} of {len(self.recipe.stages)}")
            weights = self._stage(stage, weights, lessons, self.out / f"stage-{number}", say)
            stages.append(self._describe(weights))
            say(f"  {stages[-1]}")
        save_tensors(self.out / "weights.npz", weights)
        report = {
            "recipe": self.recipe.to_json(),
            "teacher": digest_of({name: np.asarray(value) for name, value in self._teacher.items()}),
            "features": self._spec.to_json(),
            "caches": [folder.name for folder in self._store.folders],
            "rows": len(self._rows),
            "judged_windows": len(self._judging),
            "stages": stages,
            "seconds": round(time.monotonic() - begun),
            "keras": f"{keras.__version__}, {keras.backend.backend()}",
            "machine": platform.machine(),
        }
        (self.out / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        return report

    def _ask(self, network: keras.Model, rows: npt.NDArray[np.int64], say: Say) -> Float32:
        name = digest_of({name: np.asarray(value) for name, value in self._teacher.items()})
        return targets(
            self._store, self._spec, network.predict_on_batch, self.out / "teacher", name=name, rows=rows.tolist(),
            most=self.recipe.teacher_windows, progress=lambda done, of: say(f"  clip {done}/{of}"),
        )  # fmt: skip

    def _stage(self, stage: Stage, weights: Weights, lessons: Lessons, out: Path, say: Say) -> dict[str, Float32]:
        finished, start = out / "weights.npz", out / "start.npz"
        if finished.exists():
            return {name: np.asarray(value) for name, value in read_checkpoint(finished).items()}
        out.mkdir(parents=True, exist_ok=True)
        if not start.exists():
            save_tensors(start, self._cut(stage, weights, say))
        return Distillation(stage.distil, read_checkpoint(start), lessons, out).run(say, self.judge)

    def _cut(self, stage: Stage, weights: Weights, say: Say) -> dict[str, Float32]:
        say("  looking at the channels")
        shown = windows_of(self._store, self._spec, self._rows[: self.recipe.windows])
        model, found = embedder(weights, WINDOW_FRAMES), groups(weights)
        means = channel_means(model, found, shown)
        matter = importances(model, found, means, shown, seed=self.recipe.seed)
        return cut(weights, choose(matter, stage.budget, WINDOW_FRAMES, shown.shape[2]), means)

    def judge(self, network: keras.Model) -> str:
        """How near a student of whole windows is to the teacher, on degraded speech of held-out speakers."""
        cosines = self._cosines(network)
        return f"cosine to the teacher {cosines.mean():.4f}, lowest tenth {np.quantile(cosines, 0.1):.4f}"

    def _cosines(self, network: keras.Model) -> Float32:
        shown = windows_of(self._store, self._spec, self._judging)[..., None]
        found = np.concatenate([network.predict_on_batch(part) for part in np.array_split(shown, -(-len(shown) // 16))])
        return np.asarray((found * self._expected).sum(axis=1), np.float32)

    def _describe(self, weights: Weights) -> dict[str, Any]:
        network, widths = embedder(weights, WINDOW_FRAMES), {group.name: group.width for group in groups(weights)}
        found = cost(widths, WINDOW_FRAMES, self._spec.coefficients)
        cosines = self._cosines(network)
        return {
            "macs_per_window": found.macs,
            "weights": found.weights,
            "cosine_mean": round(float(cosines.mean()), 4),
            "cosine_p10": round(float(np.quantile(cosines, 0.1)), 4),
        }
