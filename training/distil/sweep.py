"""Tries settings of one distillation side by side.

Takes a recipe to begin with and what each setting changes in it, a teacher and a store. Gives a folder per setting, as
``earmark train`` would have made it, and all results in one table. Must hold: all settings learn from the same clips,
and the same held-out speakers judge them; a setting that is done is not done again.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edge.errors import UsageError
from edge.records import FeatureSpec
from training.data.store import Store
from training.distil.classroom import Classroom
from training.distil.fresh import FreshRecipe, learn
from training.recipe_keys import checked
from training.teachers.checkpoint import Weights

Say = Callable[[str], None]

CHANGEABLE: Final = ("architecture", "distil")
"""Whatever else a setting changed would change the clips or the judges, and nothing could be compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """``base``: the recipe that settings change. ``settings``: by name; an ``architecture`` replaces the one there,
    keys of ``distil`` replace those of the base (``losses`` as a whole).
    """

    name: str
    base: FreshRecipe
    settings: dict[str, FreshRecipe]
    changes: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain values: a recipe again."""
        return {"kind": "sweep", "name": self.name, "base": self.base.to_json(), "settings": self.changes}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Sweep:
        """Raises ``UsageError``."""
        given = checked("A sweep", values, _Keys, frozenset({"name", "base", "settings"}))
        changes = given["settings"]
        if not isinstance(changes, dict) or not changes:
            raise UsageError("A sweep has no settings", "Give an object: a name, and what it changes.")
        if len({_folder(name) for name in changes}) < len(changes):
            raise UsageError(
                "Two settings of a sweep would have one folder", "Let their names differ in letters or digits."
            )
        base = FreshRecipe.from_json(given["base"])
        settings = {name: _changed(base, name, change) for name, change in changes.items()}
        return cls(name=given["name"], base=base, settings=settings, changes=changes)


@dataclass(frozen=True, slots=True)
class _Keys:
    name: str
    base: dict[str, Any]
    settings: dict[str, Any]


def _changed(base: FreshRecipe, name: str, change: Any) -> FreshRecipe:
    if not isinstance(change, dict) or (unknown := sorted(set(change) - set(CHANGEABLE))):
        wrong = f" {unknown[0]!r}" if isinstance(change, dict) else " what is no object"
        raise UsageError(f"The setting {name!r} changes{wrong}", f"A setting changes {' and '.join(CHANGEABLE)}.")
    plain = base.to_json()
    plain["distil"] = plain["distil"] | change.get("distil", {}) | {"name": name}
    return FreshRecipe.from_json(
        plain | {"name": name, "architecture": change.get("architecture", plain["architecture"])}
    )


def _folder(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "setting"


def sweep(plan: Sweep, teacher: Weights, store: Store, spec: FeatureSpec, *, out: Path, say: Say) -> dict[str, Any]:
    """Train every setting to its end, one after another."""
    room = Classroom(teacher, store, spec, plan.base.choices, folder=out / "teacher", say=say)
    stages = []
    for name, recipe in plan.settings.items():
        say(f"setting: {name}")
        stages.append({"setting": name, **_one(recipe, room, out / _folder(name), say)})
    return {"recipe": plan.to_json(), **room.describe(), "stages": stages}


def _one(recipe: FreshRecipe, room: Classroom, out: Path, say: Say) -> dict[str, Any]:
    path = out / "report.json"
    described = json.loads(json.dumps({"recipe": recipe.to_json(), **room.describe()}))  # tuples are lists in JSON
    if path.exists():
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if {key: kept.get(key) for key in described} != described:
            raise UsageError(f"{out} holds another setting or other clips", "Give another --out, or remove it.")
        found: dict[str, Any] = kept["stages"][0]
        return found
    out.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    stage = learn(recipe, room, out, say) | {"seconds": round(time.monotonic() - begun)}
    path.write_text(json.dumps(described | {"stages": [stage]}, indent=2) + "\n", encoding="utf-8")
    return stage


def text(stages: list[dict[str, Any]]) -> str:
    """The table for a terminal: cosines to the teacher on held-out speakers, and what each setting costs."""
    width = max(len(stage["setting"]) for stage in stages)
    rows = [f"{'setting':{width}}  cosine  lowest tenth  M multiply-adds  k weights  seconds"]
    rows += [
        f"{stage['setting']:{width}}  {stage['cosine_mean']:6.3f}  {stage['cosine_p10']:12.3f}  "
        f"{stage['macs_per_window'] / 1e6:15.0f}  {stage['weights'] / 1e3:9.0f}  {stage['seconds']:7d}"
        for stage in stages
    ]
    return "\n".join(rows)
