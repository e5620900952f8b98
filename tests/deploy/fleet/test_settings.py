"""A settings file is switched, brought into force and taken back, with real files and a process that can be told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.fleet.asking import Report
from deploy.fleet.faults import ChangeFailed
from deploy.fleet.inventory import Host
from deploy.fleet.settings import SettingsAction
from deploy.fleet.ssh import Shell

LONG_AGO, YET_TO_COME = "2001-01-01T00:00:00.000Z", "2101-01-01T00:00:00.000Z"
NEW = "node: {name: attic}\n"
PATIENCE_SECONDS = 60.0
EARMARK = """#!/bin/sh
case "$1" in
  doctor) grep -q refused "$6" && exit 1; exit 0;;
  status) cat {status};;
esac
"""


@dataclass
class Attic:
    """A host. ``daemon``: what ends when it is told to reload."""

    folder: Path
    daemon: subprocess.Popen[bytes]

    @property
    def config(self) -> Path:
        return self.folder / "etc" / "earmark.yaml"

    def shell(self, settings: str = NEW) -> Shell:
        earmark = str(self.folder / "earmark")
        host = Host("attic", "attic", sudo=False, earmark=earmark, config=str(self.config), settings=settings)
        return Shell(host, self.folder)

    def report(self, started: str = YET_TO_COME) -> Report:
        return Report("attic", True, True, "", {"pid": self.daemon.pid, "started": started})

    def was_told(self) -> bool:
        return self.daemon.wait(PATIENCE_SECONDS) == -signal.SIGHUP

    def files(self) -> list[str]:
        return sorted(path.name for path in self.config.parent.iterdir())


@pytest.fixture
def attic(own_ssh: Path) -> Iterator[Attic]:
    (own_ssh / "etc").mkdir()
    with subprocess.Popen(["env", "--default-signal=HUP", "sleep", "600"]) as daemon:
        (own_ssh / "status").write_text(json.dumps({"pid": daemon.pid}))
        (own_ssh / "earmark").write_text(EARMARK.format(status=own_ssh / "status"))
        (own_ssh / "earmark").chmod(0o755)
        yield Attic(own_ssh, daemon)
        daemon.kill()


def test_a_file_that_differs_is_switched_and_the_daemon_told(attic: Attic) -> None:
    attic.config.write_text("old")
    assert SettingsAction().apply(attic.shell(), attic.report())
    assert attic.was_told()
    assert attic.config.read_text() == NEW
    assert attic.config.with_name("earmark.yaml.before").read_text() == "old"


def test_a_daemon_that_was_not_told_is_told_when_the_rollout_goes_on(attic: Attic) -> None:
    """Cut off between the switch and the signal, it would run with the old settings for good, and be called done."""
    attic.config.write_text(NEW)
    action, before = SettingsAction(), attic.report(LONG_AGO)
    assert action.apply(attic.shell(), before)
    assert attic.was_told()
    assert action.amiss(before, before) == "it has not reloaded"
    assert action.amiss(before, attic.report()) == ""


def test_only_a_refusal_that_is_new_counts(attic: Attic) -> None:
    action, refused = SettingsAction(), {"at": "10:00", "why": "mqtt.port is no port."}
    before = Report("attic", True, True, "", {"started": "a"})
    after = Report("attic", True, True, "", {"started": "a", "reload_refused": refused})
    assert action.amiss(before, after) == "it refused to reload: mqtt.port is no port"
    assert action.amiss(after, after) == "", "nor does it reload where it was not told to"


def test_a_daemon_that_has_read_the_file_is_left_alone(attic: Attic) -> None:
    attic.config.write_text(NEW)
    assert SettingsAction().apply(attic.shell(), attic.report()) is False, "so that nobody takes it back"
    assert attic.daemon.poll() is None


def test_a_file_that_is_refused_leaves_nothing_behind(attic: Attic) -> None:
    attic.config.write_text("old")
    with pytest.raises(ChangeFailed, match="refuses the settings"):
        SettingsAction().apply(attic.shell("refused: true\n"), attic.report())
    assert (attic.files(), attic.config.read_text(), attic.daemon.poll()) == (["earmark.yaml"], "old", None)
    assert not [path for path in Path(attic.shell().home()).rglob("*") if path.is_file()]


def test_where_no_file_was_there_is_none_again_afterwards(attic: Attic) -> None:
    action = SettingsAction()
    attic.config.with_name("earmark.yaml.before").write_text("of an earlier rollout")
    action.apply(attic.shell(), Report("attic", True, True, "No daemon answers"))
    assert attic.config.read_text() == NEW
    action.undo(attic.shell())
    assert attic.files() == []
    assert attic.was_told()


def test_a_file_that_was_there_comes_back_whatever_was_there_before_it(attic: Attic) -> None:
    action, silent = SettingsAction(), Report("attic", True, True, "No daemon answers")
    action.apply(attic.shell(), silent)
    action.apply(attic.shell("node: {name: newer}\n"), silent)
    action.undo(attic.shell())
    assert (attic.files(), attic.config.read_text()) == (["earmark.yaml"], NEW)


def test_a_file_that_only_some_may_read_stays_so(attic: Attic) -> None:
    attic.config.write_text("old")
    attic.config.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(attic.config, 4321, 1234)
    was = attic.config.stat()
    action = SettingsAction()
    action.apply(attic.shell(), attic.report())
    there = attic.config.stat()
    assert attic.config.read_text() == NEW
    assert (there.st_mode, there.st_uid, there.st_gid) == (was.st_mode, was.st_uid, was.st_gid)
