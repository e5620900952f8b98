"""Install, upgrade, go back and remove, in a folder instead of ``/``."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.install import snapshot
from deploy.install.faults import EXIT_UNHEALTHY, EXIT_USAGE, InstallFault
from deploy.install.platforms import Platform, judge
from edge.vault import KEY_FILE
from tests.deploy.install.world import World, kit, wheel

PYTHON = Path(sys.executable)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Version 0.1.0, installed and running, in a world that the tests of this module share."""
    world = World(tmp_path_factory.mktemp("world"))
    outcome = world.flows.install(str(kit(world.folder, "0.1.0")), PYTHON)
    assert (outcome.action, outcome.version, outcome.before) == ("installed", "0.1.0", "")
    return world


def told(world: World) -> str:
    """What the installed command says."""
    program = world.layout.prefix / "current" / "bin" / "earmark"
    return subprocess.run([program, "hello"], capture_output=True, text=True, check=True).stdout.strip()


def test_one_life_on_a_device(ready: World) -> None:
    """Each step rests on those before it, as on a device."""
    world, layout = ready, ready.layout
    assert (told(world), world.running, world.active) == ("earmark 0.1.0", "0.1.0", True)
    assert "/opt/earmark/current/bin/earmark" in world.unit
    assert layout.settings.read_text() == "# settings of 0.1.0\n"
    assert (world.systemd / "enabled").exists()
    assert layout.state.stat().st_mode & 0o777 == 0o700

    # Again: nothing happens, and what a person wrote stays.
    layout.settings.write_text("# mine\n")
    layout.command.unlink()
    assert world.flows.install(str(world.folder / "kit-0.1.0"), PYTHON).action == "unchanged"
    assert layout.settings.read_text() == "# mine\n"
    assert layout.command.exists()
    assert world.folders() == {"0.1.0"}

    # One that fails its self-test never runs.
    people, unit = world.people, world.unit
    starts = (world.systemd / "log").read_text().count("restart")
    with pytest.raises(InstallFault, match=r"self-test failed at bundle: The network is broken") as caught:
        world.flows.install(str(kit(world.folder, "0.2.0", how="sick")), PYTHON)
    assert caught.value.exit_code == EXIT_UNHEALTHY
    assert (world.running, world.folders(), world.people, world.unit) == ("0.1.0", {"0.1.0"}, people, unit)
    assert (world.systemd / "log").read_text().count("restart") == starts

    # Those that pass it and don't become ready, or fall over a moment later, are taken back with what they did.
    for version, how in (("0.3.0", "hopeless"), ("0.3.1", "fragile")):
        world.doom(how, version)
        (layout.state / "outbox.sqlite").write_text("a message")
        with pytest.raises(InstallFault, match=r"0\.1\.0 runs again, as before") as caught:
            world.flows.install(str(kit(world.folder, version)), PYTHON, upgrade=True)
        assert caught.value.exit_code == EXIT_UNHEALTHY
        assert (world.running, world.folders(), world.unit, world.active) == ("0.1.0", {"0.1.0"}, unit, True)
        assert world.people == "people as 0.1.0 writes them\n"
        assert (layout.state / "outbox.sqlite").read_text() == "a message"
        assert not layout.snapshot.exists()

    # A good one stays, and the one before it is kept.
    outcome = world.flows.install(str(kit(world.folder, "0.4.0")), PYTHON, upgrade=True)
    assert (outcome.action, outcome.version, outcome.before) == ("upgraded", "0.4.0", "0.1.0")
    assert (told(world), world.active, world.folders()) == ("earmark 0.4.0", True, {"0.1.0", "0.4.0"})
    assert world.unit.endswith("# 0.4.0\n")
    assert layout.settings.read_text() == "# mine\n"
    assert not layout.snapshot.exists()
    assert not (layout.prefix / "fallback").is_symlink()

    assert world.flows.rollback().version == "0.1.0"
    assert (told(world), world.active, world.unit) == ("earmark 0.1.0", True, unit)
    assert world.flows.rollback().version == "0.4.0"

    # The one before the one before goes.
    world.flows.install(str(kit(world.folder, "0.5.0")), PYTHON)
    assert world.folders() == {"0.4.0", "0.5.0"}

    # A service that a person stopped stays stopped.
    world.flows.services.stop()
    world.flows.rollback()
    assert (world.running, world.active) == ("0.4.0", False)

    # Where a login asks for the voice, Earmark stays.
    service = layout.at("/etc/pam.d/sudo")
    service.parent.mkdir(parents=True)
    service.write_text("auth required pam_exec.so /usr/local/lib/earmark/earmark-pam\n")
    with pytest.raises(InstallFault, match="let nobody in"):
        world.flows.uninstall(purge=False)
    service.unlink()

    world.flows.uninstall(purge=False)
    assert world.files() == {
        "/etc/earmark/earmark.yaml", "/var/lib/earmark/people.sqlite", "/var/lib/earmark/outbox.sqlite"
    }  # fmt: skip
    assert not layout.prefix.exists()

    world.flows.install(str(world.folder / "kit-0.5.0"), PYTHON)
    assert layout.settings.read_text() == "# mine\n"
    world.flows.uninstall(purge=True)
    assert world.files() == set()


