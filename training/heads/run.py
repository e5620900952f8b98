"""``earmark train`` with a recipe of the kind ``head``: hears, measures, learns, and writes a pack.

Takes a ``HeadRecipe``, bundles and a folder of speech. Gives a pack in ``out/pack`` with a head for every bundle, and a
report. Must hold: every figure comes from the int8 file through the device's code, and from people whom the head of
that figure did not learn from; temperature and the limit of ``unsure`` are learnt on people left out, too, and judged
on others.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edge.bundle import open_bundle, seal
from edge.errors import UsageError
from training.augment.materials import load_materials
from training.corpus import Recording, read_manifest
from training.heads.figures import softmax as shares_of
from training.heads.figures import summary, temperature, unsure_below
from training.heads.heard import Heard, Hearing
from training.heads.learn import Told, learn, tell, truth, word
from training.heads.published import answers, sureness
from training.heads.published import figures as published_figures
from training.heads.recipe import HeadRecipe, Measure
from training.heads.regression import Linear
from training.heads.told import text

GENDER: Final = HeadRecipe(
    name="gender beside another label",
    label="gender",
    classes={"f": "female", "m": "male"},
    sets=(),
    learnt_copies=("room",),
    penalty=1.0,
    measures=(),
    card={},
)
"""How the gender is learnt where a measure asks for the pair."""

Say = Callable[[str], None]
Float64 = npt.NDArray[np.float64]


def make_heads(recipe: HeadRecipe, bundles: Sequence[str], speech: Path, out: Path, say: Say) -> dict[str, Any]:
    """Make the pack. Raises ``UsageError`` where the speech has nothing to learn from, ``BundleError`` for a bundle."""
    rows = read_manifest(speech)
    chosen = _chosen(recipe, rows)
    materials = load_materials(speech, rows)
    trunks: list[dict[str, Any]] = []
    files: dict[str, dict[str, Any]] = {}
    figures: dict[str, list[dict[str, Any]]] = {}
    left: list[str] = []
    learnt_sets = {*recipe.sets, *recipe.guessed_sets}
    for name in bundles:
        bundle = open_bundle(name)
        say(f"bundle {bundle.name}")
        hearing = Hearing(bundle, speech, out / "heard", materials, recipe.seconds)
        heard, missed = _heard(recipe, chosen, hearing, say)
        left = left or missed
        measured, told = _measured(recipe, heard, say)
        say("  learning from everybody")
        head = learn(recipe, [one for one in heard if one.row.set in learnt_sets and one.copy in _learnt(recipe)])
        # Where the test was learnt from, doubt would be too small: strangers teach it.
        warmth, below = _doubt(
            recipe, [one for measure, one in zip(recipe.measures, told, strict=True) if measure.teaches_doubt]
        )
        file = f"{recipe.label}-{bundle.name}.npz"
        files[file] = _arrays(head, warmth)
        figures[bundle.name] = measured
        trunks.append(bundle.trunk.to_json() | {"heads": {recipe.label: _card_of(recipe, file, below)}})
        say(text({bundle.name: measured}))
    _write(out / "pack", dict(recipe.card) | {"trunks": trunks, "figures": figures}, files)
    return {"recipe": recipe.to_json(), "figures": figures, "set_aside": left, "pack": str(out / "pack")}


def _learnt(recipe: HeadRecipe) -> tuple[str, ...]:
    return ("", *recipe.learnt_copies)


def _chosen(recipe: HeadRecipe, rows: Sequence[Recording]) -> list[Recording]:
    """Labelled recordings of every set that is named, and some without labels of those that are guessed."""
    sets = {
        *recipe.sets,
        *(one.test for one in recipe.measures),
        *(name for one in recipe.measures for name in one.learn),
    }
    labelled = [row for row in rows if row.set in sets and row.speaker and word(recipe, row) in recipe.classes]
    found = [row for row, turn in _in_turns(labelled, recipe.seed) if turn <= recipe.clips_per_person]
    if missing := sorted(sets - {row.set for row in found}):
        raise UsageError(
            f"The speech has nothing of the set {missing[0]} with a label for {recipe.label}",
            "Name another folder with --speech, or take the set out of the recipe.",
        )
    for name in recipe.guessed_sets:
        others = [row for row in rows if row.set == name and row.split == "train" and not word(recipe, row)]
        found += _some(others, recipe.guessed_clips, recipe.seed)
    return found


def _in_turns(rows: Sequence[Recording], seed: int) -> list[tuple[Recording, int]]:
    """The rows in an order drawn by ``seed``, each with its number among those of the same person, from 1."""
    turns: Counter[tuple[str, str]] = Counter()
    found = []
    for row in sorted(rows, key=lambda row: hashlib.sha256(f"{seed} {row.path}".encode()).digest()):
        turns[row.set, row.speaker] += bool(row.speaker)
        found.append((row, turns[row.set, row.speaker]))
    return found


def _some(rows: Sequence[Recording], count: int, seed: int) -> list[Recording]:
    """``count`` of them, of as many people as there are."""
    return [row for row, _ in sorted(_in_turns(rows, seed), key=lambda one: one[1])[:count]]


def _heard(recipe: HeadRecipe, rows: Sequence[Recording], hearing: Hearing, say: Say) -> tuple[list[Heard], list[str]]:
    heard: list[Heard] = []
    left: list[str] = []
    measured = {(one.test, one.copy) for one in recipe.measures}
    for copy, change in {"": None, **recipe.copies}.items():
        wanted = [row for row in rows if copy in _learnt(recipe) or (row.set, copy) in measured]

        def progress(done: int, of: int, copy: str = copy) -> None:
            if done % 250 == 0 or done == of:
                say(f"  heard {done}/{of} {copy or 'recordings'}")

        found, missed = hearing.hear(wanted, copy, change, recipe.seed, progress)
        heard += found
        left += missed
    for line in left:
        say(f"  left out: {line}")
    return heard, left


def _measured(recipe: HeadRecipe, heard: Sequence[Heard], say: Say) -> tuple[list[dict[str, Any]], list[Told]]:
    rows, kept = [], []
    for measure in recipe.measures:
        told = tell(recipe, measure, heard)
        kept.append(told)
        rows.append(_row(recipe, measure, told, _gender(recipe, measure, heard) if measure.with_gender else None))
        say(f"  told {measure.test} {measure.copy}{measure.how}".rstrip())
    return rows, kept


def _gender(recipe: HeadRecipe, measure: Measure, heard: Sequence[Heard]) -> Told:
    """The genders of the very recordings that the measure asks for."""
    words = recipe.only(measure.classes).classes
    return tell(GENDER, replace(measure, classes=()), [one for one in heard if word(recipe, one.row) in words])


def _row(recipe: HeadRecipe, measure: Measure, told: Told, gender: Told | None) -> dict[str, Any]:
    """The figures of one measure."""
    narrow = recipe.only(measure.classes)
    classes, labels = truth(narrow, told.heard), narrow.columns
    p, below = _doubted(narrow, told)
    row = {
        "test": measure.test,
        "copy": measure.copy,
        "how": measure.how,
        "left_out": measure.protocol,
        "learnt_from": [
            name for name in measure.learn or recipe.sets if measure.protocol != "sets" or name != measure.test
        ],
    }
    people = [one.person for one in told.heard]
    if gender is None:
        said = answers(narrow, p, below)
        return row | summary(p, classes, people, labels) | {"published": published_figures(narrow, classes, said)}
    other, _ = _doubted(GENDER, gender)
    pairs = (other[:, :, None] * p[:, None, :]).reshape(len(p), -1)
    names = [f"{first} {second}" for first in GENDER.columns for second in labels]
    return row | summary(pairs, truth(GENDER, gender.heard) * len(labels) + classes, people, names)


def _doubted(recipe: HeadRecipe, told: Told) -> tuple[Float64, Float64]:
    """Probabilities, and the limit of ``unsure`` for each, by what the other half of the people taught about doubt."""
    people = sorted({one.person for one in told.heard})
    half = np.array([people.index(one.person) % 2 for one in told.heard])
    p, limits = np.zeros_like(told.logits), np.zeros(len(half))
    for side in (0, 1):
        others = np.flatnonzero(half != side)
        warmth, below = _doubt(recipe, [Told(tuple(told.heard[at] for at in others), told.logits[others])])
        p[half == side] = shares_of(told.logits[half == side] / warmth)
        limits[half == side] = below
    return p, limits


def _doubt(recipe: HeadRecipe, told: Sequence[Told]) -> tuple[float, float]:
    """Temperature and the limit of ``unsure``; each measure weighs the same."""
    classes = np.concatenate([truth(recipe, one.heard) for one in told])
    weights = np.concatenate([np.full(len(one.heard), 1.0 / len(one.heard)) for one in told])
    every = np.concatenate([one.logits for one in told])
    warmth = temperature(every, classes, weights)
    return warmth, unsure_below(sureness(recipe, shares_of(every / warmth)), recipe.unsure_share, recipe.sure)


def _arrays(head: Linear, warmth: float) -> dict[str, Any]:
    return {
        "centre": head.centre,
        "scale": head.scale,
        "kernel": head.kernel,
        "bias": head.bias,
        "temperature": np.array(warmth, np.float32),
    }


def _card_of(recipe: HeadRecipe, file: str, below: float) -> dict[str, Any]:
    card: dict[str, Any] = {"file": file, "labels": list(recipe.columns), "unsure_below": round(below, 3)}
    if recipe.publish:
        card["publish"] = {label: list(parts) for label, parts in recipe.publish.items()}
    if recipe.min_speech_seconds:
        card["min_speech_seconds"] = recipe.min_speech_seconds
    return card


def _write(folder: Path, card: dict[str, Any], files: dict[str, dict[str, Any]]) -> None:
    """The pack, whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        fresh = Path(place) / "pack"
        fresh.mkdir(mode=0o755)
        for name, arrays in files.items():
            np.savez(fresh / name, **arrays)
        seal(fresh, card)
        if folder.exists():
            shutil.rmtree(folder)
        fresh.rename(folder)
