"""``earmark data fetch``: a public set of speech, by its name.

Takes arguments, gives an exit code. Must hold: the licence is shown before the first byte is fetched; after Ctrl-C the
same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Final

from edge.cli.console import Console
from edge.cli.console import count as counted
from edge.errors import EXIT_OK

DESCRIPTION: Final = "Fetch a public set of speech: shows its licence, checks what it fetches, unpacks it."

EXAMPLES: Final = """examples:
  earmark data fetch librispeech --part dev-clean --to ~/sets --accept-licence CC-BY-4.0
  earmark data fetch ravdess --to ~/sets
  earmark data fetch librivox --to ~/sets --url https://archive.org/compress/aesop_fables_librivox/aesop.zip

Without --accept-licence it asks, where there is a terminal. An interrupted download goes on where it stopped when the
same command is given again. Archives without a published checksum are compared with their own first download.
earmark data list shows what there is.
"""


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add = parser.add_argument
    add("name", metavar="NAME", help="of the set, as earmark data list shows it")
    add("--to", type=Path, required=True, metavar="DIR", help="folder of sets; this one becomes DIR/NAME")
    add("--part", action="append", default=[], metavar="PART", help="of a set in parts, or all; may be given again")
    add("--accept-licence", action="append", default=[], metavar="LICENCE", help="by its short name, as it is shown")
    add("--mirror", default="", metavar="URL", help="folder elsewhere that holds the archives under the same names")
    add("--url", action="append", default=[], metavar="URL", help="of an archive that you know; may be given again")
    add("--no-unpack", action="store_true", help="leave the archives as they are")
    add("--remove-archives", action="store_true", help="remove the archives once they are unpacked")


def run(args: argparse.Namespace, console: Console) -> int:
    """Do it; the exit code."""
    from training.datasets.catalogue import readable, set_named
    from training.datasets.fetch import Choices, fetch

    dataset = set_named(args.name)
    choices = Choices(
        tuple(args.part), args.mirror, tuple(args.url), tuple(args.accept_licence), not args.no_unpack,
        not args.remove_archives,
    )  # fmt: skip
    try:
        fetched = fetch(dataset, args.to, choices, console)
    except KeyboardInterrupt:
        console.note("stopped; the same command goes on from here")
        raise
    folder = args.to / dataset.name
    if args.json:
        console.emit(
            {
                "name": dataset.name,
                "licence": dataset.licence,
                "folder": str(folder) if choices.unpack else "",
                "archives": [asdict(one) for one in fetched],
            }
        )
        return EXIT_OK
    for one in fetched:
        told = "checked against the published checksum" if one.checked == "published" else "as at its first download"
        console.say(f"{one.file}: {readable(one.size)}, {told}{'' if one.new else ', was there already'}")
    console.say(f"{folder if choices.unpack else counted(len(fetched), 'archive')}")
    if choices.unpack:
        console.note(f"Next: earmark data list --speech {folder}")
    return EXIT_OK
