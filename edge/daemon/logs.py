"""Structured logs: one line per record, as text for a journal or as JSON for a collector.

Takes the ``log`` section, gives a configured root logger on stderr. Must hold: fields given as
``extra={"fields": {...}}`` appear in both forms; one record is one line of bounded length whatever it contains; no
line comes so often that it fills a disk.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from edge.quiet import private_stderr
from edge.settings import Log

_LONGEST: Final = 8000
"""Characters of a message, a traceback, or all fields together."""
_PER_HOUR: Final = 60
_HOUR_SECONDS: Final = 3600.0
_UTTERANCE: Final = "utterance"
"""The one line that comes as often as people speak; how often that can be, the segmenter bounds."""
_MOST_LINES: Final = 500


class Restraint(logging.Filter):
    """Lets the same line (the text before values are filled in) through 60 times an hour, and then says in the next
    one how many were left out. ``monotonic``: seconds that do not jump.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._seen: dict[tuple[str, int, str], tuple[float, int]] = {}  # since when, how many
        self._lock = threading.Lock()  # a handler takes its own only after it has asked its filters

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write it."""
        if record.msg == _UTTERANCE:
            return True
        with self._lock:
            return self._allows(record)

    def _allows(self, record: logging.LogRecord) -> bool:
        key = (record.name, record.levelno, str(record.msg))
        now = self._monotonic()
        since, count = self._seen.pop(key, (now, 0))
        if now - since >= _HOUR_SECONDS:
            if count > _PER_HOUR:
                record.fields = _fields(record) | {"left_out": count - _PER_HOUR}
            since, count = now, 0
        self._seen[key] = (since, count + 1)
        if len(self._seen) > _MOST_LINES:
            del self._seen[next(iter(self._seen))]
        return count < _PER_HOUR


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ... ({len(text)} characters)"


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields = getattr(record, "fields", None)
    return dict(fields) if isinstance(fields, dict) else {}


def _fitting(record: logging.LogRecord) -> dict[str, Any]:
    """The fields as far as they fit into a line; the one that is too long is cut, and ``fields_left_out`` says how many
    come after it.
    """
    fields, kept, room = _fields(record), dict[str, Any](), _LONGEST
    for number, (key, value) in enumerate(fields.items()):
        text = f"{key}={value}"
        if len(text) > room:
            kept[key[:room]] = f"{str(value)[: max(0, room - len(key))]} ... ({len(str(value))} characters)"
            if number + 1 < len(fields):
                kept["fields_left_out"] = len(fields) - number - 1
            break
        kept[key] = value
        room -= len(text)
    return kept


class TextFormatter(logging.Formatter):
    """``info edge.mqtt: connected host=127.0.0.1``; the journal adds the time."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of text."""
        fields = "".join(f" {key}={value}" for key, value in _fitting(record).items())
        text = f"{record.levelname.lower()} {record.name}: {_cut(record.getMessage())}{fields}"
        if record.exc_info:
            text += " | " + _cut(self.formatException(record.exc_info))
        return " | ".join(text.splitlines())


class JsonFormatter(logging.Formatter):
    """One JSON object per line: ``ts``, ``level``, ``logger``, ``message`` and the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _cut(record.getMessage()),
        }
        line |= {key: value for key, value in _fitting(record).items() if key not in line}
        if record.exc_info:
            line["exception"] = _cut(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(log: Log, stream: TextIO | None = None) -> None:
    """Replace the root logger's handlers by one on ``stream`` (stderr by default, where no line is ever swallowed)."""
    handler = logging.StreamHandler(stream or private_stderr())
    handler.setFormatter(JsonFormatter() if log.format == "json" else TextFormatter())
    handler.addFilter(Restraint())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(log.level.upper())