def test_a_way_back_to_a_version_that_cannot_read_the_people_says_what_to_do(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.flows.install(str(kit(tmp_path, "0.1.0", how="strict")), PYTHON)
    world.flows.install(str(kit(tmp_path, "0.2.0")), PYTHON)
    with pytest.raises(InstallFault, match=r"0\.1\.0 cannot read the people as 0\.2\.0 keeps them") as caught:
        world.flows.rollback()
    assert "people protect --off" in caught.value.remedy
    assert caught.value.exit_code == EXIT_UNHEALTHY
    assert (world.running, world.active, world.people) == ("0.2.0", True, "people as 0.2.0 writes them\n")
    (world.layout.state / "people.sqlite").write_text("people as 0.1.0 writes them\n")
    assert world.flows.rollback().version == "0.1.0"

    # Where the running version cannot read them either, it is not about versions.
    (world.layout.state / "people.sqlite").write_text("people for 0.1.0 and 0.3.0\n")
    world.flows.install(str(kit(tmp_path, "0.3.0", how="strict")), PYTHON)
    (world.layout.state / "people.sqlite").write_text("damaged\n")
    with pytest.raises(InstallFault, match="self-test failed at people: Schema 3 is unknown"):
        world.flows.rollback()


def test_a_first_installation_that_does_no_good_leaves_nothing_to_run(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.doom("hopeless", "0.1.0")
    with pytest.raises(InstallFault, match="did not become ready"):
        world.flows.install(str(kit(tmp_path, "0.1.0")), PYTHON)
    assert (world.running, world.folders(), world.active) == ("", set(), False)
    assert not world.layout.unit.exists()
    assert not (world.systemd / "enabled").exists()


def test_what_cannot_be_installed_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    world = World(tmp_path)
    other = tmp_path / "numpy-2.0-py3-none-any.whl"
    other.touch()
    for given in (other, tmp_path / "nothing.pyz", tmp_path):
        with pytest.raises(InstallFault) as caught:
            world.flows.install(str(given), PYTHON)
        assert caught.value.exit_code == EXIT_USAGE
    with pytest.raises(InstallFault, match="not installed yet"):
        world.flows.install(str(wheel(tmp_path, "0.1.0")), PYTHON, upgrade=True)
    with pytest.raises(InstallFault, match="no earlier version"):
        world.flows.rollback()
    assert world.files() == {"/opt/earmark/.lock"}


def test_two_installers_do_not_meet(tmp_path: Path) -> None:
    world = World(tmp_path)
    with world.layout.lock(), pytest.raises(InstallFault, match="under way"):
        world.flows.install(str(kit(tmp_path, "0.1.0")), PYTHON)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Platform((3, 11), False, "aarch64"), "32-bit system"),  # a 64-bit kernel below 32-bit programs
        (Platform((3, 11), False, "armv7l"), "64-bit Raspberry Pi OS"),
        (Platform((3, 11), False, "armv6l"), "cannot run a 64-bit system"),
        (Platform((3, 9), True, "aarch64"), "bookworm"),
        (Platform((3, 13), True, "riscv64"), "riscv64"),
    ],
)
def test_a_machine_that_cannot_do_it_is_told_why(found: Platform, said: str) -> None:
    with pytest.raises(InstallFault) as caught:
        judge(found)
    assert said in caught.value.sentence()


@pytest.mark.parametrize("version", [(3, 11), (3, 13)])
def test_the_systems_of_a_pi_are_welcome(version: tuple[int, int]) -> None:
    judge(Platform(version, True, "aarch64"))


def test_the_way_back_writes_through_no_link_of_the_services_account(tmp_path: Path) -> None:
    """It works as root in a folder in which the account may put what it likes."""
    world = World(tmp_path)
    state, other = world.layout.state, tmp_path / "shadow"
    state.mkdir(parents=True)
    other.write_text("root's own\n")
    other.chmod(0o600)
    people = state / "people.sqlite"
    people.write_text("old")
    people.chmod(0o640)
    os.utime(people, (1, 2))
    snapshot.take(world.layout)
    people.unlink()
    for name in ("people.sqlite", ".people.sqlite.back", "people.json"):
        (state / name).symlink_to(other)
    snapshot.put_back(world.layout)
    assert other.read_text() == "root's own\n"
    assert (people.is_symlink(), people.read_text()) == (False, "old")
    assert (people.stat().st_mode & 0o777, people.stat().st_mtime) == (0o640, 2)


def test_a_copy_of_the_people_is_roots_alone_and_ends_with_the_trial(tmp_path: Path) -> None:
    world = World(tmp_path)
    state = world.layout.state
    state.mkdir(parents=True)
    for name in ("people.sqlite", "people.sqlite-wal", KEY_FILE, "outbox.sqlite", "attempts.sqlite"):
        (state / name).write_text(f"old {name}")
    snapshot.take(world.layout)
    assert world.layout.snapshot.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in world.layout.snapshot.iterdir()} == {"people.sqlite", "people.sqlite-wal", KEY_FILE}
    for name in ("people.sqlite", "people.sqlite-shm", "outbox.sqlite", "attempts.sqlite"):
        (state / name).write_text(f"new {name}")
    snapshot.put_back(world.layout)
    assert {path.name: path.read_text() for path in state.iterdir()} == {
        "people.sqlite": "old people.sqlite",
        "people.sqlite-wal": "old people.sqlite-wal",
        KEY_FILE: f"old {KEY_FILE}",
        "outbox.sqlite": "new outbox.sqlite",
        "attempts.sqlite": "new attempts.sqlite",
    }
    assert not world.layout.snapshot.exists()
