"""What systemd is told, over a path and over an abstract socket, and nothing where nobody asks."""

from __future__ import annotations

import os
import re
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.daemon.notify import Notifier


class Supervisor:
    """The other end of ``$NOTIFY_SOCKET``. ``address``: a path, or a name that begins with ``@``."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.channel.bind("\0" + address[1:] if address.startswith("@") else address)
        self.channel.settimeout(10)

    def hears(self) -> str:
        return self.channel.recv(4096).decode()

    def heard_nothing(self) -> bool:
        self.channel.setblocking(False)
        try:
            self.channel.recv(4096)
        except BlockingIOError:
            return True
        finally:
            self.channel.settimeout(10)
        return False


@pytest.fixture(params=["path", "abstract"])
def supervisor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Supervisor]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@earmark-test-{uuid.uuid4()}"
    made = Supervisor(address)
    yield made
    made.channel.close()


def test_every_change_of_state_is_one_datagram(supervisor: Supervisor) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": supervisor.address})
    notifier.ready("listening")
    assert supervisor.hears() == "READY=1\nSTATUS=listening"
    notifier.status("2 people enrolled")
    assert supervisor.hears() == "STATUS=2 people enrolled"
    notifier.reloading()
    assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", supervisor.hears())
    notifier.stopping()
    assert supervisor.hears() == "STOPPING=1"


def test_a_status_of_several_lines_is_no_second_assignment(supervisor: Supervisor) -> None:
    Notifier({"NOTIFY_SOCKET": supervisor.address}).status("lost\nREADY=1")
    assert supervisor.hears() == "STATUS=lost READY=1"


def test_the_watchdog_is_petted_only_where_there_is_one(supervisor: Supervisor) -> None:
    without = Notifier({"NOTIFY_SOCKET": supervisor.address})
    without.alive()
    assert supervisor.heard_nothing()
    assert without.watchdog_seconds == 0
    notifier = Notifier({"NOTIFY_SOCKET": supervisor.address, "WATCHDOG_USEC": "30000000"})
    assert notifier.watchdog_seconds == 30
    notifier.alive()
    assert supervisor.hears() == "WATCHDOG=1"


@pytest.mark.parametrize(("pid", "seconds"), [(str(os.getpid()), 30), ("1", 0)], ids=["ours", "of another"])
def test_the_watchdog_of_another_process_is_not_ours(pid: str, seconds: int) -> None:
    assert Notifier({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": pid}).watchdog_seconds == seconds


def test_a_watchdog_that_is_no_number_is_none() -> None:
    assert Notifier({"WATCHDOG_USEC": "soon"}).watchdog_seconds == 0


@pytest.mark.parametrize("address", ["", "/nonexistent/notify", "@nobody-listens-here"])
def test_without_a_supervisor_nothing_happens(address: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"})
    notifier.ready("listening")
    notifier.alive()
    notifier.stopping()


def test_a_supervisor_that_does_not_read_does_not_stop_the_daemon(supervisor: Supervisor) -> None:
    """Its queue is full after some datagrams; what comes then is given up."""
    notifier = Notifier({"NOTIFY_SOCKET": supervisor.address})
    supervisor.channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    length = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text())
    for _ in range(length + 2):
        notifier.status("x")
    assert supervisor.hears() == "STATUS=x"
