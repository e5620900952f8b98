"""``python -m tests.deploy.fleet.upgrades``: a fleet's life with real installations, over SSH (``make fleet``).

Three devices, each with a systemd, an sshd and a network of its own and without Earmark. `earmark fleet deploy` brings
it with a kit of this checkout; people are enrolled; then come a good version, three broken ones, each in another way,
and another bundle, while somebody talks all the time and a real broker hears what every daemon has decided. Two of the
devices have the key of their voiceprints from systemd, one of these encrypted.

Needs root and, for the kit, the network. Prints a line for each step; the exit code is 1 where one failed.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import pytest

from deploy.install.arguments import main as installer
from deploy.install.kits import RELEASES
from edge.settings.sections import DEFAULT_BUNDLE
from tests.arm64.kits import changed
from tests.broker import Listener, Mosquitto, free_port, wait_for
from tests.deploy.booted.machine import require
from tests.deploy.fleet.devices import Device
from tests.deploy.fleet.hosts import Network, make_bundle
from tests.deploy.fleet.sshd import PATIENCE_SECONDS, Operator, states
from tests.steps import Steps, verdict

NAMES: Final = ("attic", "cellar", "kitchen")
PEOPLE: Final = ("Ada", "Ben")
BUNDLE: Final = DEFAULT_BUNDLE
GOOD: Final = "9.9.2"
SPOILT: Final = f"edge/bundles/{DEFAULT_BUNDLE}/encoder.int8.tflite"
_FAILS: Final = """

def run(args: argparse.Namespace) -> int:
    import sys

    print("{}", file=sys.stderr)
    return 5
