"""The server of the control socket: what it answers, and what no client can do to it."""

from __future__ import annotations

import gc
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.control import Access
from edge.control.connection import MOST_WAITING
from edge.control.protocol import MAX_LINE_BYTES
from tests.broker import wait_for
from tests.edge.control.service import Raw, Service, half_closed, serving, verify

STATUS = {"id": "s", "op": "status"}


def alive(path: Path) -> bool:
    """Whether the server still answers somebody polite."""
    with Raw(path) as client:
        return client.ask(**STATUS)["status"] == {"protocol": 1, "listening": True}


def test_status_and_verify_are_answered_under_their_ids() -> None:
    service = Service()
    with serving(service) as path, Raw(path) as client:
        assert client.ask(**STATUS)["id"] == "s"
        assert client.ask(**verify("v", timeout=7)) == {
            "id": "v", "event": "progress", "stage": "listening", "seconds": 7.0,
        }  # fmt: skip
        assert client.ask(**STATUS)["event"] == "result"  # while it runs
        service.begun[0].end()
        assert client.line() == {"id": "v", "event": "result", "op": "verify", "exit_code": 0, "sentence": "heard"}


def test_several_lines_in_one_piece_and_one_line_in_many() -> None:
    with serving() as path, Raw(path) as client:
        client.send(b'{"id":"1","op":"status"}\n\n{"id":"2","op":"status"}\n{"id"')
        assert [client.line()["id"], client.line()["id"]] == ["1", "2"]
        for letter in b':"3","op":"status"}\n':
            client.send(bytes([letter]))
        assert client.line()["id"] == "3"


def test_a_verification_is_cancelled_by_its_own_connection_only() -> None:
    service = Service()
    with serving(service) as path, Raw(path) as owner, Raw(path) as other:
        owner.ask(**verify("v"))
        assert other.ask(id="c", op="cancel", request="v")["cancelled"] is False
        owner.send({"id": "c", "op": "cancel", "request": "v"})
        told = {line["id"]: line for line in (owner.line(), owner.line())}
        assert told["c"]["cancelled"] is True
        assert told["v"]["error"]["code"] == "cancelled"
        assert owner.ask(**verify("w"))["stage"] == "listening"


def test_whoever_hangs_up_has_cancelled() -> None:
    service = Service()
    with serving(service) as path:
        with Raw(path) as client:
            client.ask(**verify())
        assert service.begun[0].cancelled.wait(20)
        assert alive(path)


def test_the_end_of_the_server_cancels() -> None:
    service = Service()
    with serving(service) as path:
        client = Raw(path)
        client.ask(**verify())
    assert service.begun[0].cancelled.is_set()
    assert client.hung_up()
    client.sock.close()


def test_one_verification_at_a_time_on_a_connection() -> None:
    service = Service()
    with serving(service) as path, Raw(path) as client:
        client.ask(**verify("1"))
        assert client.ask(**verify("2"))["error"]["code"] == "bad_request"
        assert len(service.begun) == 1


def test_what_the_service_refuses_or_breaks_on_is_an_answer() -> None:
    with serving() as path, Raw(path) as client:
        assert client.ask(**verify("1", "Busy"))["error"]["code"] == "busy"
        broken = client.ask(**verify("2", "Broken"))
        assert broken["error"]["code"] == "error"
        assert broken["exit_code"] != 0
        assert "ZeroDivisionError" in broken["error"]["message"]
        assert client.ask(**STATUS)["event"] == "result"


def test_an_account_that_may_not_ask_is_told_so_and_nothing_else() -> None:
    service = Service()
    with serving(service, Access(frozenset({os.geteuid() + 1}))) as path, Raw(path) as client:
        told = client.line()
        assert told["event"] == "error"
        assert told["id"] is None
        assert client.hung_up()
    assert not service.asked


@pytest.mark.parametrize("rubbish", [b"hello\n", b"[" * 3000 + b"\n", b"x" * MAX_LINE_BYTES, b"\0" * 9000])
def test_what_is_no_request_ends_the_connection_with_a_reason(rubbish: bytes) -> None:
    service = Service()
    with serving(service) as path:
        with Raw(path) as client:
            client.ask(**verify())
            client.send(rubbish)
            lines = []
            while (line := client.line()) is not None:
                lines.append(line)
            assert lines[0]["error"]["code"] == "bad_request"
        assert service.begun[0].cancelled.wait(20)
        assert alive(path)


