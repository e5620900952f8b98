"""Runs a distillation: batches, optimiser, logs, checkpoints.

Takes a ``DistilRecipe``, the student's tensors, a store and the teacher's embeddings of its rows. Gives the trained
tensors. Must hold: a run that is killed goes on from its last checkpoint with the batches it would have seen; weights
are written whole or not at all; the effective recipe and a CSV of the losses lie beside them.
"""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import numpy.typing as npt

from edge.errors import UsageError
from edge.records import FeatureSpec, Float32
from training.augment import AugmentRecipe
from training.augment.spectral import mask
from training.data.batches import Batch, Batches, Crops
from training.data.store import Store
from training.distil.recipe import DistilRecipe
from training.distil.student import PARTS, Student
from training.models.architecture import Architecture
from training.teachers.checkpoint import save_tensors
from training.windows import WINDOW_FRAMES, fill

Say = Callable[[str], None]
Judge = Callable[[keras.Model], str]
"""Looks at the network now and then and says how it does, for people to read."""

_BANK: Final = 1024
"""Teacher embeddings that posteriors are taken over."""
_LOG_STEPS: Final = 25
_LEAST_VARIANCE: Final = 1e-3
"""A feature that hardly moves must not rule the loss."""
_MASKING: Final = 31
"""Key of the random stream that places masks."""
COLUMNS: Final = ("loss", *PARTS)


def learning_rate(recipe: DistilRecipe, step: int) -> float:
    """Linear warm-up, then half a cosine down to a hundredth."""
    if step < recipe.warmup_steps:
        return recipe.learning_rate * (step + 1) / recipe.warmup_steps
    share = (step - recipe.warmup_steps) / max(1, recipe.steps - recipe.warmup_steps)
    return recipe.learning_rate * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * min(1.0, share))))


def whole(crops: Float32, frames: int) -> Float32:
    """Crops (n, length, bands) repeated to ``frames``, mean-free again: float32 (n, frames, bands)."""
    filled = np.stack([fill(crop, frames) for crop in crops])
    return np.asarray(filled - filled.mean(axis=1, keepdims=True), np.float32)


def windows(batch: Batch, recipe: DistilRecipe, masks: AugmentRecipe) -> Float32:
    """What the student hears, some of it with masks: float32 (n, frames, bands, 1)."""
    filled = whole(batch.inputs, recipe.window_frames)
    rng = np.random.default_rng((recipe.seed, _MASKING, batch.epoch, batch.step))
    for place in np.flatnonzero(rng.random(len(filled)) < recipe.spec_augment):
        filled[place] = mask(filled[place], masks, rng)
    return np.ascontiguousarray(filled[..., None])


@dataclass(frozen=True, slots=True, eq=False)
class Lessons:
    """What is learnt from. ``spec``: the network's features. ``rows``: which rows of the store. ``vectors``: teacher
    embeddings float32 (rows, dim) of exactly these (``training.distil.targets``). ``frames``: the teacher's frame
    features of clean windows, (n, frames, bands, 1) -> (n, T, C), for students that learn those too.
    """

    store: Store
    spec: FeatureSpec
    rows: npt.NDArray[np.int64]
    vectors: Float32
    frames: Callable[[Float32], Float32] | None = None


