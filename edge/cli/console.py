"""What a command prints, and where: results on stdout, everything else on stderr.

Takes texts and JSON values. Must hold: colours only on a terminal and never with ``NO_COLOR``; a line that is being
rewritten (progress, level) is cleared before anything else is printed; what a file or a person is called can't smuggle
control characters into a terminal.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TextIO

Style = Literal["bold", "dim", "green", "yellow", "red"]
_CODES: Final[dict[Style, str]] = {"bold": "1", "dim": "2", "green": "32", "yellow": "33", "red": "31"}


class Console:
    """One per run of a command; ``args.console`` in ``run``."""

    def __init__(
        self, *, json_output: bool = False, quiet: bool = False, no_colour: bool = False,
        environ: Mapping[str, str] = os.environ,
    ) -> None:  # fmt: skip
        self.json = json_output
        self.quiet = quiet
        self._live = False
        _tolerate(sys.stdout)
        _tolerate(sys.stderr)
        plain = no_colour or bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb"
        self._colour_out = not plain and sys.stdout.isatty()
        self._colour_err = not plain and sys.stderr.isatty()

    @property
    def interactive(self) -> bool:
        """Whether a line on stderr can be rewritten in place."""
        return not self.quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def say(self, text: str = "") -> None:
        """A line of the result."""
        self.clear_live()
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def emit(self, value: Any) -> None:
        """A JSON value on one line of stdout."""
        self.clear_live()
        utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        sys.stdout.write(json.dumps(value, ensure_ascii=not utf8, allow_nan=False) + "\n")
        sys.stdout.flush()

    def note(self, text: str = "") -> None:
        """A line of advice or progress on stderr; silent with ``--quiet``."""
        if not self.quiet:
            self.clear_live()
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def prompt(self, text: str) -> None:
        """A line on stderr that somebody has to act on: shown with ``--quiet`` too."""
        self.clear_live()
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def warn(self, text: str) -> None:
        """A line on stderr that is always shown."""
        self.clear_live()
        sys.stderr.write(f"earmark: {text}\n")
        sys.stderr.flush()

    def live(self, text: str) -> None:
        """Rewrite the last line of stderr; nothing where that is no terminal."""
        if self.interactive:
            room = _columns() - 1
            sys.stderr.write("\r" + text[:room] + "\x1b[K")
            sys.stderr.flush()
            self._live = True

    def clear_live(self) -> None:
        """Remove the line that ``live`` wrote."""
        if self._live:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._live = False

    def style(self, text: str, style: Style, *, error: bool = False) -> str:
        """``text`` in a colour where stdout (or stderr, with ``error``) is a terminal."""
        if not (self._colour_err if error else self._colour_out):
            return text
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


def printable(text: str) -> str:
    """``text`` without control characters: names of files and people go to terminals."""
    return "".join(c if c.isprintable() or 0xDC80 <= ord(c) <= 0xDCFF else "\N{REPLACEMENT CHARACTER}" for c in text)


def quoted(name: str) -> str:
    """A name as it is typed in a command line."""
    return shlex.quote(printable(name))


def count(number: int, thing: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """Lines with aligned columns; the columns in ``right`` are right-aligned, the last one is not padded."""
    if not rows:
        return []
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[i].rjust(width) if i in right else row[i].ljust(width) for i, width in enumerate(widths)]
        lines.append("  ".join(cells).rstrip())
    return lines


def _tolerate(stream: TextIO) -> None:
    """A character that the terminal can't show must not end the command."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


def _columns() -> int:
    try:
        return max(20, os.get_terminal_size(sys.stderr.fileno()).columns or 80)
    except (OSError, ValueError):
        return 80
