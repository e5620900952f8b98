"""One piece of a recipe: a task, a model, a protocol, a fold.

Takes a ``Piece``, examples and their features. Gives ``result.json`` and answers on disk. Must hold: a piece that is
done is not done again; the int8 file's answers come from the edge's runtime and go through the code that judged the
float model; nothing that is tested on had a part in weights, scaling or stopping.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from edge.errors import EarmarkError, UsageError
from edge.records import Float32
from training.classify import answers as judging
from training.classify import inputs
from training.classify.answers import Answers, Outputs
from training.classify.classical import Classical, importance_picture, importances
from training.classify.cost import cpu_ms
from training.classify.examples import Example, labels_of
from training.classify.recipe import CLASSICAL, ClassifyRecipe, Model
from training.classify.scaling import Scaler
from training.classify.splits import PROTOCOLS, Fold, Indices, Protocol, folds

Say = Callable[[str], None]
Convert = Callable[[Any, Float32], bytes]
"""From a Keras model and inputs that show its ranges to the bytes of an int8 file; ``convert`` gives it."""

_SHOWN_TO_CONVERTER: Final = 48
_JUDGED_BY_FILE: Final = 6
"""Where the speakers of training are the classes, one recording in so many says when to stop."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """What is done. ``number``: of the fold. ``fold``: places of examples."""

    task: str
    model: Model
    protocol: Protocol
    number: int
    fold: Fold

    @property
    def name(self) -> str:
        """Folder of the model; a transfer's network is the same under both protocols."""
        protocol = "both" if self.task == "transfer" else self.protocol
        return f"{self.task}-{self.model.network}/{protocol}-{self.number}"


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """What every piece of a task and an input works with."""

    recipe: ClassifyRecipe
    examples: tuple[Example, ...]
    features: Float32
    out: Path
    say: Say
    convert: Convert | None


def pieces(recipe: ClassifyRecipe, task: str, model: Model, examples: Sequence[Example]) -> list[Piece]:
    """All pieces of a model, those of the forerunners' split first."""
    made = []
    for protocol in PROTOCOLS:
        if task == "transfer":
            counted = recipe.split.apart if protocol == "apart" else recipe.split.same
            found = [_transfer_fold(recipe, examples, number) for number in range(counted)]
        else:
            found = folds(examples, task, recipe.split, protocol, recipe.seed)
        made += [Piece(task, model, protocol, number, fold) for number, fold in enumerate(found)]
    return made


def _transfer_fold(recipe: ClassifyRecipe, examples: Sequence[Example], number: int) -> Fold:
    """Others are learnt from; the new speakers, different ones in every fold, are ``test``."""
    counts: dict[str, int] = {}
    for one in examples:
        counts[one.speaker] = counts.get(one.speaker, 0) + (not one.change)
    able = [name for name, count in counts.items() if count > 2 * recipe.split.enrol_segments]
    able.sort(key=lambda name: hashlib.sha256(f"{recipe.seed} {name}".encode()).hexdigest())
    wanted = recipe.split.new_speakers
    new = set(able[number * wanted : (number + 1) * wanted])
    if len(new) < 2 or len(counts) - len(new) < 2:
        raise UsageError("There are too few speakers with enough speech for a transfer", "Lower split.new_speakers.")
    fresh = np.array([one.speaker in new for one in examples])
    original = np.array([not one.change for one in examples])
    learn, judge = _by_recording(examples, np.flatnonzero(~fresh))
    return Fold(learn, judge, np.flatnonzero(fresh & original))


def _by_recording(examples: Sequence[Example], places: Indices) -> tuple[Indices, Indices]:
    """One recording in six says when to stop."""

    def judged(one: Example) -> bool:
        return hashlib.sha256(one.path.encode()).digest()[0] % _JUDGED_BY_FILE == 0

    judge = np.array([judged(examples[k]) for k in places], bool)
    return places[~judge], np.array([k for k in places[judge] if not examples[k].change], np.int64)


def do(piece: Piece, bench: Bench) -> dict[str, Any]:
    """Do a piece, or read what was done. Gives aspect -> float and int8 answers, and facts, as plain values."""
    folder = bench.out / piece.name
    done = folder / f"result-{piece.protocol}.json"
    if done.exists():
        return dict(json.loads(done.read_text(encoding="utf-8")))
    folder.mkdir(parents=True, exist_ok=True)
    bench.say(f"{piece.name} ({piece.protocol}): {len(piece.fold.learn)} to learn, {len(piece.fold.test)} to tell")
    result = _classical(piece, bench, folder) if piece.model.network in CLASSICAL else _network(piece, bench, folder)
    temporary = done.with_suffix(".tmp")
    temporary.write_text(json.dumps(result) + "\n", encoding="utf-8")
    temporary.replace(done)
    return result


