"""What was chosen over MQTT, kept over restarts and reloads.

Takes choices, gives them back. Must hold: a choice ends when the settings say something else than when it was made; a
microphone that was switched off stays off; what cannot be chosen any more is forgotten; a file that cannot be used is
as if nothing had been chosen.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

from edge.whole_file import replace_whole

_LOG = logging.getLogger(__name__)


class Choices:
    """``choices.json`` in the state ``folder``: name -> [value, what the settings said then]."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "choices.json"

    def restore(self, name: str, configured: str, accepted: Collection[str]) -> str | None:
        """The value chosen for ``name``, None where there is none; ``configured``: what the settings say now."""
        match self._read().get(name):
            case [str(value), str(before)] if before == configured and value in accepted:
                return value
        return None

    def remember(self, name: str, value: str, configured: str) -> None:
        """``value`` was chosen while the settings said ``configured``."""
        self._write(self._read() | {name: [value, configured]})

    def keep(self, names: Collection[str]) -> None:
        """Forget every choice but those for ``names``."""
        made = self._read()
        if not made.keys() <= set(names):
            self._write({name: made[name] for name in made if name in names})

    def _write(self, made: dict[str, Any]) -> None:
        try:
            replace_whole(self._path, json.dumps(made).encode())
        except OSError as error:
            _LOG.warning("what was chosen cannot be kept for the next start: %s", error)

    def _read(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError, RecursionError):
            made = json.loads(self._path.read_text(encoding="utf-8"))
            if isinstance(made, dict):
                return made
        return {}
