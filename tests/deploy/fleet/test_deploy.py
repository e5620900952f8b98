"""Versions come to devices over a real SSH, through the real installer there, in folders instead of ``/``.

The short form of ``make fleet``: the versions are small stand-ins, and nothing is started.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.install.arguments import main as installer
from deploy.install.kits import pack
from tests.broker import free_port
from tests.deploy.fleet.hosts import Network
from tests.deploy.fleet.sshd import Operator, Sshd, configure, states
from tests.deploy.install.world import kit

NAMES = ("attic", "cellar")
EARMARK = """#!/bin/sh
# What a device has at /opt/earmark/current/bin/earmark, of the version that runs.
here={here}
current="$here/device/opt/earmark/current/bin"
[ -x "$current/earmark" ] || exit 5
if [ "$1" = deploy ]; then shift; exec "$current/python3" -I -m deploy.install "$@" --root "$here/device"; fi
exec "$current/earmark" "$@"
"""


def kit_file(folder: Path, version: str, how: str = "") -> Path:
    """A kit as one file, which is how it goes over the wire."""
    made = kit(folder, version, how=how)
    targets = json.loads((made / "kit.json").read_text())["targets"]
    members = {f"wheels/{path.name}": path for path in (made / "wheels").iterdir()}
    out = folder / f"earmark-{version}.pyz"
    pack(out, members, version, [(python, machine) for python, machine in targets])
    return out


class Device:
    """A folder with version 0.1.0 installed, and an sshd."""

    def __init__(self, name: str, folder: Path, network: Network, operator: Operator, first: Path) -> None:
        self.folder = folder
        self.earmark = folder / "bin" / "earmark"
        self.earmark.parent.mkdir(parents=True)
        self.earmark.write_text(EARMARK.format(here=shlex.quote(str(folder))))
        self.earmark.chmod(0o755)
        # Whatever goes wrong, no kit may run by itself: it would install on this very machine.
        (folder / "bin" / "python3").symlink_to("/bin/false")
        assert installer(["install", str(first), "--python", sys.executable, "--root", str(folder / "device")]) == 0
        self.address, self.port = network.address(name), free_port()
        environ = {"SetEnv": f"HOME={folder} PATH={folder / 'bin'}:/usr/bin:/bin"}
        self.known_host = configure(folder, self.address, self.port, operator.public_key, more=environ)
        self.sshd = Sshd(folder, network.inside(name))

    def inventory(self) -> list[str]:
        return [f"address: {self.address}", f"ssh: {{port: {self.port}}}", f"earmark: {self.earmark}"]

    def versions(self) -> dict[str, str]:
        """What each link of the installation leads to, and which versions are there."""
        prefix = self.folder / "device/opt/earmark"
        links = {path.name: str(path.readlink()) for path in prefix.iterdir() if path.is_symlink()}
        return links | {"all": " ".join(sorted(path.name for path in prefix.glob("[0-9]*")))}


@pytest.fixture
def devices(tmp_path: Path) -> Iterator[tuple[Operator, dict[str, Device]]]:
    network = Network(NAMES)
    made: dict[str, Device] = {}
    try:
        operator, first = Operator(tmp_path), kit_file(tmp_path, "0.1.0")
        for name in NAMES:
            made[name] = Device(name, tmp_path / name, network, operator, first)
        operator.known_hosts.write_text("".join(device.known_host for device in made.values()))
        hosts = {name: device.inventory() for name, device in made.items()}
        operator.write_inventory(hosts, "{health_seconds: 0, settle_seconds: 0}")
        yield operator, made
    finally:
        for device in made.values():
            device.sshd.stop()
        network.remove()


def test_versions_come_to_devices_and_broken_ones_go_back_where_they_came(
    devices: tuple[Operator, dict[str, Device]], tmp_path: Path
) -> None:
    operator, hosts = devices
    told = operator.fleet("deploy", kit_file(tmp_path, "0.2.0"))
    assert [(row["host"], row["wave"], row["before"], row["after"], row["state"]) for row in told["hosts"]] == [
        ("attic", 1, "0.1.0", "0.2.0", "done"), ("cellar", 2, "0.1.0", "0.2.0", "done")
    ]  # fmt: skip
    good = {"current": "0.2.0", "previous": "0.1.0", "all": "0.1.0 0.2.0"}
    assert [device.versions() for device in hosts.values()] == [good, good]

    # The installer there refuses one that fails its self-test; nothing further begins.
    told = operator.fleet("deploy", kit_file(tmp_path, "0.3.0", "sick"), "--new", code=1)
    assert states(told) == {"attic": "as_before", "cellar": "waiting"}
    assert "The self-test failed at bundle: The network is broken" in told["hosts"][0]["why"]
    assert [device.versions() for device in hosts.values()] == [good, good]

    # One that the installer takes for good, and the fleet does not: back by the installer's own rollback.
    told = operator.fleet("deploy", kit_file(tmp_path, "0.4.0", "dumb"), "--new", code=1)
    assert states(told) == {"attic": "as_before", "cellar": "waiting"}
    assert "it does not say how it is" in told["hosts"][0]["why"]
    assert [device.versions()["current"] for device in hosts.values()] == ["0.2.0", "0.2.0"]
    assert not list((tmp_path / "cellar" / ".cache" / "earmark-fleet").glob("*0.4.0*")), "it was sent to nobody else"
