"""What was chosen over MQTT, kept over restarts and reloads.

Takes choices, gives them back. Must hold: a choice ends when the settings say something else than when it was made; a
microphone that was switched off stays off; a file that cannot be used is as if nothing had been chosen.
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

    def restore(self, name: str, configured: str, accepted: Collection[str]) -> str:
        """The value chosen for ``name``, or ``configured``: what the settings say."""
        match self._read().get(name):
            case [str(value), str(before)] if before == configured and value in accepted:
                return value
        return configured

    def remember(self, name: str, value: str, configured: str) -> None:
        """``value`` was chosen while the settings said ``configured``."""
        made = self._read() | {name: [value, configured]}
        try:
            replace_whole(self._path, json.dumps(made).encode())
        except OSError as error:
            _LOG.warning("the choice cannot be kept for the next start: %s", error)

    def _read(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError, RecursionError):
            made = json.loads(self._path.read_text(encoding="utf-8"))
            if isinstance(made, dict):
                return made
        return {}
