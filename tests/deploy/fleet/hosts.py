"""Devices to roll out to: a real sshd and a real ``earmark run`` each, in a network namespace of its own where we may.

Gives ``Lab``. Where namespaces are not allowed, the hosts share the loopback interface, each with a port of its own.
Every host has its own folder, keys, home, settings, state and sound.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge.bundle import pack, seal
from edge.bundle.locate import PACKAGED
from edge.cli import main
from edge.demo.stage import ASSETS
from tests.broker import HOST as LOOPBACK
from tests.broker import Listener, Mosquitto, free_port, wait_for
from tests.deploy.fleet.cable import Cable
from tests.deploy.fleet.speech import Speech
from tests.deploy.fleet.sshd import PATH, PATIENCE_SECONDS, ROOT, Operator, Sshd, configure, program, quietly

BUNDLE = "baseline"
"""Cheap to compute, and rolled out under its own name."""


class Network:
    """A bridge, and a namespace per host; or the loopback interface."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._mark = f"ef{os.getpid() % 100000}"
        self._subnet = f"10.{64 + os.getpid() % 150}.{os.getpid() // 150 % 250}"
        self.spaces: dict[str, str] = {}
        self.gateway = LOOPBACK
        self._ip = shutil.which("ip", path=PATH) or ""
        if os.geteuid() == 0 and self._ip and not self._build():
            self.remove()

    def address(self, name: str) -> str:
        return f"{self._subnet}.{self._names.index(name) + 2}" if self.spaces else LOOPBACK

    def inside(self, name: str) -> list[str]:
        """What stands before a command that runs on that host."""
        return [self._ip, "netns", "exec", self.spaces[name]] if self.spaces else []

    def _build(self) -> bool:
        ip, bridge = self._ip, f"{self._mark}b"
        done = quietly(ip, "link", "add", bridge, "type", "bridge")
        done = done and quietly(ip, "addr", "add", f"{self._subnet}.1/24", "dev", bridge)
        done = done and quietly(ip, "link", "set", bridge, "up")
        for number, name in enumerate(self._names):
            space, here, there = f"{self._mark}-{name}", f"{self._mark}v{number}", f"{self._mark}p{number}"
            done = done and quietly(ip, "netns", "add", space)
            self.spaces[name] = space
            done = done and quietly(ip, "link", "add", here, "type", "veth", "peer", "name", there, "netns", space)
            done = done and quietly(ip, "link", "set", here, "master", bridge, "up")
            done = done and quietly(ip, "-n", space, "addr", "add", f"{self._subnet}.{number + 2}/24", "dev", there)
            done = done and quietly(ip, "-n", space, "link", "set", there, "up")
            done = done and quietly(ip, "-n", space, "link", "set", "lo", "up")
        self.gateway = f"{self._subnet}.1"
        return done

    def remove(self) -> None:
        for space in self.spaces.values():
            quietly(self._ip, "netns", "del", space)
        if self._ip and os.geteuid() == 0:
            quietly(self._ip, "link", "del", f"{self._mark}b")
        self.spaces = {}
        self.gateway = LOOPBACK


@dataclass
class TestHost:
    """One device."""

    __test__ = False

    name: str
    folder: Path
    network: Network
    broker_port: int
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        for sub in ("home", "etc", "bin"):
            (self.folder / sub).mkdir(parents=True)
        self.config = self.folder / "etc" / "earmark.yaml"
        self.state = self.folder / "state"
        self.log = self.folder / "daemon.log"
        self.earmark = self.folder / "bin" / "earmark"
        self.earmark.write_text(
            f'#!/bin/sh\ncd "{ROOT}" || exit 5\nunset EARMARK_STATE EARMARK_BUNDLES\n'
            f'case "$1" in deploy) exec "{self.folder}/bin/installer" "$@";; esac\n'
            f'exec "{sys.executable}" -m edge.cli "$@"\n'
        )
        self.earmark.chmod(0o755)
        self.config.write_text(self.settings())
        self._sshd: Sshd | None = None
        self._daemon: subprocess.Popen[bytes] | None = None
        self._speech: Speech | None = None

    def settings(self, room: str = "") -> str:
        return (
            f"node:\n  name: {self.name}\n  room: '{room}'\n"
            f"mqtt:\n  host: {self.network.gateway}\n  port: {self.broker_port}\n  reconnect_max_seconds: 1\n"
            f"models:\n  bundle: {BUNDLE}\nlog:\n  format: json\n"
        )

    def start_sshd(self, public_key: str) -> None:
        home = {"SetEnv": f"HOME={self.folder / 'home'}"}
        self.known_host = configure(self.folder, self.network.address(self.name), self.port, public_key, more=home)
        self._sshd = Sshd(self.folder, self.network.inside(self.name))

    def start_daemon(self, pace: float = 1.0) -> None:
        words = [*self.network.inside(self.name), str(self.earmark), "run", "--source", "-"]
        words += ["--config", str(self.config), "--state", str(self.state)]
        with self.log.open("ab") as log:
            self._daemon = subprocess.Popen(words, stdin=subprocess.PIPE, bufsize=0, stdout=log, stderr=log)
        assert self._daemon.stdin is not None
        self._speech = Speech(self._daemon.stdin.fileno(), pace)
        self._speech.start()

    def wait_until_up(self) -> None:
        wait_for(lambda: "listening" in self.messages(), f"the daemon of {self.name}", PATIENCE_SECONDS)

    def messages(self) -> list[str]:
        """What the daemon's log says, by the word that each line is about."""
        lines = self.log.read_text().splitlines()
        return [str(json.loads(line).get("message")) for line in lines if line.startswith("{")]

    def stop_daemon(self) -> None:
        if self._speech is not None:
            self._speech.hush()
        if self._daemon is not None:
            # What listens is the interpreter, which the wrapper and `ip netns exec` have become.
            self._daemon.send_signal(signal.SIGTERM)
            try:
                self._daemon.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self._daemon.kill()
                raise
            self._daemon = None

    def stop(self) -> None:
        self.stop_daemon()
        if self._sshd is not None:
            self._sshd.stop()
            self._sshd = None


