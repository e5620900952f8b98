"""Runs a recipe: features, pieces, and the rows of its report.

Takes a recipe, a folder of speech and a folder for what comes of it. Gives plain values for ``report.json``. Must hold:
a run that is stopped goes on; every row says on how many examples of how many speakers its figures are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge.audio import read_samples
from edge.errors import UsageError
from training.classify import figures
from training.classify.classical import require
from training.classify.examples import draw
from training.classify.recipe import CLASSICAL, ClassifyRecipe, Model
from training.classify.splits import PROTOCOLS
from training.classify.store import Features
from training.classify.work import Bench, Convert, Piece, Say, do, pieces
from training.corpus import read_manifest
from training.recall import confusion


def run(
    recipe: ClassifyRecipe, speech: Path, out: Path, *, cache: Path | None, convert: Convert | None, say: Say
) -> dict[str, Any]:
    """Everything that a recipe asks for, in ``out``. ``cache``: where features are kept, ``out/features`` if None.

    ``convert``: None leaves int8 out. Raises ``UsageError``, ``ExtraMissingError``, ``AudioFileError``.
    """
    for model in recipe.models:
        if model.network in CLASSICAL:
            require(model.network)
    if any(task in {"transfer", "verify-one"} for task in recipe.tasks):
        require("svm")
    out.mkdir(parents=True, exist_ok=True)
    _settle(recipe, speech, out)
    manifest = read_manifest(speech)
    rows: list[dict[str, Any]] = []
    for task in recipe.tasks:
        for model in recipe.models:
            examples = draw(recipe, task, model.input.seconds, manifest)
            kept = Features(cache or out / "features", examples, model.input, recipe.augment, recipe.seed)
            heard, features = kept.load(speech, lambda path: np.asarray(read_samples(path), np.float32), say)
            bench = Bench(recipe, heard, features, out, say, convert)
            planned = pieces(recipe, task, model, heard)
            results = [(piece, do(piece, bench)) for piece in planned]
            said = {"sets": sorted({one.set for one in heard}), "features": str(kept.folder.name)}
            rows += [row | said for row in _rows(recipe, task, model, results, bench)]
    return {"recipe": recipe.to_json(), "rows": rows}


def _settle(recipe: ClassifyRecipe, speech: Path, out: Path) -> None:
    """What lies in ``out`` belongs to this very recipe and manifest, or nothing is done."""
    try:
        digest = hashlib.sha256((speech / "manifest.tsv").read_bytes()).hexdigest()
    except OSError:
        digest = ""  # read_manifest says what is wrong with it
    effective = {"recipe": recipe.to_json(), "manifest": digest}
    kept = out / "recipe.json"
    if kept.exists() and json.loads(kept.read_text(encoding="utf-8")) != effective:
        raise UsageError(
            f"{out} holds what came of another recipe or other speech", "Give another --out, or remove this one."
        )
    kept.write_text(json.dumps(effective, indent=2) + "\n", encoding="utf-8")


def _rows(
    recipe: ClassifyRecipe, task: str, model: Model, results: Sequence[tuple[Piece, dict[str, Any]]], bench: Bench
) -> list[dict[str, Any]]:
    folder = bench.out / f"{task}-{model.network}"
    first = results[0][1]
    rows = []
    for aspect in first["float"]:
        row: dict[str, Any] = {
            "recipe": recipe.name, "task": task, "aspect": aspect or task, "network": model.network,
            "input": model.input.kind, "parameters": first["parameters"], "int8_bytes": first.get("int8_bytes"),
            "cpu_ms_per_s": first.get("cpu_ms_per_s"),
            "epochs": max((result.get("epochs", 0) for _, result in results), default=0),
            "limited": any(result.get("epochs", 0) >= recipe.fit.epochs for _, result in results),
        }  # fmt: skip
        for protocol in PROTOCOLS:
            found = [result for piece, result in results if piece.protocol == protocol]
            if found:
                row[protocol] = _figures(found, aspect, folder, f"{aspect or task}-{protocol}", recipe)
        known = [
            one for one in recipe.forerunner
            if one.aspect == row["aspect"] and one.network in {"", model.network}
        ]  # fmt: skip
        row["forerunner"] = {"same": known[0].same, "apart": known[0].apart} if known else {}
        rows.append(row)
    return rows


def _figures(
    found: Sequence[dict[str, Any]], aspect: str, folder: Path, stem: str, recipe: ClassifyRecipe
) -> dict[str, Any]:
    """Of all folds together; labels of different folds are joined by name."""
    names = sorted({name for one in found for name in one["float"][aspect]["labels"]})
    told: dict[str, Any] = {}
    for kind in ("float", "int8"):
        if any(kind not in one for one in found):
            continue
        truth, answer, owners = _joined([one[kind][aspect] for one in found], names)
        one = figures.figures(truth, answer, owners, len(names), recipe.seed)
        if kind == "float":
            told |= {name: getattr(one, name) for name in one.__dataclass_fields__}
            matrix = confusion(truth, answer, len(names))
            figures.write_confusion(folder, f"confusion-{stem}", matrix, names, f"{recipe.name}: {stem}")
        else:
            told |= {"int8_accuracy": one.accuracy, "int8_uar": one.uar}
    return told


def _joined(parts: Sequence[dict[str, Any]], names: list[str]) -> tuple[Any, Any, list[str]]:
    number = {name: place for place, name in enumerate(names)}
    truth, told, owners = [], [], list[str]()
    for part in parts:
        where = np.array([number[name] for name in part["labels"]])
        truth.append(where[part["truth"]])
        told.append(where[part["told"]])
        owners += part["owners"]
    return np.concatenate(truth), np.concatenate(told), owners
