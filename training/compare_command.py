"""``earmark compare``.

Takes arguments, gives an exit code; tables go to standard output, progress and what is left out to standard error.
Must hold: a peer that is not installed costs one line and its row, nothing else; outputs are written whole or not at
all.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from edge.errors import ExtraMissingError, UsageError
from training.finish import finish

if TYPE_CHECKING:
    from training.compare import Row
    from training.compare_peers import Contender

LIST_ENDING: Final = ".tsv"
LABELS: Final = "--labels"
"""Asks for the other comparison: label models instead of encoders."""

EXAMPLES: Final = """examples:
  earmark compare accurate baseline --speech ~/speech ~/trials/*.tsv
  earmark compare ./mine resemblyzer ecapa:embedding_model.ckpt --speech ~/speech --html compare.html ~/trials/*.tsv
  earmark compare --labels --speech ~/speech --runs models --out models.md
  earmark compare small=./out/bundle python:my_encoder:factory --speech ~/speech --limit 500 ~/trials/words-1s.tsv

What ends with .tsv is a trial list; all else is an encoder: the name or path of a bundle, resemblyzer, ecapa (package
speechbrain), ecapa:CHECKPOINT, campp:CHECKPOINT, trained:FOLDER (what `earmark train` made), or python:MODULE:FACTORY,
where FACTORY() gives a function from float32 samples (16 kHz, mono) to a vector. NAME= before it gives it another name.
docs/evaluation.md tells more. With --labels the recipes of gender, emotion and speaker models are compared instead:
earmark compare --labels --help
"""


def compare(argv: Sequence[str] | None = None) -> int:
    """Run ``earmark compare`` with the arguments after its name; gives the exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    if LABELS in given:
        return _labels([one for one in given if one != LABELS])
    parser = _parser()
    options = parser.parse_intermixed_args(argv)
    options.command_line = shlex.join([*parser.prog.split(), *(sys.argv[1:] if argv is None else argv)])
    return finish(_compare, options)


def _labels(arguments: Sequence[str]) -> int:
    from training.compare_cost import one_thread

    one_thread()  # before anything that counts cores is imported
    from training.classify.compare import compare_labels

    # By name: `convert` stands on this room, so nothing here may import it; only commands join the two.
    return compare_labels(arguments, import_module("convert.classifier").int8_file)


def _compare(options: argparse.Namespace) -> None:
    from training.compare_cost import one_thread

    one_thread()  # before anything that counts cores is imported
    from training import compare as comparison
    from training import compare_output as output
    from training.commands import Progress, folder, write
    from training.embeddings import EmbeddingCache
    from training.report import canvas
    from training.trials import Audio, read_list

    files, texts = _split(options.what)
    if options.html:
        canvas.require()  # refuse before the work, not after it
    lists = [read_list(Path(name)) for name in files]
    if len({found.name for found in lists}) < len(lists):
        raise UsageError("Two trial lists have the same name", "A report has one column per name: rename one file.")
    if options.limit:
        lists = [comparison.draw(found, options.limit, options.seed) for found in lists]
    speech = folder(options.speech)
    contenders, missing = _open(texts, options)
    with TemporaryDirectory(prefix="earmark-") as scratch:
        cache = EmbeddingCache(Path(options.cache or scratch))
        try:
            rows = comparison.compare(contenders, lists, Audio(speech), cache=cache, runs=options.runs, watch=Progress)
        finally:
            cache.close()
    report = json.dumps(_report(options, rows, missing), indent=1)
    if options.html:
        facts = _facts(options)
        write(Path(options.html), output.page(rows, facts, missing, pictures=True))
    if options.json == "-":
        print(report)
        return
    if options.json:
        write(Path(options.json), report + "\n")
    print(output.text(rows, markdown=options.markdown))
    print("\n" + output.NOTES)


def _split(what: Sequence[str]) -> tuple[list[str], list[str]]:
    """Trial lists, and encoders. Raises ``UsageError`` where there are none of a kind."""
    files = [text for text in what if text.endswith(LIST_ENDING)]
    texts = [text for text in what if not text.endswith(LIST_ENDING)]
    if not files:
        raise UsageError("There is no trial list", f"Name one or several files that end with {LIST_ENDING}.")
    if not texts:
        raise UsageError("There is no encoder to compare", "Name bundles or peers; --help lists the forms.")
    return files, texts


def _open(texts: Sequence[str], options: argparse.Namespace) -> tuple[list[Contender], list[str]]:
    """The contenders that are there, and a sentence about each that is not."""
    from training.compare_peers import open_contender

    opened: list[Contender] = []
    missing: list[str] = []
    for text in texts:
        try:
            opened.append(open_contender(text, runtime=options.runtime))
        except ExtraMissingError as error:
            missing.append(error.sentence())
            print(f"earmark: {error.sentence()}", file=sys.stderr)
    if not opened:
        raise ExtraMissingError("None of these encoders is installed", "Name a bundle, or install a peer.")
    names = [one.name for one in opened]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"Two encoders are called {twice[0]}", "Write NAME=... before one of them.")
    return opened, missing


def _facts(options: argparse.Namespace) -> dict[str, str]:
    from training.report.evaluation import machine_text

    return {
        "command": options.command_line,
        "measured": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": machine_text(),
    }


def _report(options: argparse.Namespace, rows: Sequence[Row], missing: Sequence[str]) -> dict[str, object]:
    return {
        **_facts(options),
        "seed": options.seed if options.limit else None,
        "limit": options.limit,
        "rows": [row.to_json() for row in rows],
        "missing": list(missing),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="earmark compare",
        usage="earmark compare ENCODER... --speech DIR [options] LIST.tsv...",
        description="Rank bundles and other speaker encoders by their errors and costs, side by side in one run.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("what", nargs="+", metavar="ENCODER|LIST", help="encoders, and trial lists (.tsv)")
    add("--speech", required=True, metavar="DIR", help="folder of the speech that the lists' paths refer to")
    add("--limit", type=_at_least(2), metavar="N", help="a random N trials of each list, for a quick look")
    add("--seed", type=int, default=1, help="of that draw (%(default)s)")
    add("--runs", type=_at_least(1), default=7, help="runs of which the least CPU time counts (%(default)s)")
    add("--runtime", choices=("auto", "litert", "tflite"), default="auto", help="interpreter (%(default)s)")
    add("--cache", metavar="DIR", help="keep embeddings here, so that the next run is quick")
    add("--json", metavar="OUT", help="write everything to this file as JSON (- for standard output)")
    add("--markdown", action="store_true", help="print the tables as Markdown")
    add("--html", metavar="OUT", help="write one page with tables and DET curves")
    return parser


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"must be {least} or more")
        return value

    return number
