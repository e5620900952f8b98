"""Devices with a real installation: each a systemd in namespaces of its own, with an sshd, a network and somebody who
talks.

Gives ``Device``. Nothing of Earmark is there at first; the kit brings it. A stand-in is only the microphone (samples
come through a pipe), and that Debian's PyAudio is said to be installed.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

from edge.vault import CREDENTIAL
from tests.broker import wait_for
from tests.deploy.booted.machine import Machine
from tests.deploy.fleet.speech import Speech
from tests.deploy.fleet.sshd import PATIENCE_SECONDS, configure, program

SSH_PORT = 22
EARS = "/run/ears"
_SHOWN = "/run/shown/lab"
_SSHD = """[Service]
RuntimeDirectory=sshd
ExecStart={sshd} -D -e -f /run/shown/lab/sshd_config
StandardError=append:/run/logs/sshd.log
"""
_DROP_IN = f"""[Service]
StandardInput=file:{EARS}
StandardError=append:/run/logs/services.log
TimeoutStartSec=180
WatchdogSec=180
"""
"""What a microphone would do comes through a pipe. A busy machine starts slowly."""
_DPKG = "Package: python3-pyaudio\nStatus: install ok installed\nMaintainer: nobody\nArchitecture: all\nVersion: 0\n"
_CLIPS = "/opt/earmark/current/lib/python3*/site-packages/edge/demo/assets"


class Device:
    """``network``: the name of its network namespace. ``broker``: where the broker is. ``ssh_key``: of whoever may log
    in. ``key``: where the key of the voiceprints is: ``file``, made by Earmark; ``credential``, in /etc/earmark;
    ``encrypted``, such a credential that only this machine opens.
    """

    def __init__(
        self, name: str, folder: Path, network: str, address: str, broker: tuple[str, int], ssh_key: str, key: str
    ) -> None:
        self.name, self.address, self._key = name, address, key
        self.machine = Machine(folder / name, network)
        folder = self.machine.folder
        (folder / "etc/earmark.yaml").write_text(
            f"node: {{name: {name}}}\naudio: {{source: '-'}}\nlog: {{format: json}}\n"
            f"mqtt: {{host: {broker[0]}, port: {broker[1]}, reconnect_max_seconds: 1}}\n"
        )
        lab = folder / "lab"
        lab.mkdir()
        self.known_host = configure(lab, address, SSH_PORT, ssh_key, seen=_SHOWN)
        self.machine.show("lab", lab)
        # Versions are large: on the disk rather than in memory.
        (folder / "opt").mkdir()
        self.machine.show("opt", folder / "opt")
        units = folder / "units"
        (units / "sshd.service").write_text(_SSHD.format(sshd=program("sshd", "openssh-server")))
        (units / "earmark.service.d").mkdir()
        (units / "earmark.service.d/lab.conf").write_text(_DROP_IN)
        self._speech: Speech | None = None
        self._pipe = -1

    def start(self) -> None:
        """Boot, and let somebody talk."""
        self.machine.__enter__()
        run = self.machine.run
        run("mount", "-t", "tmpfs", "tmpfs", "/usr/local/bin")  # what belongs to this machine stays as it is
        run("mkdir", "/opt")
        run("mount", "--bind", "/run/shown/opt", "/opt")
        run("mkdir", "-p", "/var/lib/dpkg/info", "/var/lib/dpkg/updates")
        (self.machine.root / "var/lib/dpkg/status").write_text(_DPKG)
        self._give_key()
        run("mkfifo", "-m", "644", EARS)
        self._pipe = os.open(self.machine.root / EARS.lstrip("/"), os.O_RDWR | os.O_NONBLOCK)
        self._speech = Speech(self._pipe)
        self._speech.start()
        self.machine.systemctl("start", "sshd")
        log = self.machine.folder / "sshd.log"
        wait_for(lambda: "Server listening" in log.read_text(), f"the sshd of {self.name}", PATIENCE_SECONDS)

    def stop(self) -> None:
        if self._speech is not None:
            self._speech.hush()
            self._speech.join()
            os.close(self._pipe)
            self.machine.__exit__()

    def _give_key(self) -> None:
        if self._key == "file":
            return
        plain = self.machine.root / "etc/earmark" / CREDENTIAL
        plain.write_text(f"{secrets.token_hex(32)}\n")
        plain.chmod(0o600)
        if self._key == "encrypted":
            sealed = "/etc/earmark/voiceprint-key.cred"
            self.machine.run("systemd-creds", "encrypt", f"--name={CREDENTIAL}", f"/etc/earmark/{CREDENTIAL}", sealed)
            plain.unlink()
            drop_in = self.machine.root / "etc/systemd/system/earmark.service.d/key.conf"
            drop_in.write_text(f"[Service]\nLoadCredentialEncrypted={CREDENTIAL}:{sealed}\n")
            self.machine.systemctl("daemon-reload")

    def keys(self) -> str:
        """Where the key of its voiceprints is, as `sudo earmark doctor` says."""
        told = json.loads(self.machine.run("earmark", "doctor", "--only", "vault", "--json"))
        (vault,) = [one for one in told["checks"] if one["name"] == "vault"]
        assert vault["status"] == "ok", vault
        return str(vault["facts"]["key"])

    def inventory(self) -> list[str]:
        """Its lines: everything else is where it usually is."""
        return [f"address: {self.address}", f"ssh: {{port: {SSH_PORT}}}"]

    def enrol(self, who: str) -> None:
        """As its owner does it."""
        self.machine.run("sh", "-c", f"earmark enroll {who} {_CLIPS}/{who.lower()}-enrol-*.ogg --quiet")

    def hush(self) -> None:
        """Nobody talks any more."""
        assert self._speech is not None
        self._speech.hush()

    def versions(self) -> dict[str, str]:
        """Name -> what it is for, as the installer says."""
        rows: list[dict[str, Any]] = json.loads(self.machine.run("earmark", "deploy", "versions", "--json"))
        return {row["name"]: row["use"] for row in rows}

    def runs(self) -> tuple[str, str]:
        """Whether the service is active, and which version its process is of."""
        pid = self.machine.shown("earmark", "MainPID")
        words = self.machine.run("cat", f"/proc/{pid}/cmdline").split("\0")
        told = self.machine.run(words[0], "-c", "import edge; print(edge.__version__)") if pid != "0" else ""
        return self.machine.shown("earmark", "ActiveState"), told.strip()

    def said(self) -> list[dict[str, Any]]:
        """The log of all its daemons, one after the other."""
        log = self.machine.folder / "services.log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return [json.loads(line) for line in lines if line.startswith("{")]

    def starts(self) -> int:
        """How often a daemon has begun to listen."""
        return sum(line.get("message") == "listening" for line in self.said())
