"""``earmark data import``: sets in their own layouts become 16 kHz mono with a manifest, which every command takes.

Takes arguments, gives an exit code: 1 when files were set aside. Must hold: what was set aside is counted by reason and
listed in ``set-aside.tsv``; after Ctrl-C the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from edge.cli.console import Console
from edge.cli.progress import Progress
from edge.errors import EXIT_NO, EXIT_OK
from training.data.executors import FORMS

DESCRIPTION: Final = "Bring sets of speech into one folder: 16 kHz mono files and a manifest."

EXAMPLES: Final = """examples:
  earmark data import ~/sets/ravdess --to ~/speech
  earmark data import ~/audiobooks --layout librivox --to ~/speech --dev 0.2 --workers processes
  earmark data import ~/recordings --layout folders --name family --language de --to ~/speech

Several imports into one folder add up; a set that is imported again replaces itself. Files that are 16 kHz mono already
are linked, not copied, where the disk allows it. docs/datasets.md shows the layouts that are recognised.
"""


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add = parser.add_argument
    add("source", type=Path, metavar="DIR", help="a set, or a folder of sets")
    add("--to", type=Path, required=True, metavar="DIR", help="folder of the result")
    add("--layout", default="", metavar="NAME", help="which layout it is, where that can't be told (recognised)")
    add("--cut", type=float, metavar="SECONDS", help="cut into pieces of this length, 0: none (LibriVox 5, others 0)")
    add("--dev", type=float, default=0.0, metavar="SHARE", help="of the people to hold out, in sets without splits (0)")
    add("--seed", type=int, default=1, help="of who is held out (%(default)s)")
    add("--language", default="", metavar="CODE", help="where the set says none, such as de")
    add("--name", default="", metavar="NAME", help="of the set, for a folder per person (the folder's name)")
    add("--workers", default="serial", metavar="HOW", help=f"{FORMS} (%(default)s)")


def run(args: argparse.Namespace, console: Console) -> int:
    """Do it; the exit code."""
    from training.data.executors import parse
    from training.datasets.importing import Choices, import_speech

    parse(args.workers)
    choices = Choices(args.layout, args.cut, args.dev, args.seed, args.language, args.name)
    with Progress(console, "importing", 1.0) as bar:

        def tell(done: int, total: int) -> None:
            bar.advance(1 / total, f"{done} of {total} files")

        try:
            made = import_speech(args.source, args.to, choices, args.workers, tell)
        except KeyboardInterrupt:
            console.note("stopped; the same command goes on from here")
            raise
    people = {(row.set, row.speaker) for row in made.recordings if row.speaker}
    hours = sum(row.seconds for row in made.recordings) / 3600
    if args.json:
        console.emit(
            {
                "folder": str(made.folder),
                "layouts": list(made.layouts),
                "clips": len(made.recordings),
                "people": len(people),
                "hours": round(hours, 3),
                "set_aside": [{"path": one.path, "reason": one.reason} for one in made.set_aside],
            }
        )
    else:
        console.say(f"{made.folder}: {', '.join(made.layouts)}")
        console.say(f"{len(made.recordings)} clips of {len(people)} people, {hours:.2f} h")
        if made.set_aside:
            console.say(f"{len(made.set_aside)} set aside, listed with reasons in {made.folder / 'set-aside.tsv'}")
            for one in made.set_aside[:3]:
                console.say(f"  {one.path}: {one.reason}")
        if made.undivided and not args.dev:
            console.note(f"Everybody of {', '.join(made.undivided)} is in train; --dev 0.2 holds a fifth of them out.")
    return EXIT_NO if made.set_aside else EXIT_OK
