"""Structured logs: one line per record, as text for a journal or as JSON for a collector.

Takes the ``log`` section, gives a configured root logger on stderr. Must hold: fields given as
``extra={"fields": {...}}`` appear in both forms; one record is one line whatever it contains.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any, TextIO

from edge.quiet import private_stderr
from edge.settings import Log


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields = getattr(record, "fields", None)
    return dict(fields) if isinstance(fields, dict) else {}


class TextFormatter(logging.Formatter):
    """``info edge.mqtt: connected host=127.0.0.1``; the journal adds the time."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of text."""
        fields = "".join(f" {key}={value}" for key, value in _fields(record).items())
        text = f"{record.levelname.lower()} {record.name}: {record.getMessage()}{fields}"
        if record.exc_info:
            text += " | " + self.formatException(record.exc_info)
        return " | ".join(text.splitlines())


class JsonFormatter(logging.Formatter):
    """One JSON object per line: ``ts``, ``level``, ``logger``, ``message`` and the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in _fields(record).items() if key not in line}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(log: Log, stream: TextIO | None = None) -> None:
    """Replace the root logger's handlers by one on ``stream`` (stderr by default, where no line is ever swallowed)."""
    handler = logging.StreamHandler(stream or private_stderr())
    handler.setFormatter(JsonFormatter() if log.format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(log.level.upper())
