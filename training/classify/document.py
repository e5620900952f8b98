"""The comparison as a document: docs/models.md is what this wrote.

Takes recipes, the rows of their reports and facts about the run. Gives Markdown. Must hold: nothing in it was typed by
hand that a run could change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training.classify import inputs, table
from training.classify.recipe import ClassifyRecipe
from training.report.tables import layout

_BEGIN = """# Label models compared

<!-- Written by `earmark compare --labels --out`; do not edit. -->

Gender, emotion and speakers, by every approach of the projects that came before Earmark, as recipes of one framework
on the same splits. They are here to be compared and to be learnt from; what Earmark ships is described in
[encoder.md](encoder.md). Gender means the perceived gender of a voice. [training.md](training.md#label-models) says how
to train one.
"""


def document(
    recipes: Sequence[ClassifyRecipe],
    rows: Sequence[Mapping[str, Any]],
    facts: Mapping[str, str],
    missing: Sequence[str],
) -> str:
    """The whole document."""
    command = facts["command"]
    parts = [
        _BEGIN,
        f"    {command}\n",
        f"Measured {facts['measured']} on {facts['machine']}. {facts['smaller']}\n",
    ]
    if missing:
        parts.append(f"Not run: {', '.join(f'`{name}`' for name in missing)}.\n")
    parts += ["## Figures\n\nPercent, where nothing else is said.\n", table.text(rows, markdown=True) + "\n"]
    parts += [f"{note}\n" for note in table.NOTES]
    parts.append(
        "The forerunners' figures are their own, on their own recordings and splits: they say what was claimed, not "
        "what would have come out here.\n"
    )
    parts += ["## What the split does\n", _difference(rows)]
    parts += ["## On how much the figures stand\n", layout(table.amounts(rows), markdown=True) + "\n"]
    parts += ["## The recipes\n", layout(_described(recipes), markdown=True) + "\n"]
    return "\n".join(parts)


def _difference(rows: Sequence[Mapping[str, Any]]) -> str:
    """How much each model loses on what it has not met."""
    found = [["recipe", "model", "tells", "UAR same", "UAR apart", "lost"]]
    for row in rows:
        if row.get("same") and row.get("apart"):
            same, apart = 100 * row["same"]["uar"], 100 * row["apart"]["uar"]
            found.append([*table.cells([row])[1][:3], f"{same:.1f}", f"{apart:.1f}", f"{same - apart:.1f}"])
    return layout(found, markdown=True) + "\n"


def _described(recipes: Sequence[ClassifyRecipe]) -> list[list[str]]:
    found = [["recipe", "", "input", "network", "epochs at most", "folds apart, same"]]
    for recipe in recipes:
        for model in recipe.models:
            shape = " x ".join(map(str, inputs.shape(model.input)))
            found.append(
                [
                    f"`{recipe.name}`", recipe.summary, f"{model.input.kind}, {model.input.seconds:g} s: {shape}",
                    model.network, str(recipe.fit.epochs),
                    f"{recipe.split.apart} of {recipe.split.parts}, {recipe.split.same}",
                ]
            )  # fmt: skip
    return found
