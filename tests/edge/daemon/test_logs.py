"""A record is one line, as text and as JSON, whatever it contains."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from edge.daemon.logs import JsonFormatter, Restraint, TextFormatter, configure
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


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    "fields",
    [
        {"text": "x" * 1_000_000},
        {"list": ["x" * 100] * 10_000, "after": 1},
        {f"field-{number}": "x" * 100 for number in range(10_000)},
        {"x" * 1_000_000: 1},
    ],
    ids=["text", "list", "many", "name"],
)
def test_a_line_has_an_end_whatever_its_fields_are(form: str, fields: dict[str, object]) -> None:
    stream = written(Log(format=form))
    logging.getLogger("edge.x").info("heard", extra={"fields": {"who": "Ada", **fields}})
    (line,) = stream.getvalue().splitlines()
    assert len(line) < 12_000 and "Ada" in line
    assert ("fields_left_out" in line) == (len(fields) > 1)


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


class Hours:
    """A clock and a log that goes through a restraint."""

    def __init__(self) -> None:
        self.now = 0.0
        self.written: list[logging.LogRecord] = []
        self._restraint = Restraint(lambda: self.now)

    def say(self, text: str, *values: object, level: int = logging.WARNING) -> None:
        record = logging.LogRecord("edge.x", level, __file__, 1, text, values, None)
        if self._restraint.filter(record):
            self.written.append(record)


def test_a_week_of_one_complaint_a_second_is_sixty_lines_an_hour() -> None:
    log = Hours()
    for second in range(0, 7 * 24 * 3600, 5):
        log.now = float(second)
        log.say("the broker at %s is away", second)
    assert len(log.written) == 7 * 24 * 60
    assert getattr(log.written[60], "fields", {})["left_out"] == 720 - 60
    assert not hasattr(log.written[59], "fields")


def test_other_lines_and_utterances_are_not_held_back() -> None:
    log = Hours()
    for number in range(500):
        log.say("noise")
        log.say("utterance", level=logging.INFO)
        if number % 10 == 0:
            log.say("something else")
    texts = [record.msg for record in log.written]
    assert (texts.count("noise"), texts.count("utterance"), texts.count("something else")) == (60, 500, 50)


def test_what_is_remembered_of_lines_is_bounded() -> None:
    log = Hours()
    for number in range(5000):
        log.say(f"made up {number}")
    assert len(log.written) == 5000
    assert len(log._restraint._seen) <= 500


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_is_never_longer_than_anybody_wants_to_read(form: str) -> None:
    stream = written(Log(format=form))
    try:
        raise ValueError("y" * 1_000_000)
    except ValueError:
        logging.getLogger("edge.x").exception("x" * 1_000_000)
    assert stream.getvalue().count("\n") == 1
    assert len(stream.getvalue()) < 20_000
