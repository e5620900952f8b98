"""``earmark train RECIPE``: makes a network as a recipe says.

Takes arguments, gives an exit code; progress goes to standard error, the report to standard output. Must hold: every
kind of recipe is one row of ``KINDS``; nothing heavy is imported before the arguments are understood; the same command
goes on where an interrupted one stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from edge.errors import EXIT_INTERRUPTED, EXIT_OK, EarmarkError, ExtraMissingError, UsageError

Say = Callable[[str], None]

RECIPES: Final = Path(__file__).resolve().parent / "recipes"

EXAMPLES: Final = """examples:
  earmark data prepare --speech ~/speech --cache ~/features --views 2
  earmark train slim-550 --cache ~/features/FOLDER --teacher campplus_cn_en_common.pt --out slim
  earmark train time-delay --cache ~/features/FOLDER --teacher campplus_cn_en_common.pt --out tdnn
  earmark train quantise-aware --cache ~/features/FOLDER --teacher campplus_cn_en_common.pt --out tuned
  earmark train gender-mfcc-cnn2d --speech ~/speech --out gender
  earmark train digits --speech ~/speech --kokoro ~/kokoro --out digits
  earmark train digits --words ziffern.txt --language de --speech ~/ziffern --out ziffern
  earmark train emotion-ravdess --bundle accurate --speech ~/speech --out emotion
  earmark train ./mine.json --cache ~/features/FOLDER --teacher campplus_cn_en_common.pt --out mine
  earmark convert campplus --checkpoint slim/weights.npz --recipe RECIPE --speech ~/speech --out slim-bundle

--cache is a folder that `earmark data prepare` made; it may be given again. OUT then holds weights.npz, report.json,
and per stage the effective recipe, a log.csv and, while it lasts, a checkpoint. The same command goes on after Ctrl-C.
Label models (gender-, speaker-, verify-, voice-) learn from recordings, --speech: docs/models.md compares them.
"""


def _slim(raw: dict[str, Any], args: argparse.Namespace, say: Say) -> dict[str, Any]:
    from training.data.choices import features_of
    from training.data.store import Store
    from training.slim.recipe import SlimRecipe
    from training.slim.run import Slimming

    recipe = SlimRecipe.from_json(raw)
    teacher = _teacher(args)
    return Slimming(recipe, teacher, Store(_prepared(args)), features_of(recipe.features), args.out).run(say)


def _distil(raw: dict[str, Any], args: argparse.Namespace, say: Say) -> dict[str, Any]:
    from training.data.choices import features_of
    from training.data.store import Store
    from training.distil.fresh import FreshRecipe, teach

    recipe = FreshRecipe.from_json(raw)
    teacher = _teacher(args)
    return teach(recipe, teacher, Store(_prepared(args)), features_of(recipe.features), out=args.out, say=say)


def _sweep(raw: dict[str, Any], args: argparse.Namespace, say: Say) -> dict[str, Any]:
    from training.data.choices import features_of
    from training.data.store import Store
    from training.distil.sweep import Sweep, sweep

    plan = Sweep.from_json(raw)
    teacher = _teacher(args)
    return sweep(plan, teacher, Store(_prepared(args)), features_of(plan.base.features), out=args.out, say=say)


def _quantise(raw: dict[str, Any], args: argparse.Namespace, say: Say) -> dict[str, Any]:
    # By name: `convert` stands on this room, so nothing here may import it; only this command joins the two.
    tune = import_module("convert.qat.run").tune_by_recipe
    report: dict[str, Any] = tune(raw, _teacher(args), args.checkpoint, _prepared(args), out=args.out, say=say)
    return report


def _classify(raw: dict[str, Any], args: argparse.Namespace, say: Say) -> dict[str, Any]:
    from training.classify.recipe import ClassifyRecipe
    from training.classify.run import run

    if args.speech is None:
        raise UsageError("This recipe learns from recordings", "Name their folder, with a manifest.tsv, with --speech.")
    convert = import_module("convert.classifier").int8_file  # by name, as above
    cache = args.cache[0] if args.cache else None
    return run(ClassifyRecipe.from_json(raw), args.speech, args.out, cache=cache, convert=convert, say=say)


def _head(raw: dict[str, Any], args: argparse.Namespace, say: Say) -> dict[str, Any]:
    from training.heads.recipe import HeadRecipe
    from training.heads.run import make_heads

    recipe = HeadRecipe.from_json(raw)
    if args.speech is None:
        raise UsageError("A label head learns from recordings", "Name a folder with a manifest.tsv: --speech.")
    return make_heads(recipe, args.bundle or ["accurate"], args.speech, args.out, say)


def _digits(raw: dict[str, Any], args: argparse.Namespace, say: Say) -> dict[str, Any]:
    from training.digits.recipe import DigitsRecipe
    from training.digits.run import Digits

    if args.speech is None:
        raise UsageError("A digit recogniser learns from recordings", "Name their folder with --speech.")
    if args.words is not None:
        lines = args.words.read_text(encoding="utf-8").splitlines() if args.words.is_file() else []
        raw = raw | {"words": lines, "language": args.language or "xx", "name": f"digits-{args.language or 'xx'}"}
    convert = import_module("convert.digits").int8_file  # by name, as above
    recipe = DigitsRecipe.from_json(raw)
    return Digits(
        recipe, args.speech, args.out, test=args.test or (), convert=convert, say=say, kokoro=args.kokoro
    ).run()


def _prepared(args: argparse.Namespace) -> list[Path]:
    if not args.cache:
        raise UsageError("This recipe learns from prepared features", "Name what `earmark data prepare` made: --cache.")
    return list(args.cache)


def _teacher(args: argparse.Namespace) -> dict[str, Any]:
    from training.teachers.checkpoint import read_checkpoint

    if args.teacher is None:
        raise UsageError("This recipe needs a network to learn from", "Give its checkpoint with --teacher.")
    # Scalars count batches in the original training, and nothing else.
    return {name: value for name, value in read_checkpoint(args.teacher).items() if value.ndim}


KINDS: Final[dict[str, Callable[[dict[str, Any], argparse.Namespace, Say], dict[str, Any]]]] = {
    "slim": _slim,
    "distil": _distil,
    "sweep": _sweep,
    "quantise": _quantise,
    "classify": _classify,
    "head": _head,
    "digits": _digits,
}
"""What a recipe's ``kind`` stands for."""


