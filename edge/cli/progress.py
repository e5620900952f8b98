"""Progress of something long, on stderr.

Takes how much is done, shows a bar on a terminal, otherwise a plain line now and then. Must hold: stdout is never
touched; ``--quiet`` shows nothing; something short shows nothing in a log.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Final

from edge.cli.console import Console

_REDRAW_SECONDS: Final = 0.1
_LINE_SECONDS: Final = 10.0
_WIDTH: Final = 24


class Progress:
    """A context manager: ``with Progress(console, "reading", total) as bar: bar.advance(1)``.

    Args:
        console: where to show it.
        label: what is being done.
        total: how much there is, in any unit; 0 where that is unknown.
    """

    def __init__(self, console: Console, label: str, total: float = 0.0) -> None:
        self._console = console
        self._label = label
        self._total = total
        self._done = 0.0
        self._shown = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._console.clear_live()

    def advance(self, amount: float, note: str = "") -> None:
        """``amount`` more is done; ``note``: what is going on now."""
        self._done += amount
        now = time.monotonic()
        if self._console.interactive:
            if now - self._shown >= _REDRAW_SECONDS:
                self._shown = now
                self._console.live(f"{self._label} {self._bar()} {note}".rstrip())
        elif now - self._shown >= _LINE_SECONDS:
            self._shown = now
            self._console.note(f"{self._label}: {self._share()} {note}".rstrip())

    def _bar(self) -> str:
        if self._total <= 0:
            return self._share()
        filled = round(_WIDTH * min(1.0, self._done / self._total))
        return f"[{'#' * filled}{'.' * (_WIDTH - filled)}] {self._share()}"

    def _share(self) -> str:
        if self._total <= 0:
            return f"{self._done:.0f}"
        return f"{100 * min(1.0, self._done / self._total):3.0f} %"
