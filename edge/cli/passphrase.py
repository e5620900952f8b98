"""A passphrase from the terminal or from a file, never from the command line, where other users could see it.

Takes ``--passphrase-file``; gives the passphrase. Must hold: it is not shown while it is typed, and in no message.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path
from typing import Final

from edge.errors import UsageError

_MOST_BYTES: Final = 4096


def add_passphrase(parser: argparse.ArgumentParser) -> None:
    """``--passphrase-file``."""
    parser.add_argument(
        "--passphrase-file", metavar="FILE", help="read the passphrase from the first line of FILE, or - for stdin"
    )


def read_passphrase(path: str | None, *, fresh: bool, may_be_empty: bool = False) -> str:
    """The passphrase. ``fresh``: a new one, which is asked for twice. ``may_be_empty``: where none is given and nobody
    can be asked, it is empty. Raises ``UsageError``.
    """
    if path is not None:
        return _encodable(_first_line(path))
    if not sys.stdin.isatty():
        if may_be_empty:
            return ""
        raise UsageError(
            "There is no terminal to ask for the passphrase at", "Give it with --passphrase-file FILE, or - for stdin."
        )
    given = getpass.getpass("Passphrase: ", stream=sys.stderr)
    if fresh and getpass.getpass("The same again: ", stream=sys.stderr) != given:
        raise UsageError("The two are not the same", "Type the same passphrase twice.")
    return _encodable(given)


def _encodable(given: str) -> str:
    """``given``, of which a key can be made on any machine alike."""
    try:
        given.encode()
    except UnicodeEncodeError:  # bytes that were no text, in a terminal or pipe without UTF-8
        raise UsageError("The passphrase is no UTF-8 text", "Type it in a terminal that is set to UTF-8.") from None
    return given


def _first_line(path: str) -> str:
    try:
        if path == "-":
            text = sys.stdin.readline(_MOST_BYTES)
        else:
            with Path(path).open(encoding="utf-8") as file:
                text = file.readline(_MOST_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise UsageError(
            f"The passphrase cannot be read from {path}: {reason}", "Name a text file that you may read."
        ) from error
    found = text.rstrip("\r\n")
    if not found:
        raise UsageError(f"{path} holds no passphrase", "Put the passphrase on its first line.")
    return found