class Lab:
    """Hosts, a broker that they reach (the last one by a cable that can be pulled), an inventory, and the command."""

    def __init__(self, folder: Path, names: Sequence[str], people: Path | None) -> None:
        program("sshd", "openssh-server")
        self.folder = folder
        self.operator = Operator(folder)
        self.network = Network(names)
        port = free_port()
        extra = f"listener {port} {self.network.gateway}\n" if self.network.spaces else ""
        (folder / "broker").mkdir()
        self.broker = Mosquitto(folder / "broker", port=port, extra=extra)
        self.cable = Cable(self.network.gateway, free_port(), (LOOPBACK, port))
        ports = [*([port] * (len(names) - 1)), self.cable.port]  # the last host hangs on the cable
        self.hosts = {
            name: TestHost(name, folder / name, self.network, its) for name, its in zip(names, ports, strict=True)
        }
        for host in self.hosts.values():
            host.start_sshd(self.operator.public_key)
            if people is not None:
                shutil.copytree(people, host.state)
        self.operator.known_hosts.write_text("".join(host.known_host for host in self.hosts.values()))
        self.listener: Listener | None = None
        self.fleet = self.operator.fleet
        self.write_inventory()

    def write_inventory(self, settings: bool = False) -> None:
        hosts = {}
        for host in self.hosts.values():
            lines = [
                f"address: {self.network.address(host.name)}",
                f"ssh: {{port: {host.port}}}",
                f"earmark: {host.earmark}",
                f"config: {host.config}",
                f"state: {host.state}",
            ]
            if settings:
                lines += ["settings:", *(f"  {line}" for line in host.settings(f"room of {host.name}").splitlines())]
            hosts[host.name] = lines
        self.operator.write_inventory(hosts)

    def listen(self) -> None:
        """Hear everything that the devices say, from now on."""
        self.listener = Listener(self.broker.port)

    def events(self, name: str) -> list[dict[str, Any]]:
        """A device's utterances in order of arrival, each once."""
        assert self.listener is not None
        found = [json.loads(payload) for payload in self.listener.payloads(f"earmark/{name}/utterance")]
        return list({one["id"]: one for one in found}.values())

    def close(self) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(self.network.remove)
            stack.callback(self.broker.stop)
            if self.listener is not None:
                stack.callback(self.listener.close)
            stack.callback(self.cable.pull)
            for host in self.hosts.values():
                stack.callback(host.stop)


def enrolled(folder: Path) -> Path:
    """A state folder in which Ada and Ben are enrolled with the bundle that is rolled out."""
    state = folder / "enrolled"
    for name in ("ada", "ben"):
        clips = [str(path) for path in sorted(ASSETS.glob(f"{name}-enrol-*.ogg"))]
        main(["enroll", name.capitalize(), *clips, "--bundle", BUNDLE, "--state", str(state), "--quiet"])
    return state


def make_bundle(folder: Path, name: str, version: str, *, other_space: bool = False) -> Path:
    """The packaged bundle with another version, and another head where its space shall be another."""
    made = Path(shutil.copytree(PACKAGED / name, folder / version))
    card = json.loads((made / "card.json").read_text(encoding="utf-8")) | {"version": version}
    if other_space:
        with np.load(made / "head.npz") as arrays:
            head = dict(arrays)
        np.savez(made / "head.npz", **(head | {"bias": head["bias"] + np.float32(0.01)}))
    seal(made, card)
    pack(made, folder / f"{name}-{version}.earmark")
    return folder / f"{name}-{version}.earmark"
