"""The power fails at every step of a switch between two versions."""

import argparse
import contextlib
import dataclasses
import os
import sys
from pathlib import Path

import pytest

from deploy.install import arguments
from deploy.install.faults import InstallFault
from deploy.install.layout import RECORD, Record
from deploy.install.service import Services
from tests.deploy.install.world import World

EARMARK = """#!/bin/sh
case "$*" in
    "deploy unit"*) echo "unit of VERSION" ;;
    "deploy sample-config") echo "# settings" ;;
    doctor*) echo '{"checks": [CHECKS]}' ;;
esac
"""
CHECKS = ("settings", "python", "runtime", "bundle", "voices", "formats", "people")
CHANGES = {
    "os.rename",
    "os.symlink",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.chmod",
    "os.chown",
    "subprocess.Popen",
    "systemctl",
}
POWER_CUT = 9


class Remembered(Services):
    """systemd's part without a program for each question, since there are thousands: state lies in files."""

    def _systemctl(self, *words: str) -> None:
        sys.audit("systemctl")
        (self.program.parent / "state").write_text(f"{'inactive' if words[0] == 'stop' else self._said('')}\n")

    def _said(self, key: str) -> str:
        return (self.program.parent / "state").read_text().strip()

    def enabled(self) -> bool:
        return True

    def start(self) -> None:
        sys.audit("systemctl")
        version = (self.layout.prefix / "current").readlink()
        (self.layout.state / "people.sqlite").write_text(f"people as {version} writes them\n")
        (self.program.parent / "state").write_text("active\n")


def remembered(world: World) -> World:
    """The same world with such a systemd."""
    services = Remembered(world.layout, running=True, program=world.systemd / "systemctl")
    world.flows = dataclasses.replace(world.flows, services=services)
    return world


@pytest.fixture
def world(tmp_path: Path) -> World:
    """0.1.0 runs, 0.2.0 is complete beside it."""
    world = World(tmp_path)
    checks = ",".join(f'{{"name": "{name}", "status": "ok"}}' for name in CHECKS)
    world.layout.state.mkdir(parents=True)
    for number, version in enumerate(("0.1.0", "0.2.0")):
        program = world.layout.prefix / version / "bin" / "earmark"
        program.parent.mkdir(parents=True)
        program.write_text(EARMARK.replace("VERSION", version).replace("CHECKS", checks))
        program.chmod(0o755)
        world.layout.complete(version, Record(version, version, "3.11", "aarch64", f"2026-11-2{number}", "test"))
        world.layout.point("current", version)
        assert world.flows._prepare(version)
    (world.systemd / "enabled").touch()
    reset(world)
    return world


def reset(world: World) -> None:
    """0.1.0 runs as if nothing had ever happened; 0.2.0 is the one to switch to."""
    world.layout.point("current", "0.1.0")
    world.layout.point("previous", "0.2.0")
    world.flows.services.write("unit of 0.1.0\n")
    (world.systemd / "state").write_text("active\n")
    (world.layout.state / "people.sqlite").write_text("people as 0.1.0 writes them\n")


def dies(world: World, step: int) -> bool:
    """Switch to 0.2.0 in another process, and let that die before its change number ``step``; gives whether it did."""
    child = os.fork()
    if child == 0:
        left = step

        def count(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if event in CHANGES or writes:
                left -= 1
                if left == 0:
                    os._exit(POWER_CUT)

        try:
            sys.addaudithook(count)
            world.flows.rollback()
        except BaseException:
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in {0, POWER_CUT}
    return code == POWER_CUT


def test_whenever_the_power_fails_a_version_runs_at_the_next_start(world: World) -> None:
    """Until the trial has ended well it is the old one, with its unit and the people as it wrote them."""
    step, versions = 0, []
    remembered(world)
    while dies(world, step := step + 1):
        # The machine is off: nothing runs. At its next start the recovery comes before the service.
        (world.systemd / "state").write_text("inactive\n")
        assert world.layout.record(world.running), f"current is broken after step {step}"
        world.flows.recover(at_start=True)
        assert not world.active, "systemd starts the service, not the recovery"
        assert world.unit == f"unit of {world.running}\n", step
        assert world.people == f"people as {world.running} writes them\n", step
        assert not world.layout.snapshot.exists(), step
        assert not (world.layout.prefix / "fallback").is_symlink(), step
        world.flows.services.start()
        versions.append(world.running)
        reset(world)
    # Old for as long as it was a trial, then new, and never back.
    assert versions == sorted(versions)
    assert set(versions) == {"0.1.0", "0.2.0"}
    assert len(versions) > 20


@pytest.mark.parametrize("at", ["restart", "stop"])
def test_ctrl_c_in_the_middle_leaves_the_old_version_running(world: World, at: str) -> None:
    program = world.systemd / "systemctl"
    (world.systemd / "real").write_text(program.read_text())
    (world.systemd / "real").chmod(0o755)
    program.write_text(
        f'#!/bin/sh\nif [ "$1" = {at} ] && [ ! -e {world.systemd}/once ]; then touch {world.systemd}/once; '
        f'kill -INT $PPID; sleep 5; fi\nexec {world.systemd}/real "$@"\n'
    )
    with pytest.raises(KeyboardInterrupt):
        world.flows.rollback()
    assert (world.running, world.active, world.unit) == ("0.1.0", True, "unit of 0.1.0\n")
    assert world.people == "people as 0.1.0 writes them\n"
    assert (world.layout.prefix / "0.2.0" / RECORD).exists()


def test_a_terminal_that_is_gone_does_not_cut_off_the_way_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed SSH session takes it along, and whatever is printed from then on is an error."""
    world.doom("hopeless", "0.2.0")
    reader, writer = os.pipe()
    os.close(reader)
    flows = dataclasses.replace(world.flows, say=arguments._say(argparse.Namespace(json=False)))
    gone = os.fdopen(writer, "w")
    monkeypatch.setattr(sys, "stdout", gone)
    with pytest.raises(InstallFault, match="runs again, as before"):
        flows.rollback()
    with contextlib.suppress(BrokenPipeError):  # what was printed is still to be written
        gone.close()
    assert (world.running, world.active, world.unit) == ("0.1.0", True, "unit of 0.1.0\n")
    assert world.people == "people as 0.1.0 writes them\n"


def test_an_installer_that_was_killed_is_made_good_by_the_next(world: World) -> None:
    """No start of the machine in between: the new version may be running, unjudged."""
    remembered(world)
    steps = iter(range(10, 99))
    while dies(world, next(steps)) and world.running == "0.1.0":
        world.flows.recover()
        reset(world)
    assert world.running == "0.2.0"
    (world.systemd / "state").write_text("active\n")
    world.flows.recover()
    assert (world.running, world.active, world.unit) == ("0.1.0", True, "unit of 0.1.0\n")
