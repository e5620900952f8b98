"""``earmark bench verify``: how often strangers are let in and people refused, and how long an answer takes.

Takes arguments, gives an exit code. Must hold: results go to standard output, progress to standard error; files are
written whole or not at all.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, Final

from training.bench.command import head, opened, parser, tell
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
    from training.commands import Progress
    from training.verify_bench.attempts import answers, sides
    from training.verify_bench.figures import figures
    from training.verify_bench.plan import conditions
    from training.verify_bench.table import text
    from training.verify_bench.waiting import waits

    with opened(options) as bench:
        plan = conditions(bench.recordings, options.split, options.seed)
        with Progress("listening to attempts") as progress:
            heard = bench.embedder.hear_all(sides(plan), progress)
        decide = bench.settings.decide
        rows = [row for one in plan for row in figures(one, answers(one, heard, bench.scorer, decide))]
        timed = [bench.audio.utterances(side)[0] for person in plan[0].people for side in person.attempts[:3]][:_TIMED]
        waiting = _waiting(waits(bench.bundle, bench.settings, timed))
        tell(head(bench, options) | {"rows": rows, "waiting": waiting}, options, text)


def _waiting(found: Any) -> dict[str, float | int]:
    import numpy as np

    names = {"silence_ms": found.silence_ms, "computing_ms": found.computing_ms}
    summed: dict[str, float | int] = {"utterances": len(found.silence_ms)}
    for name, values in names.items():
        for word, share in (("median", 50), ("p95", 95)):
            summed[f"{name}_{word}"] = round(float(np.percentile(values, share)), 1) if values else float("nan")
    return summed


def _parser() -> argparse.ArgumentParser:
    return parser(
        "earmark bench verify",
        "How often strangers are let in and people refused, per attempt and in three attempts, and how "
        "long an answer takes. The decisions are those of `earmark verify`, at each profile.",
        EXAMPLES,
    )
