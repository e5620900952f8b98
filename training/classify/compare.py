"""``earmark compare --labels``: the recipes of label models side by side.

Takes arguments and a converter to int8. Gives an exit code; the table goes to standard output and, as asked, into a
Markdown file and a page. Must hold: what is trained already is not trained again; recipes that a missing extra stops
cost one line; every recipe is made smaller in the same way, and the result says how.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from edge.errors import EXIT_INTERRUPTED, EXIT_NO, EXIT_OK, EarmarkError, ExtraMissingError, UsageError
from training.classify import table
from training.classify.document import document
from training.classify.recipe import ClassifyRecipe
from training.classify.run import run
from training.classify.work import Convert, Say

RECIPES: Final = Path(__file__).resolve().parent.parent / "recipes"

SHIPPED: Final = (
    "gender-stats-dnn", "gender-xgboost", "gender-mfcc-cnn1d", "gender-mfcc-cnn2d", "voice-ml-baselines",
    "speaker-spectral-ann", "verify-mfcc-svc", "speaker-cnn-lstm", "speaker-spectrogram-cnn", "speaker-svm-transfer",
    "gender-emotion-conv1d",
)  # fmt: skip
"""In the order of the table."""

EXAMPLES: Final = """examples:
  earmark compare --labels --speech ~/speech --runs models --out models.md --html models.html
  earmark compare --labels gender-mfcc-cnn2d gender-xgboost --speech ~/speech --runs models
  earmark compare --labels --speech ~/speech --runs quick --most 10 --folds 1 --epochs 5
  earmark compare --labels --speech ~/speech --runs models --ready

Each recipe is trained in a folder of its own in --runs, as `earmark train` does; the same command goes on after Ctrl-C.
"""


def compare_labels(arguments: Sequence[str], convert: Convert | None) -> int:
    """Run the command with the arguments after ``--labels``; gives the exit code."""
    options = _parser().parse_intermixed_args(list(arguments))
    # What is shown is the line that makes the figures, not the one that looks at them.
    options.command_line = shlex.join(
        ["earmark", "compare", "--labels", *(one for one in arguments if one != "--ready")]
    )
    try:
        return _compare(options, convert)
    except EarmarkError as error:
        print(f"earmark: {error.sentence()}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("earmark: stopped; the same command goes on from the last checkpoint.", file=sys.stderr)
        return EXIT_INTERRUPTED


def _compare(options: argparse.Namespace, convert: Convert | None) -> int:
    if find_spec("keras") is None:
        raise ExtraMissingError("Label models need Keras, which is not installed", "pip install 'earmark[train]'")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    recipes = [smaller(read(name), options) for name in options.recipes or SHIPPED]
    begun = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - begun:6.0f} s] {line}", file=sys.stderr, flush=True)

    done: list[tuple[ClassifyRecipe, list[dict[str, Any]]]] = []
    for recipe in recipes:
        rows = _rows(recipe, options, convert, say)
        if rows is not None:
            done.append((recipe, rows))
    if not done:
        print("earmark: none of these recipes has been run here.", file=sys.stderr)
        return EXIT_NO
    _tell(done, [recipe.name for recipe in recipes], options)
    return EXIT_OK


def _rows(
    recipe: ClassifyRecipe, options: argparse.Namespace, convert: Convert | None, say: Say
) -> list[dict[str, Any]] | None:
    """A recipe's rows, trained for where they aren't there; None, and a line, where that can't be."""
    folder = options.runs / recipe.name
    kept = folder / "report.json"
    if kept.exists():
        report = json.loads(kept.read_text(encoding="utf-8"))
        if report["recipe"] == recipe.to_json():
            return list(report["rows"])
    if options.ready:
        print(f"earmark: {recipe.name} has not been run in {options.runs} with these settings.", file=sys.stderr)
        return None
    say(recipe.name)
    try:
        found = run(recipe, options.speech, folder, cache=options.runs / "features", convert=convert, say=say)
    except ExtraMissingError as error:
        print(f"earmark: {recipe.name}: {error.sentence()}", file=sys.stderr)
        return None
    kept.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return list(found["rows"])


