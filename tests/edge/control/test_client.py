"""The client of the control socket: what it takes for an answer."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.control import Client, StatusRequest, VerifyRequest, first_daemon
from edge.control.place import listen
from edge.errors import ControlError
from tests.edge.control.service import Service, serving

ASK = VerifyRequest("v", "Ada")


@contextlib.contextmanager
def saying(folder: Path, *parts: bytes, hang_up: bool = True) -> Iterator[Path]:
    """A server that says ``parts`` whatever it is asked."""
    path = folder / "odd.sock"
    path.unlink(missing_ok=True)
    listener = listen(path, None)
    listener.setblocking(True)
    over = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            for part in parts:
                connection.sendall(part)
            if not hang_up:
                over.wait(20)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield path
    finally:
        over.set()
        thread.join(20)
        listener.close()


def test_progress_comes_before_the_answer() -> None:
    service = Service()
    stages: list[str] = []

    def note(told: dict[str, Any]) -> None:
        stages.append(told["stage"])
        service.begun[0].end(0)

    with serving(service) as path, Client(path) as client:
        answer = client.ask(ASK, 20, note)
        assert (answer.exit_code, answer.error, stages) == (0, None, ["listening"])
        assert client.status()["listening"] is True


def test_an_error_is_never_a_yes() -> None:
    with serving() as path, Client(path) as client:
        answer = client.ask(VerifyRequest("v", "Busy"), 20)
        assert answer.exit_code == 5
        assert answer.error is not None
        assert answer.error["code"] == "busy"


def test_no_answer_in_time_is_an_error() -> None:
    with serving() as path, Client(path) as client, pytest.raises(ControlError, match="in time"):
        client.ask(ASK, 0.2)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"yes\n",
        b"0\n",
        b'{"id":"v"}\n',
        b'{"id":"v","event":"result"}\n',
        b'{"id":"v","event":"result","exit_code":true}\n',
        b'{"id":"v","event":"result","exit_code":"0"}\n',
        b'{"id":"v","event":"result","exit_code":0.0}\n',
        b'{"id":"v","event":"error","exit_code":0}\n',
        b'{"id":"x","event":"result","exit_code":0}\n',
        b'{"id":null,"event":"error","exit_code":0}\n',
        b"x" * 200_000,
        b"[" * 60_000 + b"\n",
    ],
)
def test_nonsense_is_never_a_yes(tmp_path: Path, said: bytes) -> None:
    with saying(tmp_path, said) as path:
        try:
            with Client(path) as client:
                assert client.ask(ASK, 20).exit_code != 0
        except ControlError:
            pass


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=300), max_size=6))
def test_any_bytes_are_an_error_or_no_yes(tmp_path: Path, parts: list[bytes]) -> None:
    with saying(tmp_path, *parts) as path:
        try:
            with Client(path) as client:
                assert client.ask(ASK, 20).exit_code != 0
        except ControlError:
            pass


def test_a_daemon_that_hangs_costs_no_more_than_the_time_given(tmp_path: Path) -> None:
    with (
        saying(tmp_path, b'{"id":"v","event":"pro', hang_up=False) as path,
        Client(path) as client,
        pytest.raises(ControlError, match="in time"),
    ):
        client.ask(StatusRequest("v"), 0.2)


def test_the_first_daemon_that_answers_is_asked(tmp_path: Path) -> None:
    with serving() as path:
        found = first_daemon([tmp_path / "none.sock", path])
        assert found is not None
        assert found.path == path
        found.close()
    assert first_daemon([tmp_path / "none.sock", path]) is None