"""
MUTE: Final = ("edge/cli/run.py", _FAILS.format("this version does not start"))
"""Passes its self-test, and ends before it is ready."""
DUMB: Final = ("edge/cli/status.py", _FAILS.format("this version does not say how it is"))
"""Becomes ready and stays so, but the fleet cannot see that it is well."""


class Life(Steps):
    """The steps."""

    def __init__(self, folder: Path, kit: Path) -> None:
        self.folder, self.kit = folder, kit
        self.operator = Operator(folder)
        self.network = Network(NAMES)
        if not self.network.spaces:
            sys.exit("Network namespaces cannot be made here: root, `ip` (iproute2) and CAP_NET_ADMIN are needed.")
        port = free_port()
        (folder / "broker").mkdir()
        gateway = self.network.gateway
        self.broker = Mosquitto(folder / "broker", port=port, extra=f"listener {port} {gateway}\n")
        self.listener: Listener | None = None
        self.devices = [
            Device(
                name,
                folder,
                self.network.spaces[name],
                self.network.address(name),
                (gateway, port),
                self.operator.public_key,
                key,
            )
            for name, key in zip(NAMES, ("file", "credential", "encrypted"), strict=True)
        ]
        self.first = ""
        super().__init__()

    def begin(self) -> None:
        """Boot everything."""
        self.broker.start()
        self.listener = Listener(self.broker.port)
        for device in self.devices:
            device.start()
        self.operator.known_hosts.write_text("".join(device.known_host for device in self.devices))
        self.pace(240)

    def pace(self, health_seconds: int) -> None:
        """How long a device may take to be well."""
        hosts = {device.name: device.inventory() for device in self.devices}
        self.operator.write_inventory(hosts, f"{{health_seconds: {health_seconds}, settle_seconds: 2, wave: 1}}")

    def end(self) -> None:
        for device in self.devices:
            device.stop()
        if self.listener is not None:
            self.listener.close()
        self.broker.stop()
        self.network.remove()

    # The steps.

    def install(self) -> str:
        told = self.operator.fleet("status", code=1)
        assert [(row["reachable"], row["installed"]) for row in told["hosts"]] == [(True, False)] * 3, told
        told = self.operator.fleet("deploy", self.kit)
        assert states(told) == dict.fromkeys(NAMES, "done"), told
        self.first = told["hosts"][0]["after"]
        assert all(device.runs() == ("active", self.first) for device in self.devices)
        return f"{self.first} on {len(NAMES)} bare devices, each in a wave of its own"

    def people(self) -> str:
        for device in self.devices:
            for who in PEOPLE:
                device.enrol(who)
        told = self.operator.fleet("status")
        assert [row["enrolled"] for row in told["hosts"]] == [len(PEOPLE)] * 3, told
        self.heard()
        keys = [device.keys() for device in self.devices]
        assert keys == ["file", "credential", "credential"], keys
        return f"{' and '.join(PEOPLE)} are enrolled on each, wherever the key comes from; their events arrive"

    def upgrade(self) -> str:
        newer = changed(self.kit, self.folder / "newer.pyz", GOOD)
        told = self.operator.fleet("deploy", newer, "--dry-run")
        assert [(row["would"], row["before"], row["after"]) for row in told["hosts"]] == [
            ("change", self.first, GOOD)
        ] * 3, told
        told = self.operator.fleet("deploy", newer, "--canary", "cellar", "--wave", "2")
        assert [(row["host"], row["wave"], row["state"]) for row in told["hosts"]] == [
            ("cellar", 1, "done"), ("attic", 2, "done"), ("kitchen", 2, "done")
        ], told  # fmt: skip
        for device in self.devices:
            assert device.runs() == ("active", GOOD), device.runs()
            assert device.versions() == {self.first: "before", GOOD: "runs"}
        assert self.operator.fleet("deploy", newer, "--new")["exit_code"] == 0
        self.heard()
        return f"{self.first} to {GOOD}: the canary, then the two others at once; again, nothing is done"

    def broken(self, kit: Path, said: str, *, back: str) -> str:
        """A version that will not do. ``said``: what the row of the first host tells; ``back``: who goes back."""
        starts = [device.starts() for device in self.devices]
        told = self.operator.fleet("deploy", kit, "--new", code=1)
        assert states(told) == {"attic": "as_before", "cellar": "waiting", "kitchen": "waiting"}, told
        why = str(told["hosts"][0]["why"])
        assert said in why, why
        for device in self.devices:
            assert device.runs() == ("active", GOOD), device.runs()
            usual = {self.first: "before", GOOD: "runs"}
            assert device.versions() == usual or (device.name == "attic" and back == "fleet"), device.versions()
        assert [device.starts() for device in self.devices[1:]] == starts[1:], "a host was touched"
        assert all(row["healthy"] for row in self.operator.fleet("status")["hosts"])
        return f"exit code 1; attic: {why[:150]}; the others were not touched"

    def spoilt(self) -> str:
        kit = changed(self.kit, self.folder / "spoilt.pyz", "9.9.3", spoil=SPOILT)
        starts = self.devices[0].starts()
        said = self.broken(kit, "self-test failed at", back="installer")
        assert self.devices[0].starts() == starts, "the service was stopped"
        return said

    def mute(self) -> str:
        kit = changed(self.kit, self.folder / "mute.pyz", "9.9.4", more=MUTE)
        return self.broken(kit, f"{GOOD} runs again, as before", back="installer")

    def dumb(self) -> str:
        kit = changed(self.kit, self.folder / "dumb.pyz", "9.9.5", more=DUMB)
        self.pace(30)
        try:
            return self.broken(kit, "this version does not say how it is", back="fleet")
        finally:
            self.pace(240)

    def bundle(self) -> str:
        new = make_bundle(self.folder, BUNDLE, "2")
        starts = [device.runs() for device in self.devices]
        before = {device.name: len(self.events(device)) for device in self.devices}
        told = self.operator.fleet("bundle", new, "--canary", "kitchen", "--wave", "2", "--new")
        assert states(told) == dict.fromkeys(NAMES, "done"), told
        for device in self.devices:
            wait_for(
                lambda its=device: self.events(its)[-1]["model"] == f"{BUNDLE}-2", f"{device.name}", PATIENCE_SECONDS
            )
            assert any(one["speaker"] in PEOPLE for one in self.events(device)[before[device.name] :]), device.name
        assert [device.runs() for device in self.devices] == starts
        assert [row["enrolled"] for row in self.operator.fleet("status")["hosts"]] == [len(PEOPLE)] * 3
        deaf = [next(one["deaf_ms"] for one in reversed(device.said()) if "deaf_ms" in one) for device in self.devices]
        return f"{BUNDLE}-2 on all, people still known; deaf for {', '.join(f'{ms:g}' for ms in deaf)} ms"

    def nothing_lost(self) -> str:
        counts = []
        for device in self.devices:
            device.hush()
            device.machine.systemctl("stop", "earmark")
            decided = sum(line.get("message") == "utterance" for line in device.said())
            wait_for(
                lambda its=device, n=decided: len(self.events(its)) >= n,
                f"{decided} of {device.name}",
                PATIENCE_SECONDS,
            )
            heard = self.events(device)
            ids = [one["id"] for one in heard]
            assert len(heard) == decided, (len(heard), decided)
            assert ids == sorted(ids), f"{device.name}: out of order"
            counts.append(str(decided))
        return f"decided {', '.join(counts)}; as many at the broker, each once, in order"

    def events(self, device: Device) -> list[dict[str, Any]]:
        """A device's utterances in order of arrival, each once."""
        assert self.listener is not None
        found = [json.loads(one) for one in self.listener.payloads(f"earmark/{device.name}/utterance")]
        return list({one["id"]: one for one in found}.values())

    def heard(self) -> None:
        """Another event comes from every device, about somebody who is known."""
        for device in self.devices:
            have = len(self.events(device))
            wait_for(
                lambda its=device, n=have: any(one["speaker"] in PEOPLE for one in self.events(its)[n:]),
                f"an event of {device.name}",
                PATIENCE_SECONDS,
            )


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fleet", description=__doc__)
    parser.add_argument("--kit", type=Path, help="a kit for this machine, instead of one of this checkout")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # with everything taken down
    try:
        require()
        with tempfile.TemporaryDirectory(prefix="earmark-fleet-", dir="/var/tmp") as name:
            folder = Path(name)
            kit = options.kit or folder / "kit.pyz"
            if not options.kit:
                release = next(one for one, its in RELEASES.items() if its.python == _system_python())
                assert installer(["kit", "--release", release, "--arch", "amd64", "--out", str(kit)]) == 0
            life = Life(folder, kit)
            try:
                life.begin()
                _live(life)
            finally:
                life.end()
    except pytest.skip.Exception as reason:
        sys.exit(str(reason))
    return verdict(life.failed)


def _live(life: Life) -> None:
    if life.step("install by the fleet", life.install) and life.step("people", life.people):
        life.step("a good version", life.upgrade)
        life.step("fails its self-test", life.spoilt)
        life.step("does not get ready", life.mute)
        life.step("is not well", life.dumb)
        life.step("another bundle", life.bundle)
        life.step("nothing was lost", life.nothing_lost)


def _system_python() -> str:
    words = ["/usr/bin/python3", "-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    raise SystemExit(main())
