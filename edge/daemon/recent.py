"""What is heard now and who spoke lately, for whoever looks at the daemon.

Takes events and the pipeline. Gives plain values. Must hold: the latest ``KEPT`` events only, in memory only; names as
the events have them (``privacy.mqtt_names``).
"""

from __future__ import annotations

import json
from collections import deque
from typing import Any, Final

from edge.daemon.sound import sound
from edge.events import UtteranceEvent
from edge.pipeline import Pipeline

KEPT: Final = 20


class Recent:
    """``add`` is for the listening thread, ``told`` for any."""

    def __init__(self) -> None:
        self._events: deque[dict[str, Any]] = deque(maxlen=KEPT)

    def add(self, event: UtteranceEvent) -> None:
        """One more event."""
        self._events.append(json.loads(event.to_json()))

    def told(self, pipeline: Pipeline) -> dict[str, Any]:
        """``level_dbfs`` and ``noise_dbfs`` of the latest sound, ``speaking``: whether an utterance is open, and
        ``events``, the latest last.
        """
        return {**sound(pipeline)._asdict(), "events": list(self._events)}
