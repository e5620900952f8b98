"""A record is one line, as text and as JSON, whatever it contains."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from edge.daemon.logs import JsonFormatter, TextFormatter, configure
from edge.settings import Log


@pytest.fixture(autouse=True)
def root() -> Iterator[logging.Logger]:
    """The root logger, put back afterwards."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)


def written(log: Log) -> io.StringIO:
    stream = io.StringIO()
    configure(log, stream)
    return stream


NASTY = "one\ntwo\r\nthree\u2028four\x0bfive"


def failing(logger: logging.Logger) -> None:
    try:
        raise ValueError(NASTY)
    except ValueError:
        logger.exception("it failed: %s", NASTY, extra={"fields": {"name": NASTY}})


def test_text_has_level_logger_message_and_fields() -> None:
    stream = written(Log())
    logging.getLogger("edge.x").info("heard %d", 2, extra={"fields": {"outcome": "unknown", "probability": 0.5}})
    assert stream.getvalue() == "info edge.x: heard 2 outcome=unknown probability=0.5\n"


def test_json_has_them_as_keys_and_the_time() -> None:
    stream = written(Log(format="json"))
    logging.getLogger("edge.x").warning(
        "heard", extra={"fields": {"outcome": "unknown", "level": "a field", "who": {1}}}
    )
    line = json.loads(stream.getvalue())
    assert line.pop("ts").endswith("Z")
    # What stands in every line is not overwritten by a field.
    assert line == {"level": "warning", "logger": "edge.x", "message": "heard", "outcome": "unknown", "who": "{1}"}


def test_a_traceback_is_in_the_same_line() -> None:
    stream = written(Log())
    failing(logging.getLogger("edge.x"))
    (line,) = stream.getvalue().splitlines()
    assert "ValueError" in line and "one | two | three | four | five" in line


def test_a_traceback_is_a_key_of_the_object() -> None:
    stream = written(Log(format="json"))
    failing(logging.getLogger("edge.x"))
    assert stream.getvalue().count("\n") == 1
    line = json.loads(stream.getvalue())
    assert line["message"] == f"it failed: {NASTY}" and line["name"] == NASTY
    assert "Traceback" in line["exception"]


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_less_important_records_are_left_out(level: str) -> None:
    stream = written(Log(level=level))
    for name in ("debug", "info", "warning", "error"):
        logging.getLogger("edge.x").log(getattr(logging, name.upper()), name)
    levels = ["debug", "info", "warning", "error"]
    assert [line.split()[0] for line in stream.getvalue().splitlines()] == levels[levels.index(level) :]


def test_configured_again_there_is_still_one_line_per_record(root: logging.Logger) -> None:
    first = written(Log())
    second = written(Log(format="json"))
    logging.getLogger("edge.x").info("once")
    assert first.getvalue() == ""
    assert json.loads(second.getvalue())["message"] == "once"
    assert len(root.handlers) == 1


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_records_of_other_libraries_without_fields_are_written_too(formatter: logging.Formatter) -> None:
    record = logging.LogRecord("paho", logging.INFO, "x.py", 1, "connected to %s", ("broker",), None)
    record.fields = "not what ours look like"
    assert "connected to broker" in formatter.format(record)
