"""A real sshd with keys of its own, and whoever logs in there.

Takes a folder. Gives a configuration for one device, and an ``Operator`` who has the keys and the inventory.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.broker import wait_for

ROOT = Path(__file__).resolve().parents[3]
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])

PATIENCE_SECONDS = 300.0
"""On a machine that does much else meanwhile."""


def program(name: str, package: str) -> str:
    """Where it is; the test is skipped where it is not installed."""
    found = shutil.which(name, path=PATH)
    if found is None:
        pytest.skip(f"{name} is not installed (apt install {package})")
    return found


def quietly(*words: str | Path) -> bool:
    """Run a program; gives whether it did well."""
    return subprocess.run([str(word) for word in words], capture_output=True, check=False).returncode == 0


def key_pair(path: Path) -> str:
    """Make a key without a passphrase; gives its public half."""
    subprocess.run(
        [program("ssh-keygen", "openssh-client"), "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True
    )
    return path.with_name(f"{path.name}.pub").read_text()


def configure(
    folder: Path, address: str, port: int, public_key: str, *, more: Mapping[str, str] | None = None, seen: str = ""
) -> str:
    """Write ``sshd_config`` and keys into ``folder``; gives the device's line for known_hosts. ``seen``: the folder as
    sshd sees it.
    """
    there = seen or str(folder)
    host_key = key_pair(folder / "host_key").split()
    (folder / "authorized_keys").write_text(public_key)
    lines = {
        "Port": str(port),
        "ListenAddress": address,
        "HostKey": f"{there}/host_key",
        "AuthorizedKeysFile": f"{there}/authorized_keys",
        "PidFile": "none",
        "UsePAM": "no",
        "StrictModes": "no",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "PermitRootLogin": "prohibit-password",
        "PrintMotd": "no",
    } | dict(more or {})
    (folder / "sshd_config").write_text("".join(f"{key} {value}\n" for key, value in lines.items()))
    place = address if port == 22 else f"[{address}]:{port}"
    return f"{place} {host_key[0]} {host_key[1]}\n"


class Sshd:
    """One that runs. ``folder``: what ``configure`` wrote; ``inside``: words that stand before a command there."""

    def __init__(self, folder: Path, inside: Sequence[str]) -> None:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        words = [*inside, program("sshd", "openssh-server"), "-D", "-e", "-f", str(folder / "sshd_config")]
        path = folder / "sshd.log"
        with path.open("ab") as log:
            self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(lambda: "Server listening" in path.read_text(), f"the sshd of {folder.name}", PATIENCE_SECONDS)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_SECONDS)


class Operator:
    """Whoever looks after the devices: keys, known hosts, an inventory, and the command."""

    def __init__(self, folder: Path) -> None:
        program("ssh", "openssh-client")
        self.folder = folder
        self.inventory = folder / "fleet.yaml"
        self.known_hosts = folder / "known_hosts"
        self.public_key = key_pair(folder / "key")

    def write_inventory(
        self, hosts: Mapping[str, Sequence[str]], rollout: str = "{health_seconds: 240, settle_seconds: 0}"
    ) -> None:
        """``hosts``: name -> lines. All but the first are the group ``upstairs``."""
        lines = [
            "defaults:",
            "  become: none",
            "  ssh:",
            f"    identity: {self.folder / 'key'}",
            "    config: /dev/null",
            "    options:",
            f"      - UserKnownHostsFile={self.known_hosts}",
            "      - StrictHostKeyChecking=yes",
            "groups:",
            "  upstairs:",
            f"    hosts: [{', '.join(list(hosts)[1:])}]",
            f"rollout: {rollout}",
            "hosts:",
        ]
        for name, its in hosts.items():
            lines += [f"  {name}:", *(f"    {line}" for line in its)]
        self.inventory.write_text("\n".join(lines) + "\n")

    def fleet(self, *words: str | Path, code: int | None = 0) -> Any:
        """Run ``earmark fleet`` with ``--json``; gives what it printed."""
        command = [sys.executable, "-m", "deploy.fleet", *map(str, words), "--inventory", str(self.inventory), "--json"]
        environment = dict(os.environ) | {"XDG_STATE_HOME": str(self.folder / "operator")}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=1800
        )
        assert code is None or done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else {"stderr": done.stderr}


def states(told: dict[str, Any]) -> dict[str, str]:
    """How each host of a rollout ended."""
    return {row["host"]: row["state"] for row in told["hosts"]}
