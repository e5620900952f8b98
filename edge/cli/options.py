"""Options that several commands share, and a parser that reports its errors as ``UsageError``.

Takes a parser, adds arguments. Must hold: an option means the same in every command, before or after its name.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final, NoReturn

from edge.errors import UsageError


class Parser(argparse.ArgumentParser):
    """No abbreviations (they break scripts when an option is added), and errors as exceptions."""

    def __init__(self, prog: str, description: str = "", epilog: str = "") -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and leaving."""
        raise UsageError(f"{message[:1].upper()}{message[1:]}", f"`{self.prog} --help` shows how to use it.")


def seconds(text: str) -> float:
    """A positive number of seconds, for ``type=``."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number of seconds")
    return value


PROFILES: Final = ("relaxed", "balanced", "strict")
"""``records.Profile``, whose module would load numpy only to show the help."""

SHARED: Final = ("config", "state", "bundle", "profile")
"""The shared options that take a value; None where a command does not know them."""
VALUED: Final = frozenset(f"--{name}" for name in SHARED)


def add_output(parser: argparse.ArgumentParser) -> None:
    """``--json``, ``--quiet``, ``--no-colour``, ``--debug``: every command has them."""
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="machine-readable output on stdout, errors too")
    group.add_argument("--quiet", action="store_true", help="results and errors only: no progress, no advice")
    group.add_argument(
        "--no-colour", "--no-color", action="store_true", help="no colours ($NO_COLOR does the same)", dest="no_colour"
    )
    group.add_argument("--debug", action="store_true", help="show where in the program an unexpected error arose")


def add_place(parser: argparse.ArgumentParser) -> None:
    """``--config`` and ``--state``: for commands that read settings or people."""
    group = parser.add_argument_group("where things are")
    group.add_argument("--config", type=Path, metavar="FILE", help="settings file (see docs/settings.md)")
    group.add_argument("--state", type=Path, metavar="FOLDER", help="folder with the people enrolled")


def add_model(parser: argparse.ArgumentParser) -> None:
    """``--bundle`` and ``--profile``: for commands that compare voices."""
    group = parser.add_argument_group("how voices are compared")
    group.add_argument("--bundle", metavar="NAME", help="model: the name of an installed bundle, or a path")
    group.add_argument(
        "--profile",
        choices=PROFILES,
        help="share of strangers that may pass: relaxed 1 %%, balanced 0.3 %%, strict 0.1 %%",
    )