def recipe_path(name: str) -> Path:
    """A shipped recipe by its name, or a file. Raises ``UsageError`` naming what there is."""
    path = Path(name)
    if path.suffix == ".json" or "/" in name:
        return path
    shipped = RECIPES / f"{name}.json"
    if not shipped.exists():
        raise UsageError(f"There is no recipe {name!r}", f"There are {', '.join(shipped_recipes())}; or name a file.")
    return shipped


def shipped_recipes() -> tuple[str, ...]:
    """Names of the recipes that ``earmark train`` takes."""
    found = []
    for path in sorted(RECIPES.glob("*.json")):
        if json.loads(path.read_text(encoding="utf-8")).get("kind") in KINDS:
            found.append(path.stem)
    return tuple(found)


def train(argv: Sequence[str] | None = None) -> int:
    """Run ``earmark train`` with the arguments after its name; gives the exit code."""
    args = _parser().parse_args(argv)
    begun = time.monotonic()

    def say(line: str) -> None:
        if not args.quiet:
            print(f"[{time.monotonic() - begun:6.0f} s] {line}", file=sys.stderr, flush=True)

    try:
        kind, raw = _read(recipe_path(args.recipe))
        if find_spec("keras") is None:
            raise ExtraMissingError("Training needs Keras, which is not installed", "pip install 'earmark[train]'")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        args.out.mkdir(parents=True, exist_ok=True)
        report = KINDS[kind](raw, args, say) | {"seconds": round(time.monotonic() - begun), "machine": _machine()}
        (args.out / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    except EarmarkError as error:
        print(f"earmark: {error.sentence()}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("earmark: stopped; the same command goes on from the last checkpoint.", file=sys.stderr)
        return EXIT_INTERRUPTED
    print(json.dumps(report, indent=2) if args.json else _told(args.out, report))
    return EXIT_OK


def _told(out: Path, report: dict[str, Any]) -> str:
    if "left_out" in report:
        from training.digits.told import text as digits_text

        return digits_text(report)
    if "pack" in report:
        from training.heads.told import text as heads_text

        return f"{heads_text(report['figures'])}\n{report['pack']}"
    if isinstance(report.get("rows"), list):
        from training.classify.table import text

        return f"{text(report['rows'])}\n{out / 'report.json'}"
    if "setting" in report["stages"][-1]:
        from training.distil.sweep import text as sweep_text

        return f"{sweep_text(report['stages'])}\n{out / 'report.json'}"
    return f"{out / 'weights.npz'}: {report['stages'][-1]}"


def _machine() -> dict[str, Any]:
    import keras

    return {
        "keras": f"{keras.__version__} on {keras.backend.backend()}",
        "python": platform.python_version(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
    }


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"The recipe {path} cannot be read ({error})", "Give a JSON file.") from error
    kind = raw.get("kind") if isinstance(raw, dict) else None
    if kind not in KINDS:
        raise UsageError(f"The recipe {path} is of the kind {kind!r}", f"Known are {', '.join(KINDS)}.")
    return kind, raw


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="earmark train",
        description=f"Make a network as a recipe says. Shipped recipes: {', '.join(shipped_recipes())}.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("recipe", metavar="RECIPE", help="name of a shipped recipe, or a JSON file")
    add(
        "--cache",
        type=Path,
        action="append",
        metavar="DIR",
        help="prepared features; may be repeated; of a label model: where its features are kept (OUT/features)",
    )
    add("--speech", type=Path, metavar="DIR", help="recordings with a manifest.tsv that a label model learns from")
    add(
        "--bundle",
        action="append",
        metavar="NAME",
        help="bundle that a label head stands on (accurate); may be repeated",
    )
    add("--words", type=Path, metavar="FILE", help="words of a digit recogniser, a line each (docs/digits.md)")
    add("--language", metavar="NAME", help="of these words, as espeak-ng calls it: de, fr, ar ...")
    add("--kokoro", type=Path, metavar="DIR", help="files of Kokoro-82M, whose voices say digits, too (docs/digits.md)")
    add("--test", type=Path, action="append", metavar="DIR", help="recordings to measure a digit recogniser with")
    add("--teacher", type=Path, metavar="FILE", help="checkpoint of the teacher, .pt or .npz")
    add("--checkpoint", type=Path, metavar="FILE", help="network that a recipe of the kind quantise begins with")
    add("--out", type=Path, required=True, metavar="DIR", help="where everything goes; an interrupted run goes on")
    add("--json", action="store_true", help="print the report as JSON")
    add("--quiet", action="store_true", help="the result only")
    return parser
