"""Where the socket is, who may open it, and who asks."""

from __future__ import annotations

import fcntl
import grp
import os
import socket
import stat
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge.control.client import Client, first_daemon
from edge.control.peer import Access, Peer, peer_of
from edge.control.place import SYSTEM, candidates, connect, group_id, listen, socket_path
from edge.errors import ControlError, SettingsError
from edge.settings import Control
from tests.broker import wait_for


def test_the_socket_is_in_the_runtime_folder_else_with_the_state(tmp_path: Path) -> None:
    assert socket_path(Control(), tmp_path, {}) == tmp_path / "control.sock"
    assert socket_path(Control(), tmp_path, {"RUNTIME_DIRECTORY": "/run/a:/run/b"}) == Path("/run/a/control.sock")
    named = Control(path="/srv/ear.sock")
    assert socket_path(named, tmp_path, {"RUNTIME_DIRECTORY": "/run/a"}) == Path("/srv/ear.sock")


def test_a_client_looks_beside_the_state_then_at_the_service(tmp_path: Path) -> None:
    assert candidates(Control(), tmp_path, only_here=False, environ={}) == [tmp_path / "control.sock", SYSTEM]
    assert candidates(Control(), tmp_path, only_here=True, environ={}) == [tmp_path / "control.sock"]
    assert candidates(Control(path="/a.sock"), tmp_path, only_here=False, environ={}) == [Path("/a.sock")]


def test_owner_and_group_may_open_it_and_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with listen(path, os.getegid()):
        status = path.stat()
        assert stat.S_IMODE(status.st_mode) == 0o660
        assert status.st_gid == os.getegid()


def test_a_path_longer_than_an_address_works(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    path = folder / "control.sock"
    with listen(path, None):
        connect(path, 5).close()
    assert [entry.name for entry in folder.iterdir()] == ["control.sock"]


def test_a_socket_that_nobody_serves_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    listen(path, None).close()
    with listen(path, None):
        connect(path, 5).close()


def test_another_daemons_socket_and_another_file_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with listen(path, None), pytest.raises(ControlError, match="Another Earmark"):
        listen(path, None)
    path.unlink()
    path.write_text("mine")
    with pytest.raises(ControlError, match="no socket"):
        listen(path, None)
    assert path.read_text() == "mine"


def test_of_two_daemons_that_begin_at_once_the_second_finds_the_socket_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes by where the first one has made its socket and does not listen yet."""
    path, chmod = tmp_path / "control.sock", Path.chmod
    monkeypatch.setattr("edge.control.place._PATIENCE_SECONDS", 600.0)
    waits, told = threading.Event(), list[object]()

    def second() -> None:
        try:
            told.append(listen(path, None))
        except ControlError as error:
            told.append(error.cause)

    thread = threading.Thread(target=second)

    def sleep(seconds: float) -> None:
        waits.set()

    def meanwhile(self: Path, mode: int) -> None:
        monkeypatch.setattr(Path, "chmod", chmod)
        with monkeypatch.context() as patched:
            patched.setattr("edge.file_lock.time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
            thread.start()
            wait_for(lambda: waits.is_set() or not thread.is_alive(), "the second one")
        chmod(self, mode)

    monkeypatch.setattr(Path, "chmod", meanwhile)
    with listen(path, None):
        thread.join()
        assert told == [f"Another Earmark serves the control socket {path}"]


def test_a_lock_that_somebody_holds_for_ever_keeps_no_daemon_from_its_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.control.place._PATIENCE_SECONDS", 0.01)
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with listen(tmp_path / "control.sock", None):
        connect(tmp_path / "control.sock", 5).close()
    os.close(handle)


def test_a_place_that_cannot_be_used_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="cannot be made"):
        listen(tmp_path / "none" / "control.sock", None)
    with pytest.raises(ControlError, match="does not answer"):
        Client(tmp_path / "none.sock")


def test_a_group_that_does_not_exist_names_the_setting() -> None:
    assert group_id("") is None
    assert group_id(grp.getgrgid(0).gr_name) == 0
    with pytest.raises(SettingsError, match=r"control\.group"):
        group_id("no-such-group-here")


def test_the_kernel_says_who_is_at_the_other_end() -> None:
    one, other = socket.socketpair()
    with one, other:
        peer = peer_of(one)
    assert (peer.pid, peer.uid) == (os.getpid(), os.geteuid())
    assert {os.getegid(), *os.getgroups()} <= peer.groups


def test_members_of_the_group_may_ask_and_others_may_not() -> None:
    access = Access(frozenset({0}), group=50)
    assert access.allows(Peer(1, 0, frozenset()))
    assert access.allows(Peer(1, 7, frozenset({7, 50})))
    assert not access.allows(Peer(1, 7, frozenset({7})))
    assert not Access(frozenset({0})).allows(Peer(1, 7, frozenset({0})))


def connects_as(path: Path, user: int, groups: list[int]) -> str:
    """What happens to a process of another account that connects: its own exit code says."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(groups)
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            connect(path, 5).close()
            os._exit(0)
        except PermissionError:
            os._exit(9)
        except BaseException:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {0: "connected", 9: "refused"}.get(code, f"failed with {code}")


@pytest.mark.parametrize(("groups", "outcome"), [([], "refused"), ([54321], "connected")])
def test_the_file_keeps_out_whoever_is_not_in_the_group(groups: list[int], outcome: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another account")
    with tempfile.TemporaryDirectory(prefix="earmark-") as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "control.sock"
        with listen(path, 54321) as listener:
            assert connects_as(path, 65534, groups) == outcome
            if outcome == "connected":
                connection, _ = listener.accept()
                with connection:
                    peer = peer_of(connection)
                    assert (peer.uid, peer.groups) == (65534, frozenset({65534, 54321}))


def test_a_socket_that_this_account_may_not_open_is_an_error_and_none_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "control.sock"
    path.touch()

    def refuse(*_: object) -> socket.socket:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("edge.control.client.connect", refuse)
    with pytest.raises(ControlError, match="Permission denied"):
        first_daemon([path])
    assert first_daemon([tmp_path / "none.sock"]) is None
