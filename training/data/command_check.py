"""``earmark data check``: does a folder of speech hold what its manifest, or its layout, says?

Takes arguments, gives an exit code: 1 when something is wrong. Must hold: a table shows every kind of problem with its
number, and the first of each by name; ``--json`` shows all.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from edge.cli.console import Console
from edge.cli.progress import Progress
from edge.errors import EXIT_NO, EXIT_OK
from training.data.command_list import table
from training.data.executors import FORMS

DESCRIPTION: Final = (
    "Look for bad files in a folder of speech, whatever its layout; exit code 1 when something is wrong."
)

EXAMPLES: Final = """examples:
  earmark data check ~/speech
  earmark data check ~/speech --decode --workers processes --json
  earmark data check ~/sets/ravdess

Without --decode only the heads of the files are read and their bytes compared: quick, but damage inside a file stays
unseen.
"""

_SHOWN: Final = 3


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("speech", type=Path, metavar="DIR", help="folder of recordings, with a manifest or a known set")
    parser.add_argument("--layout", default="", metavar="NAME", help="of the set, where it can't be told (recognised)")
    parser.add_argument("--decode", action="store_true", help="read every sample")
    parser.add_argument("--all", action="store_true", help="show every problem, not the first few of each kind")
    parser.add_argument("--workers", default="serial", metavar="HOW", help=f"{FORMS} (%(default)s)")


def run(args: argparse.Namespace, console: Console) -> int:
    """Do it; the exit code."""
    from training.data.check import check, of_set_aside
    from training.data.executors import parse
    from training.datasets.speech import read_speech

    parse(args.workers)
    with Progress(console, "reading") as bar:
        speech = read_speech(args.speech, args.layout, bar.advance)
    recordings = speech.recordings
    hours = sum(recording.seconds for recording in recordings) / 3600
    with Progress(console, "checking", len({recording.path for recording in recordings})) as bar:
        problems = of_set_aside(speech.set_aside)
        problems += check(
            args.speech, recordings, how=args.workers, decode=args.decode, convert=speech.converts, progress=bar.advance
        )
    if args.json:
        console.emit(
            {"clips": len(recordings), "hours": round(hours, 3), "problems": [asdict(one) for one in problems]}
        )
    elif not problems:
        console.say(f"{len(recordings)} clips, {hours:.2f} h: nothing is wrong")
    else:
        console.say(f"{len(recordings)} clips, {hours:.2f} h, {len(problems)} problems")
        counts = Counter(one.kind for one in problems)
        rows: list[dict[str, Any]] = []
        for kind, count in counts.items():
            mine = [one for one in problems if one.kind == kind]
            for number, one in enumerate(mine if args.all else mine[:_SHOWN]):
                head: dict[str, Any] = {"problem": "" if number else kind, "number": "" if number else str(count)}
                rows.append(head | {"what": one.what, "detail": one.detail})
            if len(mine) > _SHOWN and not args.all:
                rows.append({"problem": "", "number": "", "what": "...", "detail": ""})
        console.say(table(rows))
    return EXIT_NO if problems else EXIT_OK