def test_a_silent_client_is_closed_but_not_while_something_runs_for_it() -> None:
    service = Service()
    with serving(service, idle_seconds=0.2) as path, Raw(path) as idle, Raw(path) as slow, Raw(path) as waiting:
        waiting.ask(**verify())
        slow.send(b'{"id":"1",')
        assert idle.hung_up()
        assert slow.hung_up()
        assert not service.begun[0].cancelled.is_set()
        service.begun[0].end(1)
        assert waiting.line()["exit_code"] == 1


def test_too_many_clients_are_told_so_and_a_place_becomes_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    places = 2 + (2 if os.geteuid() == 0 else 0)
    with serving(max_clients=2) as path:
        clients = [Raw(path) for _ in range(places)]
        for client in clients:
            assert client.ask(**STATUS)["event"] == "result"
        with Raw(path) as late:
            assert late.line()["error"]["code"] == "busy"
            assert late.hung_up()
        for client in clients:
            client.__exit__()
        wait_for(lambda: alive_or_busy(path), "a place")


def alive_or_busy(path: Path) -> bool:
    with Raw(path) as client:
        client.sock.sendall(b'{"id":"s","op":"status"}\n')
        return (client.line() or {}).get("event") == "result"


def test_a_client_that_does_not_read_is_dropped_before_it_costs_memory() -> None:
    service = Service()
    with serving(service) as path:
        with Raw(path) as client:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sock.settimeout(20)
            with pytest.raises(OSError):
                while True:
                    client.send(b'{"id":"s","op":"status"}\n' * 50)
        assert alive(path)
        # What was answered fits in what is kept for it and the kernel's own buffers.
        assert service.asked < 100 * MOST_WAITING / 60


def test_half_a_goodbye_is_a_goodbye() -> None:
    service = Service()
    with serving(service) as path, Raw(path) as client:
        client.ask(**verify())
        half_closed(client)
        assert client.hung_up()
        assert service.begun[0].cancelled.wait(20)


def test_fifty_clients_at_once_leave_no_thread_and_no_descriptor() -> None:
    before = set(threading.enumerate())

    def begun() -> list[str]:
        """The threads since then; others in this process come and go with other names."""
        return [one.name for one in set(threading.enumerate()) - before if one.name.startswith("control")]

    with serving(max_clients=64) as path:
        clients = [Raw(path) for _ in range(50)]
        assert begun() == ["control"]
        for client in clients:
            client.ask(**verify())
            client.__exit__()
        assert alive(path)
    gc.collect()
    wait_for(lambda: not begun(), "the thread's end")


pieces = st.lists(
    st.one_of(
        st.binary(max_size=200),
        st.sampled_from(
            [
                b'{"id":"1","op":"status"}\n',
                b'{"id":"2","op":"verify","person":"Ada"}\n',
                b'{"id":"2","op":"verify","person":"Busy"}\n',
                b'{"id":"2","op":"verify","person":"Broken"}\n',
                b'{"id":"3","op":"cancel","request":"2"}\n',
                b"\n",
                b"{",
                b"[" * 2000,
                b"x" * MAX_LINE_BYTES,
            ]
        ),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=pieces, abrupt=st.booleans())
def test_whatever_a_client_sends_the_server_lives_and_every_verification_ends(
    fuzzed: tuple[Path, Service], parts: list[bytes], abrupt: bool
) -> None:
    path, service = fuzzed
    with Raw(path) as client:
        try:
            for part in parts:
                client.send(part)
            if not abrupt:
                half_closed(client)
                while (line := client.line()) is not None:
                    assert line["event"] in {"progress", "result", "error"}
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert alive(path)
    for attempt in service.begun:
        assert attempt.cancelled.wait(20)
    service.begun.clear()


@pytest.fixture
def fuzzed() -> Any:
    service = Service()
    with serving(service) as path:
        yield path, service