class _Sheet:
    """A piece's features, scaled by what is learnt from, and the code that judges a model's outputs on them."""

    def __init__(self, piece: Piece, bench: Bench, folder: Path) -> None:
        kept = folder / "scaler.npz"
        if not kept.exists():
            Scaler.of(piece.model.input, bench.features[piece.fold.learn]).save(kept)
        self.scaler = Scaler.load(kept)
        self.x = self.scaler(bench.features)
        self._piece, self._examples, self._recipe = piece, bench.examples, bench.recipe
        self.names: list[str] = []
        self.y: Indices = np.zeros(0, np.int64)

    def classes(self, places: Indices) -> None:
        """Take the labels at ``places`` as the classes; every example gets its class, or -1."""
        told = [labels_of(self._piece.task, one) for one in self._examples]
        self.names = sorted({told[k] for k in places})
        number = {name: place for place, name in enumerate(self.names)}
        self.y = np.array([number.get(name, -1) for name in told])

    def judged(self, outputs: Outputs) -> dict[str, Any]:
        """Answers of a model that gives ``outputs`` for scaled features."""
        piece, recipe, fold = self._piece, self._recipe, self._piece.fold
        if piece.task == "verify":
            return _plain({"": judging.verify(outputs, self.x, self._examples, (fold.judge, fold.test), recipe.seed)})
        if piece.task == "transfer":
            speakers = sorted({self._examples[k].speaker for k in fold.test})
            enrol, apart = recipe.split.enrol_segments, piece.protocol == "apart"
            plan = judging.transfer_plan(self._examples, speakers, enrol, apart=apart, seed=recipe.seed)
            return _plain({"": judging.transfer(outputs, self.x, self._examples, plan, recipe.seed)})
        return self.told(outputs(self.x[fold.test]))

    def told(self, scores: Float32) -> dict[str, Any]:
        """Answers of scores of every class for the examples of the test."""
        test = self._piece.fold.test
        owners = [self._examples[k].speaker for k in test]
        aspects = self._piece.task == "gender-emotion"
        return _plain(judging.tell_labels(scores, self.y[test], self.names, owners, aspects=aspects))


def _classical(piece: Piece, bench: Bench, folder: Path) -> dict[str, Any]:
    sheet, fold, recipe = _Sheet(piece, bench, folder), piece.fold, bench.recipe
    # Nothing stops early here, so that the judges can be learnt from as well.
    learn = np.concatenate((fold.learn, fold.judge))
    if piece.task == "verify-one":
        found = judging.verify_one(sheet.x, bench.examples, learn, fold.test, recipe.seed)
        return {"float": _plain({"": found}), "parameters": None}
    sheet.classes(np.concatenate((learn, fold.test)))
    model = Classical(piece.model.network, len(sheet.names), recipe.seed)
    model.fit(sheet.x[learn], sheet.y[learn], weighted=recipe.fit.class_weights)
    if piece.model.network == "xgboost":
        columns, gains = inputs.columns(piece.model.input.kind), importances(model)
        (folder / "importances.png").write_bytes(importance_picture(columns, gains, f"{recipe.name}: what decides"))
        ranked = sorted(zip(columns, map(float, gains), strict=True), key=lambda row: -row[1])
        (folder / "importances.json").write_text(json.dumps(dict(ranked), indent=1) + "\n", encoding="utf-8")
        model.model.save_model(folder / "model.json")
    cost = cpu_ms(piece.model.input, lambda features: model.scores(sheet.scaler(features)))
    return {"float": sheet.told(model.scores(sheet.x[fold.test])), "parameters": model.size, "cpu_ms_per_s": cost}


def _network(piece: Piece, bench: Bench, folder: Path) -> dict[str, Any]:
    from training.classify.fit import Fitting, Lesson, outputs, probabilities
    from training.classify.networks import HIDDEN, build, hidden

    recipe, fold, sheet = bench.recipe, piece.fold, _Sheet(piece, bench, folder)
    learn, judge, inside = fold.learn, fold.judge, piece.task in {"verify", "transfer"}
    if piece.task == "verify":  # those who judge verification are nobody's class
        learn, judge = _by_recording(bench.examples, fold.learn)
    seen = np.concatenate((learn, judge))
    sheet.classes(seen if inside else np.concatenate((seen, fold.test)))
    judge = judge[np.isin(sheet.y[judge], np.unique(sheet.y[learn]))]
    lesson = Lesson(sheet.x[learn], sheet.y[learn], sheet.x[judge], sheet.y[judge], len(sheet.names))
    shape = inputs.shape(piece.model.input)
    model = Fitting(
        lambda: build(piece.model.network, shape, len(sheet.names)), recipe.fit, lesson, folder, recipe.seed
    ).run(bench.say)
    (folder / "model.json").write_text(
        json.dumps({"network": piece.model.network, "labels": sheet.names, "output": HIDDEN if inside else "labels"})
        + "\n"
    )
    used, give = (hidden(model), outputs) if inside else (model, probabilities)
    result = {"float": sheet.judged(lambda rows: give(used, rows)), "parameters": model.count_params()}
    result["epochs"] = len((folder / "log.csv").read_text(encoding="utf-8").splitlines()) - 1
    if bench.convert is None:
        return result
    kept = folder / "model.int8.tflite"
    if not kept.exists():
        shown = learn[np.linspace(0, len(learn) - 1, min(len(learn), _SHOWN_TO_CONVERTER)).astype(int)]
        try:
            kept.write_bytes(bench.convert(used, sheet.x[shown]))
        except EarmarkError as error:  # the float model's figures stand without a file
            bench.say(f"no int8 file: {error.sentence()}")
            return result
    of_file = _of_file(kept)
    cost = cpu_ms(piece.model.input, lambda features: of_file(sheet.scaler(features)))
    return result | {"int8": sheet.judged(of_file), "int8_bytes": kept.stat().st_size, "cpu_ms_per_s": cost}


def _of_file(path: Path) -> Outputs:
    """Outputs of an int8 file; of a sigmoid the probabilities of both classes."""
    from edge.runtime import Network

    network = Network(path)

    def outputs(rows: Float32) -> Float32:
        found = np.concatenate([network(row[None]).reshape(1, -1) for row in rows])
        return np.concatenate((1 - found, found), axis=1) if found.shape[1] == 1 else found

    return outputs


def _plain(found: dict[str, Answers]) -> dict[str, Any]:
    return {
        aspect: {
            "labels": list(one.labels),
            "truth": one.truth.tolist(),
            "told": one.told.tolist(),
            "owners": list(one.owners),
        }
        for aspect, one in found.items()
    }
