"""Whether a rollout could begin, on a host that answers as it is told to."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from deploy.fleet.asking import Report
from deploy.fleet.checks import check_host
from deploy.fleet.faults import HostError
from deploy.fleet.inventory import Host, Pace
from deploy.fleet.ssh import Done

SETTINGS = "node: {name: attic}\n"
HOST = Host("attic", "192.0.2.7", settings=SETTINGS)
DISK = "Filesystem 1048576-blocks Used Available Capacity Mounted on\n/dev/root 29000 20000 {} 70% /\n"
STATUS = {"version": "0.1.0", "model": "accurate-1.0.0", "started": "2026-11-22T10:00:00.000Z"}
WELL = Report("attic", True, True, "", STATUS, 0.01, 0.005)


@dataclass
class Attic:
    """``said``: program -> what it says there."""

    said: dict[str, Done | HostError] = field(default_factory=dict)
    host: Host = HOST

    def run(self, words: Sequence[str], **_: Any) -> Done:
        usual = {
            "id": Done(0, "0\n", ""),
            "df": Done(0, DISK.format(9000), ""),
            "sha256sum": Done(0, f"{hashlib.sha256(SETTINGS.encode()).hexdigest()}  earmark.yaml\n", ""),
        }
        answer = (usual | self.said)[words[0]]
        if isinstance(answer, HostError):
            raise answer
        return answer

    def home(self) -> str:
        return "/home/pi"


def found(report: Report = WELL, *others: Report, **said: Done | HostError) -> dict[str, str]:
    """Name -> status of what is not as it should be."""
    shell: Any = Attic(dict(said))
    return {one.name: one.status for one in check_host(shell, report, [report, *others], Pace()) if one.status != "ok"}


def test_a_host_that_is_well_has_nothing_against_it() -> None:
    shell: Any = Attic()
    checks = check_host(shell, WELL, [WELL], Pace())
    assert [one.name for one in checks] == [
        "login", "root", "room", "settings", "clock", "daemon", "outbox", "version", "bundle",
    ]  # fmt: skip
    assert found() == {}


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"id": Done(0, "1000\n", "")}, {"root": "fail"}),
        ({"id": HostError("attic does not let us be root")}, {"root": "fail"}),
        ({"df": Done(0, DISK.format(499), "")}, {"room": "warn"}),
        ({"df": Done(1, "", "df: no such file")}, {"room": "warn"}),
        ({"sha256sum": Done(0, f"{'0' * 64}  earmark.yaml\n", "")}, {"settings": "warn"}),
        ({"sha256sum": Done(1, "", "no such file")}, {"settings": "warn"}),
    ],
)
def test_what_the_machine_lacks_is_told(said: dict[str, Done | HostError], wrong: dict[str, str]) -> None:
    assert found(WELL, **said) == wrong


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"clock_seconds": 2.1, "clock_uncertain_seconds": 0.0}, {"clock": "fail"}),
        ({"clock_seconds": 2.1, "clock_uncertain_seconds": 0.2}, {}),
        ({"clock_seconds": None}, {"clock": "warn"}),
        ({"status": STATUS | {"faults": ["broker: away"]}}, {"daemon": "fail"}),
        ({"status": {}, "problem": "No daemon answers"}, {"daemon": "fail"}),
        ({"status": STATUS | {"outbox_dropped": 3}}, {"outbox": "warn"}),
        ({"reachable": False, "problem": "cannot be reached"}, {"login": "fail"}),
    ],
)
def test_what_the_daemon_says_is_told(changes: dict[str, Any], wrong: dict[str, str]) -> None:
    assert found(replace(WELL, **changes)) == wrong


def test_what_runs_on_the_fewest_hosts_is_told() -> None:
    older = replace(WELL, name="cellar", status=STATUS | {"version": "0.0.9"})
    assert found(older, WELL, replace(WELL, name="kitchen")) == {"version": "warn"}
    assert found(WELL, older, replace(WELL, name="kitchen")) == {}
    assert found(WELL, older) == {}, "nobody knows which of two is right"
