"""``earmark bench verify``: how often strangers are let in and people refused, and how long an answer takes.

Takes arguments, gives an exit code. Must hold: results go to standard output, progress to standard error; files are
written whole or not at all.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from training.finish import finish

EXAMPLES: Final = """examples:
  earmark bench verify --speech ~/speech
  earmark bench verify --speech ~/speech --bundle compact --cache ~/embeddings --json verify.json
  earmark bench verify --speech ~/speech --markdown > table.md

--speech is a folder with a manifest.tsv (docs/training-data.md). People enrol with five clips of four seconds and try
with three seconds; everybody is an impostor for everybody else. Take a split that the bundle did not learn from.
"""
_TIMED: Final = 40


def bench_verify(argv: Sequence[str] | None = None) -> int:
    """Run ``earmark bench verify`` with the arguments after its name; gives the exit code."""
    return finish(_bench, _parser().parse_args(argv))


def _bench(options: argparse.Namespace) -> None:
    from edge.bundle import open_bundle
    from edge.scoring import Calibration, Scorer
    from edge.settings import Settings
    from training.commands import Progress, folder, write
    from training.corpus import read_manifest
    from training.embeddings import Embedder, EmbeddingCache
    from training.report.evaluation import machine_text
    from training.trials import Audio
    from training.verify_bench.attempts import answers, sides
    from training.verify_bench.figures import figures
    from training.verify_bench.plan import conditions
    from training.verify_bench.waiting import waits

    speech = folder(options.speech)
    bundle = open_bundle(options.bundle)
    plan = conditions(read_manifest(speech), options.split, options.seed)
    scorer = Scorer(Calibration.from_json(bundle.calibration), bundle.cohort)
    audio, settings = Audio(speech), Settings()
    with TemporaryDirectory(prefix="earmark-") as scratch:
        cache = EmbeddingCache(Path(options.cache or scratch))
        try:
            embedder = Embedder(bundle, audio, cache=cache, runtime=bundle.runtime)
            with Progress("listening to attempts") as tell:
                heard = embedder.hear_all(sides(plan), tell)
        finally:
            cache.close()
    rows = [row for one in plan for row in figures(one, answers(one, heard, scorer, settings.decide))]
    timed = [audio.utterances(side)[0] for person in plan[0].people for side in person.attempts[:3]][:_TIMED]
    report = {
        "bundle": f"{bundle.name}-{bundle.card['version']}",
        "speech_split": options.split,
        "measured": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": machine_text(),
        "rows": rows,
        "waiting": _waiting(waits(bundle, settings, timed)),
    }
    if options.json and options.json != "-":
        write(Path(options.json), json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1) if options.json == "-" else _text(report, options.markdown))


def _waiting(found: Any) -> dict[str, float | int]:
    import numpy as np

    names = {"silence_ms": found.silence_ms, "computing_ms": found.computing_ms}
    summed: dict[str, float | int] = {"utterances": len(found.silence_ms)}
    for name, values in names.items():
        for word, share in (("median", 50), ("p95", 95)):
            summed[f"{name}_{word}"] = round(float(np.percentile(values, share)), 1) if values else float("nan")
    return summed


def _text(report: dict[str, Any], markdown: bool) -> str:
    from training.verify_bench.table import text

    return text(report, markdown=markdown)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="earmark bench verify",
        description="How often strangers are let in and people refused, per attempt and in three attempts, and how "
        "long an answer takes. The decisions are those of `earmark verify`, at each profile.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--speech", required=True, metavar="DIR", help="recordings with a manifest.tsv")
    add("--bundle", default="accurate", metavar="NAME", help="the model (%(default)s)")
    add("--split", default="dev", metavar="NAME", help="whose people try (%(default)s)")
    add("--seed", type=int, default=1, metavar="N", help="of the choice of recordings (%(default)s)")
    add("--cache", metavar="DIR", help="keep embeddings here for the next run")
    add("--json", nargs="?", const="-", metavar="FILE", help="the report as JSON, to a file or to standard output")
    add("--markdown", action="store_true", help="print tables in Markdown")
    return parser
