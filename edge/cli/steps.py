"""Progress of something that reports its steps: one line of a terminal, a line per step elsewhere."""

from __future__ import annotations

from edge.cli.console import Console


class Steps:
    """Called with what is going on, how much is done, and how much there is."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._label = ""

    def __call__(self, label: str, done: float, total: float) -> None:
        """Show it."""
        if self._console.interactive:
            filled = round(24 * min(1.0, done / total)) if total else 0
            self._console.live(f"{label:<14} [{'#' * filled}{'.' * (24 - filled)}]")
        elif label != self._label:
            self._console.note(f"{label} ...")
        self._label = label