def read(name: str) -> ClassifyRecipe:
    """A shipped recipe by its name, or a file. Raises ``UsageError``."""
    path = Path(name) if name.endswith(".json") else RECIPES / f"{name}.json"
    if path.parent == RECIPES and name not in SHIPPED:
        raise UsageError(f"There is no label recipe {name!r}", f"There are {', '.join(SHIPPED)}; or name a file.")
    try:
        return ClassifyRecipe.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise UsageError(f"The recipe {path} cannot be read ({error})", "Give a JSON file.") from error


def smaller(recipe: ClassifyRecipe, options: argparse.Namespace) -> ClassifyRecipe:
    """With at most the wanted epochs, folds and segments, where these are given."""
    fit, split = recipe.fit, recipe.split
    if options.epochs:
        fit = replace(fit, epochs=min(fit.epochs, options.epochs))
    if options.folds:
        split = replace(split, apart=min(split.apart, options.folds), same=min(split.same, options.folds))
    most = min(recipe.most_per_speaker, options.most) if options.most else recipe.most_per_speaker
    return replace(recipe, fit=fit, split=split, most_per_speaker=most)


def _tell(
    done: Sequence[tuple[ClassifyRecipe, list[dict[str, Any]]]], wanted: Sequence[str], options: argparse.Namespace
) -> None:
    from training.commands import write
    from training.report.evaluation import machine_text

    rows = [row for _, found in done for row in found]
    facts = {
        "command": options.command_line,
        "measured": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": machine_text(),
        "smaller": table.smaller(options.epochs, options.folds, options.most),
    }
    missing = [name for name in wanted if name not in {recipe.name for recipe, _ in done}]
    recipes = [recipe for recipe, _ in done]
    if options.out:
        write(options.out, document(recipes, rows, facts, missing))
    if options.html:
        write(options.html, table.page(rows, facts, _pictures(options.runs, recipes)))
    if options.json:
        print(json.dumps(facts | {"rows": rows, "missing": missing}, indent=1))
    else:
        print(table.text(rows, markdown=options.markdown))


def _pictures(runs: Path, recipes: Sequence[ClassifyRecipe]) -> dict[str, bytes]:
    """Confusion matrices, and the importances of the first fold, by what they show."""
    found = {}
    for recipe in recipes:
        folder = runs / recipe.name
        for path in [*sorted(folder.glob("*/confusion-*.png")), *sorted(folder.glob("*/apart-0/importances.png"))]:
            found[f"{recipe.name}, {path.relative_to(folder).with_suffix('')}"] = path.read_bytes()
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="earmark compare --labels",
        description="Train the recipes of gender, emotion and speaker models, and show them side by side.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("recipes", nargs="*", metavar="RECIPE", help=f"names or JSON files (all: {', '.join(SHIPPED)})")
    add("--speech", type=Path, required=True, metavar="DIR", help="recordings with a manifest.tsv")
    add("--runs", type=Path, default=Path("models"), metavar="DIR", help="where the models are (%(default)s)")
    add("--ready", action="store_true", help="train nothing: show what is there")
    add("--epochs", type=_positive, metavar="N", help="at most so many epochs, for a quicker look")
    add("--folds", type=_positive, metavar="N", help="at most so many folds")
    add("--most", type=_positive, metavar="N", help="at most so many segments of a speaker")
    add("--out", type=Path, metavar="FILE", help="write a Markdown document, such as docs/models.md")
    add("--html", type=Path, metavar="FILE", help="write one page with the table and the confusion matrices")
    add("--markdown", action="store_true", help="print the table as Markdown")
    add("--json", action="store_true", help="print everything as JSON")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value
