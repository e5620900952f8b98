"""The commands of this room: ``earmark convert``.

Takes the command's arguments. Gives an exit code. Must hold: nothing heavy is imported before the arguments are
understood; a missing TensorFlow is reported with the line that installs it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from convert.limits import LEAST_MEAN_COSINE, MAX_EER_LOSS, MAX_RUNTIME_GAP
from convert.recipe import RECIPES, read_recipe
from edge.errors import EXIT_OK, EarmarkError, ExtraMissingError, UsageError

EXAMPLES: Final = """examples:
  earmark convert campplus --checkpoint campplus.pt --speech ~/speech --out accurate
  earmark convert campplus --checkpoint slim/weights.npz --recipe compact --speech ~/speech --out compact
  earmark convert trained --checkpoint small --speech ~/speech --out small-bundle
  earmark convert campplus --checkpoint campplus.pt --tuned tuned/weights.npz --speech ~/speech --out accurate
  earmark convert campplus --checkpoint campplus.pt --speech ~/speech --out accurate --variants --trials ~/trials/*.tsv

Nothing is written when the int8 file is worse than it may be: a mean cosine to float below --min-cosine,
more than --max-eer-loss points of EER above float on any trial list, or the runtimes more than --max-runtime-gap points
apart.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="earmark convert",
        description="Turn a trained speaker encoder into an int8 bundle, with a report of what that cost.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "teacher",
        choices=["campplus", "trained"],
        help="which network: campplus = CAM++ of 3D-Speaker, as it is or slimmed; trained = another family",
    )
    add(
        "--checkpoint",
        type=Path,
        required=True,
        help="its weights: a .pt file, or a .npz of `earmark train`; for trained the folder that `earmark train` made",
    )
    add("--tuned", type=Path, metavar="FILE", help="what `earmark train` made of it for int8 (a recipe of that kind)")
    add("--speech", type=Path, required=True, help="folder of recordings with a manifest.tsv")
    add("--out", type=Path, required=True, help="folder of the bundle; a bundle there is replaced")
    add("--recipe", default="", metavar="NAME", help="compact, or a JSON file (default: the teacher's recipe)")
    add("--variants", action="store_true", help="write the float32 and the dynamic-range file beside the bundle too")
    add("--trials", type=Path, nargs="+", default=[], metavar="LIST", help="trial lists (.tsv) to compare errors on")
    add(
        "--min-cosine",
        type=float,
        default=LEAST_MEAN_COSINE,
        metavar="COSINE",
        help="least mean cosine of any file to float32 (%(default)s); a --tuned network learns to hear otherwise",
    )
    add(
        "--max-eer-loss",
        type=float,
        default=MAX_EER_LOSS,
        metavar="POINTS",
        help="what int8 may lose on any list (%(default)s)",
    )
    add(
        "--max-runtime-gap",
        type=float,
        default=MAX_RUNTIME_GAP,
        metavar="POINTS",
        help="how far apart int8 may be on the two runtimes (%(default)s)",
    )
    add("--cache", type=Path, default=None, metavar="DIR", help="keep embeddings of the trial lists here")
    add("--report", type=Path, default=None, help="where the report goes (default: OUT.report.json)")
    add("--json", action="store_true", help="print the report as JSON")
    return parser


def _recipe(name: str) -> Path:
    """The shipped recipe of this name, or the file."""
    shipped = RECIPES / f"{name}.json"
    return shipped if shipped.is_file() and not Path(name).is_file() else Path(name)


def convert(argv: list[str]) -> int:
    """Run ``earmark convert``; returns the exit code."""
    arguments = _parser().parse_args(argv)
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - started:6.0f} s] {line}", file=sys.stderr, flush=True)

    try:
        path = _recipe(arguments.recipe or arguments.teacher)
        recipe = read_recipe(path)
        if recipe.teacher != arguments.teacher:
            raise UsageError(f"The recipe {path} is for {recipe.teacher}", "Give the one for this network")
        if find_spec("tensorflow") is None:
            raise ExtraMissingError(
                "Converting needs TensorFlow, which is not installed", "pip install 'earmark[train]'"
            )
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        from convert.campplus import Sources, build
        from convert.measure import Wishes

        sources = Sources(path.parent, arguments.checkpoint, arguments.speech, arguments.tuned)
        wishes = Wishes(
            variants=arguments.variants,
            trials=tuple(arguments.trials),
            min_cosine=arguments.min_cosine,
            max_eer_loss=arguments.max_eer_loss,
            max_runtime_gap=arguments.max_runtime_gap,
            cache=arguments.cache,
        )
        report = build(recipe, sources, arguments.out, say, wishes)
        tables = "\n\n".join(report.pop("tables"))
        text = json.dumps(report, indent=2, ensure_ascii=False)
        target = arguments.report or arguments.out.with_name(f"{arguments.out.name}.report.json")
        target.write_text(text + "\n", encoding="utf-8")
        say(f"wrote {arguments.out} and {target}")
        print(text if arguments.json else tables)
    except EarmarkError as error:
        print(f"earmark convert: {error.sentence()}", file=sys.stderr)
        return error.exit_code
    return EXIT_OK
