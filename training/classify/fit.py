"""Teaches a network until it stops getting better.

Takes features, labels, a ``Fit`` and a folder. Gives the model with the weights of its best epoch. Must hold: a run
that is stopped goes on with the epoch that it was in, and ends with the same weights; the best weights are written
whole or not at all; a CSV log lies beside them.
"""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import numpy.typing as npt

from edge.records import Float32
from training.classify.recipe import Fit
from training.teachers.checkpoint import save_tensors

Say = Callable[[str], None]
Labels = npt.NDArray[np.int64]

_BETTER: Final = 1e-4
"""A validation loss has to fall by so much to count."""
_LEAST_RATE: Final = 0.01
LOG: Final = ("epoch", "seconds", "learning_rate", "loss", "judge_loss", "judge_accuracy")


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """Scaled features float32 ``(n, ...)`` and labels ``(n,)``, to learn from and to say when to stop."""

    x: Float32
    y: Labels
    judge_x: Float32
    judge_y: Labels
    classes: int


class Fitting:
    """One network in the folder ``out``; made anew after an interruption, it goes on."""

    def __init__(self, make: Callable[[], keras.Model], fit: Fit, lesson: Lesson, out: Path, seed: int) -> None:
        keras.utils.set_random_seed(seed)
        self.model, self.epochs = make(), 0
        self._fit, self._lesson, self._out, self._seed = fit, lesson, out, seed
        kinds = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop}
        self._optimiser = kinds[fit.optimiser](learning_rate=fit.learning_rate)
        binary = self.model.output_shape[-1] == 1
        loss = keras.losses.BinaryCrossentropy() if binary else keras.losses.SparseCategoricalCrossentropy()
        self.model.compile(optimizer=self._optimiser, loss=loss)
        self._optimiser.build(self.model.trainable_variables)
        self._weights = class_weights(lesson.y, lesson.classes) if fit.class_weights else np.ones(lesson.classes)
        self._best, self._waited, self._rate = math.inf, 0, fit.learning_rate

    @property
    def _checkpoint(self) -> Path:
        return self._out / "checkpoint.npz"

    @property
    def finished(self) -> Path:
        """The best weights, and nothing else, once the run is over."""
        return self._out / "weights.npz"

    def run(self, say: Say) -> keras.Model:
        """Learn to the end, or read what was learnt."""
        self._out.mkdir(parents=True, exist_ok=True)
        if self.finished.exists():
            self._take(self.finished)
            return self.model
        self._resume(say)
        with (self._out / "log.csv").open("a", newline="", encoding="utf-8") as file:
            log = csv.writer(file)
            if not self.epochs:
                log.writerow(LOG)
            while self.epochs < self._fit.epochs and self._waited < self._fit.patience:
                line = self._epoch()
                log.writerow(line)
                file.flush()
                say(f"epoch {line[0]}/{self._fit.epochs}  loss {line[3]:.4f}  judged {line[4]:.4f} {line[5]:.1%}")
                save_tensors(self._checkpoint, self._state())
        self._take(self._out / "best.npz")
        (self._out / "best.npz").rename(self.finished)
        self._checkpoint.unlink(missing_ok=True)
        return self.model

    def _epoch(self) -> tuple[int, float, float, float, float, float]:
        lesson, begun = self._lesson, time.monotonic()
        self._optimiser.learning_rate = rate = self._learning_rate()
        order = np.random.default_rng((self._seed, self.epochs)).permutation(len(lesson.x))
        losses = []
        for first in range(0, len(order), self._fit.batch):
            rows = order[first : first + self._fit.batch]
            weights = self._weights[lesson.y[rows]].astype(np.float32)
            losses.append(float(self.model.train_on_batch(lesson.x[rows], lesson.y[rows], sample_weight=weights)))
            self.model.reset_metrics()
        self.epochs += 1
        judged, accuracy = self._judge()
        if judged < self._best - _BETTER:
            self._best, self._waited = judged, 0
            save_tensors(self._out / "best.npz", self._tensors())
        else:
            self._waited += 1
            if self._fit.schedule == "plateau" and self._waited % max(1, self._fit.patience // 2) == 0:
                self._rate = max(self._rate / 2, _LEAST_RATE * self._fit.learning_rate)
        seconds = round(time.monotonic() - begun, 2)
        return self.epochs, seconds, rate, float(np.mean(losses)), judged, accuracy

    def _learning_rate(self) -> float:
        if self._fit.schedule != "cosine":
            return self._rate
        share = self.epochs / self._fit.epochs
        return self._fit.learning_rate * (_LEAST_RATE + (1 - _LEAST_RATE) * 0.5 * (1 + math.cos(math.pi * share)))

    def _judge(self) -> tuple[float, float]:
        """Mean loss with every class weighing the same, and accuracy, on what nothing is learnt from."""
        found = probabilities(self.model, self._lesson.judge_x)
        truth = self._lesson.judge_y
        weights = class_weights(truth, self._lesson.classes)[truth]
        losses = -np.log(np.maximum(found[np.arange(len(truth)), truth], 1e-7))
        return float(np.average(losses, weights=weights)), float((found.argmax(axis=1) == truth).mean())

    def _tensors(self) -> dict[str, Float32]:
        return {f"w{place}": np.array(value) for place, value in enumerate(self.model.get_weights())}

    def _take(self, path: Path) -> None:
        with np.load(path) as kept:
            self.model.set_weights([kept[f"w{place}"] for place in range(len(kept.files))])

    def _variables(self) -> list[Any]:
        """With the states of dropout, so that what follows an interruption is what would have followed."""
        return [*self.model.variables, *self._optimiser.variables]

    def _state(self) -> dict[str, npt.NDArray[Any]]:
        values = {f"v{place}": np.array(value) for place, value in enumerate(self._variables())}
        numbers = np.array([self.epochs, self._best, self._waited, self._rate], np.float64)
        return {**values, "progress": numbers}

    def _resume(self, say: Say) -> None:
        if not self._checkpoint.exists():
            return
        with np.load(self._checkpoint) as kept:
            for place, variable in enumerate(self._variables()):
                variable.assign(kept[f"v{place}"])
            epochs, self._best, waited, self._rate = (float(x) for x in kept["progress"])
        self.epochs, self._waited = int(epochs), int(waited)
        say(f"going on after epoch {self.epochs}")


def class_weights(labels: Labels, classes: int) -> npt.NDArray[np.float64]:
    """Weights that give every class that occurs the same say, 1 on average over the examples."""
    counts = np.bincount(labels, minlength=classes)
    present = counts > 0
    return np.where(present, len(labels) / (max(1, int(present.sum())) * np.maximum(counts, 1)), 0.0)


def probabilities(model: keras.Model, x: Float32) -> Float32:
    """Of each class, float32 ``(n, classes)``, in batches that do not fill the memory."""
    found = outputs(model, x)
    return np.asarray(np.concatenate((1 - found, found), axis=1) if found.shape[1] == 1 else found, np.float32)


def outputs(model: keras.Model, x: Float32, batch: int = 128) -> Float32:
    """What a model gives, float32 ``(n, outputs)``."""
    if not len(x):
        return np.zeros((0, model.output_shape[-1]), np.float32)
    parts = [np.asarray(model.predict_on_batch(x[first : first + batch])) for first in range(0, len(x), batch)]
    return np.asarray(np.concatenate(parts), np.float32)