class Distillation:
    """One run in the folder ``out``; made anew after an interruption, it goes on."""

    def __init__(self, recipe: DistilRecipe, architecture: Architecture, lessons: Lessons, out: Path) -> None:
        store, spec, rows, vectors = lessons.store, lessons.spec, lessons.rows, lessons.vectors
        self.recipe, self.out, self._architecture = recipe, out, architecture
        self._row_place = np.full(len(store), -1)
        self._row_place[rows] = np.arange(len(rows))
        self._vectors = vectors
        keras.utils.set_random_seed(recipe.seed)
        crops = Crops(recipe.shortest, recipe.longest, 0.25)
        self._frames = lessons.frames if recipe.losses.frames else None
        if recipe.losses.frames and self._frames is None:
            raise UsageError("Nobody gives the frame features that the recipe wants learnt", "Set losses.frames to 0.")
        self._batches = Batches(
            store, spec, size=recipe.batch, seed=recipe.seed, crops=crops, rows=rows, last="drop",
            clean=self._frames is not None,
        )  # fmt: skip
        self.network = architecture.build(recipe.window_frames)
        bank = vectors[np.random.default_rng(recipe.seed).permutation(len(vectors))[:_BANK]]
        self.student = Student(self.network, recipe.losses, bank, len(store.names["speaker"]), self._variance())
        self.student.build((None, *self.network.inputs[0].shape[1:]))
        self.optimiser = keras.optimizers.AdamW(
            learning_rate=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            global_clipnorm=recipe.clip_norm,
            use_ema=recipe.average > 0,
            ema_momentum=recipe.average or 0.99,
        )
        self.student.compile(optimizer=self.optimiser)
        self.optimiser.build(self.student.trainable_variables)
        self.step = 0

    @property
    def _checkpoint(self) -> Path:
        return self.out / "checkpoint.npz"

    def run(self, say: Say, judge: Judge | None = None) -> dict[str, Float32]:
        """Train to the end. Returns the tensors, which also lie in ``out/weights.npz``."""
        self.out.mkdir(parents=True, exist_ok=True)
        (self.out / "recipe.json").write_text(json.dumps(self.recipe.to_json(), indent=2) + "\n")
        self._resume(say)
        begun, masks = time.monotonic(), AugmentRecipe()
        first = self.step
        with ThreadPoolExecutor(1) as ahead, (self.out / "log.csv").open("a", newline="") as file:
            log = csv.writer(file)
            if not first:
                log.writerow(["step", "seconds", "learning_rate", *COLUMNS])
            for batch, x in self._ahead(ahead, masks):
                self.optimiser.learning_rate = learning_rate(self.recipe, self.step)
                y = (self._vectors[self._row_place[batch.rows]], batch.speakers, *self._taught(batch))
                found = self.student.train_on_batch(x, y, return_dict=True)
                self.step += 1
                if self.step % _LOG_STEPS == 0 or self.step == self.recipe.steps:
                    seconds = time.monotonic() - begun
                    rate = float(self.optimiser.learning_rate)
                    numbers = [float(found.get(part, 0.0)) for part in COLUMNS]
                    log.writerow([self.step, round(seconds, 1), round(rate, 8), *(round(n, 5) for n in numbers)])
                    file.flush()
                    left = seconds / (self.step - first) * (self.recipe.steps - self.step)
                    parts = " ".join(f"{name} {number:.4f}" for name, number in zip(COLUMNS, numbers, strict=True))
                    say(f"step {self.step}/{self.recipe.steps}  {parts}  {left / 60:.0f} min left")
                    self.student.reset_metrics()
                if self.step % self.recipe.checkpoint_steps == 0 and self.step < self.recipe.steps:
                    self._save(say, judge)
        return self._finish(say, judge)

    def _ahead(self, pool: ThreadPoolExecutor, masks: AugmentRecipe) -> Iterator[tuple[Batch, Float32]]:
        """Batches from the current step on, one made while another is learnt."""
        epoch, step = divmod(self.step, self._batches.steps)
        source = self._batches.stream(epoch, step)

        def make() -> tuple[Batch, Float32]:
            batch = next(source)
            return batch, windows(batch, self.recipe, masks)

        waiting = pool.submit(make)
        while self.step < self.recipe.steps:
            ready, waiting = waiting, pool.submit(make)
            yield ready.result()

    def _taught(self, batch: Batch) -> tuple[Float32, ...]:
        """The teacher's frame features of the clean partners, where they are learnt."""
        if self._frames is None or batch.clean is None:
            return ()
        return (self._frames(whole(batch.clean, self.recipe.window_frames)[..., None]),)

    def _variance(self) -> Float32 | None:
        """How much each of the teacher's frame features moves, from the first batch."""
        found = self._taught(self._batches.batch(0, 0))
        return np.asarray(found[0].var(axis=(0, 1)) + _LEAST_VARIANCE, np.float32) if found else None

    def averaged(self) -> dict[str, Float32]:
        """The tensors with the moving averages of the weights, as they would be kept now."""
        variables = self.student.trainable_variables
        last = [np.array(variable) for variable in variables]
        self.optimiser.finalize_variable_values(variables)
        found = self._architecture.tensors(self.network)
        for variable, value in zip(variables, last, strict=True):
            variable.assign(value)
        return found

    def _whole(self, found: dict[str, Float32]) -> keras.Model:
        """The network for whole windows."""
        return self._architecture.with_tensors(found).build(WINDOW_FRAMES)

    def _state(self) -> list[Any]:
        return [*self.student.variables, *self.optimiser.variables]

    def _save(self, say: Say, judge: Judge | None) -> None:
        values = {f"v{place}": np.array(value) for place, value in enumerate(self._state())}
        save_tensors(self._checkpoint, {**values, "step": np.array(self.step)})
        if judge:
            say(f"step {self.step}: {judge(self._whole(self.averaged()))}")

    def _resume(self, say: Say) -> None:
        if not self._checkpoint.exists():
            return
        with np.load(self._checkpoint) as kept:
            for place, variable in enumerate(self._state()):
                variable.assign(kept[f"v{place}"])
            self.step = int(kept["step"])
        say(f"going on after step {self.step}")

    def _finish(self, say: Say, judge: Judge | None) -> dict[str, Float32]:
        found = self.averaged() if self.recipe.average else self._architecture.tensors(self.network)
        save_tensors(self.out / "weights.npz", found)
        if judge:
            say(f"end: {judge(self._whole(found))}")
        self._checkpoint.unlink(missing_ok=True)
        return found
