"""Lines on the control socket: what is a request, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.control.protocol import (
    LONGEST_SECONDS,
    MAX_LINE_BYTES,
    CancelRequest,
    RecentRequest,
    StatusRequest,
    VerifyRequest,
    encode,
    failure,
    parse,
    progress,
    result,
)
from edge.errors import BusyError, RequestError

printable = st.text(min_size=1, max_size=64).filter(str.isprintable)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
requests = st.one_of(
    st.builds(StatusRequest, printable),
    st.builds(RecentRequest, printable),
    st.builds(CancelRequest, printable, printable),
    st.builds(
        VerifyRequest,
        printable,
        printable,
        st.booleans(),
        st.floats(1, LONGEST_SECONDS),
        st.sampled_from(["socket", "pam"]),
        st.sampled_from(["en", "de", "pt-BR"]),
    ),
)


@given(requests)
def test_what_is_encoded_is_parsed_again(request: Any) -> None:
    assert parse(encode(request)) == request


@given(st.binary(max_size=2 * MAX_LINE_BYTES))
def test_any_bytes_are_a_request_or_refused(line: bytes) -> None:
    try:
        request = parse(line)
    except RequestError as error:
        assert error.sentence()
    else:
        assert parse(encode(request)) == request


@given(
    st.fixed_dictionaries(
        {},
        optional={
            key: values | st.sampled_from(["verify", "status", "cancel"])
            for key in ("id", "op", "person", "challenge", "timeout", "request", "requester", "language", "other")
        },
    )
)
def test_any_object_is_a_request_or_refused_with_its_id(body: dict[str, Any]) -> None:
    line = json.dumps(body).encode()
    try:
        request = parse(line)
    except RequestError as error:
        assert error.id in (None, body.get("id"))
    else:
        assert request.id == body["id"]
        assert type(request).__name__.lower().startswith(body["op"])


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b"[" * 4000,
        b'{"a":' * 800,
        b"\xff\xfe",
        b'{"id":"1","op":"status","id":"2"}',
        b'{"id":"1","op":"verify","person":"Ada","timeout":NaN}',
        b'{"id":"1","op":"verify","person":"Ada","timeout":Infinity}',
        b"9" * 4000,
        b'{"id":"1","op":"status"}' + b" " * MAX_LINE_BYTES,
        b'{"id":"1","op":"status"} {"id":"2","op":"status"}',
    ],
)
def test_what_is_no_object_ends_the_conversation(line: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        parse(line)
    assert caught.value.fatal


@pytest.mark.parametrize(
    "change",
    [
        {"id": 1},
        {"id": ""},
        {"id": "x" * 65},
        {"id": "a\nb"},
        {"op": "open"},
        {"op": ["verify"]},
        {"person": ""},
        {"person": None},
        {"person": "a\x1b[2J"},
        {"challenge": 1},
        {"timeout": 0},
        {"timeout": True},
        {"timeout": "8"},
        {"timeout": 1e308},
        {"timeout": 10**400},
        {"timeout": -1},
        {"requester": "root"},
        {"language": "../en"},
        {"force": True},
        {"request": "2"},
    ],
)
def test_a_request_that_is_not_exactly_one_is_refused_and_the_conversation_goes_on(change: dict[str, Any]) -> None:
    body = {"id": "1", "op": "verify", "person": "Ada"} | change
    with pytest.raises(RequestError) as caught:
        parse(json.dumps(body).encode())
    assert not caught.value.fatal
    assert caught.value.id == (None if "id" in change else "1")


def test_a_verification_asks_for_no_digits_and_ten_seconds_unless_it_says_so() -> None:
    request = parse(b'{"id":"1","op":"verify","person":"Ada"}')
    assert request == VerifyRequest("1", "Ada", challenge=False, timeout_seconds=10.0, requester="socket")


def test_answers_are_single_lines_of_ascii() -> None:
    for line in (
        progress("1", "listening", text="né\n\u2028"),
        result("1", "verify", 0, sentence="voice matches Zoë"),
        failure(None, BusyError("a\nb")),
    ):
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
        assert line.isascii()
        assert json.loads(line)["event"] in {"progress", "result", "error"}
