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

from convert.recipe import RECIPES, read_recipe
from edge.errors import EXIT_OK, EarmarkError, ExtraMissingError, UsageError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="earmark convert",
        description="Turn a trained speaker encoder into an int8 bundle, with a report of what that cost.",
        epilog="Example:\n  earmark convert campplus --checkpoint campplus.pt --speech ~/speech --out accurate",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("teacher", choices=["campplus"], help="which network: campplus = CAM++ of 3D-Speaker")
    add("--checkpoint", type=Path, required=True, help="its weights, a .pt file")
    add("--speech", type=Path, required=True, help="folder of recordings with a manifest.tsv")
    add("--out", type=Path, required=True, help="folder of the bundle; a bundle there is replaced")
    add("--recipe", type=Path, default=None, help="JSON file with every choice (default: the shipped one)")
    add("--report", type=Path, default=None, help="where the report goes (default: OUT.report.json)")
    add("--json", action="store_true", help="print the report as JSON")
    return parser


def convert(argv: list[str]) -> int:
    """Run ``earmark convert``; returns the exit code."""
    arguments = _parser().parse_args(argv)
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - started:6.0f} s] {line}", file=sys.stderr, flush=True)

    try:
        path = arguments.recipe or RECIPES / f"{arguments.teacher}.json"
        recipe = read_recipe(path)
        if recipe.teacher != arguments.teacher:
            raise UsageError(f"The recipe {path} is for {recipe.teacher}", "Give the one for this network")
        if find_spec("tensorflow") is None:
            raise ExtraMissingError(
                "Converting needs TensorFlow, which is not installed", "pip install 'earmark[train]'"
            )
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        from convert.campplus import Sources, build

        report = build(recipe, Sources(path.parent, arguments.checkpoint, arguments.speech), arguments.out, say)
        text = json.dumps(report, indent=2, ensure_ascii=False)
        target = arguments.report or arguments.out.with_name(f"{arguments.out.name}.report.json")
        target.write_text(text + "\n", encoding="utf-8")
        say(f"wrote {arguments.out} and {target}")
        print(text if arguments.json else _summary(report))
    except EarmarkError as error:
        print(f"earmark convert: {error.sentence()}", file=sys.stderr)
        return error.exit_code
    return EXIT_OK


def _summary(report: dict[str, object]) -> str:
    lines = [f"{'runtime':28s} utterances  cosine mean   p5      min     CPU-ms/s"]
    parity = report["parity"]
    assert isinstance(parity, list)
    for row in parity:
        lines.append(
            f"{row['runtime']:28s} {row['utterances']:10d}  {row['cosine_mean']:11.4f}  {row['cosine_p5']:.4f}  "
            f"{row['cosine_min']:.4f}  {row['cpu_ms_per_s']:7.2f}"
        )
    return "\n".join(lines)
