"""``earmark bundle``: check a bundle, put it to use under a running daemon, take that back."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from edge.cli import options
from edge.cli.console import Console, printable, table

if TYPE_CHECKING:
    from edge.cli.bundle_change import Change

DESCRIPTION = """
Check a bundle, or change the bundle that the daemon on this machine listens with.

`install` copies it beside the one in use, verifies every file's hash (and its signature, where the settings name a
key), lets its name mean the new one from one moment to the next, and tells the daemon to reload. The daemon decides
what is being said, keeps its undelivered messages, and goes on with the new bundle. Where it does not come back well,
the former bundle is put back. A bundle of another embedding space is refused while people are enrolled, since nobody
would be recognised any more until enrolled again.

exit codes: 0 done; 1 refused, or taken back; 2 usage; 5 no bundle, or one that cannot be used here
"""
EXAMPLES = """
earmark bundle check accurate-1.1.0.earmark
sudo earmark bundle install accurate-1.1.0.earmark
sudo earmark bundle install other.earmark --force       everybody has to enrol again
sudo earmark bundle back accurate
"""
_WAIT_SECONDS = 60.0
_SETTLE_SECONDS = 2.0


def register(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("action", choices=("check", "install", "back"))
    parser.add_argument("what", metavar="FILE", help="an .earmark file or a folder; for `back` the name of a bundle")
    parser.add_argument("--sha256", metavar="HEX", help="the SHA-256 that the file must have")
    parser.add_argument("--force", action="store_true", help="install it although people have to enrol again")
    parser.add_argument(
        "--wait",
        type=options.seconds,
        default=_WAIT_SECONDS,
        metavar="SECONDS",
        help="how long the daemon may take to come back (%(default)g)",
    )
    parser.add_argument(
        "--settle",
        type=options.seconds,
        default=_SETTLE_SECONDS,
        metavar="SECONDS",
        help="how long it must then be well (%(default)g)",
    )
    options.add_place(parser)


def run(args: argparse.Namespace) -> int:
    """Do the action."""
    from edge.cli import bundle_change
    from edge.cli.opening import open_settings
    from edge.errors import EXIT_OK
    from edge.settings import state_place

    console: Console = args.console
    if args.action == "check":
        offer = bundle_change.offered(args)
        settings = open_settings(args)
        bundle_change.verify(offer.path, settings, state_place(settings, args.state))
        if console.json:
            console.emit(offer.to_json())
        else:
            for line in table(list(offer.words().items())):
                console.say(printable(line))
        return EXIT_OK
    change = bundle_change.install(args) if args.action == "install" else bundle_change.back(args)
    _tell(console, change)
    return EXIT_OK


def _tell(console: Console, change: Change) -> None:
    if console.json:
        console.emit(change.to_json())
        return
    console.say(printable(change.sentence()))
    for advice in change.advice():
        console.note(printable(advice))
