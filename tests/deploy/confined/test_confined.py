"""The daemon under the unit's seccomp filter and without executable memory, where no systemd can be booted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.units import unit
from edge.audio import read_samples
from edge.demo.stage import ASSETS
from edge.settings import Settings
from tests.broker import SecureMosquitto, wait_for
from tests.deploy.confined.launch import CANNOT, allowed_calls
from tests.scenarios.household import BASE, Daemon, utterances
from tests.virtual_microphone import VirtualMicrophone

LAUNCH = Path(__file__).with_name("launch.py")
TRIES = """
import ctypes, errno, json, mmap, os, socket
def tried(action):
    try:
        action()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "ok"
def call(name, *arguments):
    def run():
        if ctypes.CDLL(None, use_errno=True)[name](*arguments) == -1:
            raise OSError(ctypes.get_errno(), "")
    return run
print(json.dumps({
    "executable": tried(lambda: mmap.mmap(-1, 4096, prot=7)),
    "netlink": tried(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)),
    "inet": tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)),
    "namespace": tried(call("unshare", 0x10000000)),
    "mount": tried(call("mount", b"none", b"/tmp", b"tmpfs", 0, None)),
    "trace": tried(call("ptrace", 0, 0, 0, 0)),
    "keys": open("/proc/self/status").read().split("NoNewPrivs:")[1].split()[0],
}))
"""


@pytest.fixture
def confined(tmp_path: Path) -> list[str]:
    """What to put before a command, so that it runs confined."""
    path = tmp_path / "earmark.service"
    path.write_text(unit(Settings(), prefix="/opt/earmark", config="/etc/earmark/earmark.yaml"))
    before = [sys.executable, str(LAUNCH), str(path)]
    try:
        done = subprocess.run([*before, "true"], capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"nothing can be confined here: {error}")
    if done.returncode == CANNOT or "systemd-analyze" in done.stderr or "libseccomp" in done.stderr:
        pytest.skip(f"this machine cannot confine a program: {done.stderr.strip()[-300:]}")
    assert done.returncode == 0, done.stderr
    return before


def test_what_the_unit_forbids_fails(confined: list[str]) -> None:
    """Each of these works without it (for root, at least), so the filter is there at all."""
    done = subprocess.run([*confined, sys.executable, "-c", TRIES], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {
        "executable": "EACCES", "netlink": "EAFNOSUPPORT", "inet": "ok", "namespace": "EPERM", "mount": "EPERM",
        "trace": "EPERM", "keys": "1",
    }  # fmt: skip


@pytest.mark.broker
@pytest.mark.microphone
def test_the_daemon_hears_and_tells_under_it(
    confined: list[str],
    home: Path,
    secure_mosquitto: SecureMosquitto,
    certificates,
    virtual_microphone: VirtualMicrophone,
) -> None:
    """Microphone, network, both interpreters' kernels, SQLite, TLS: nothing of it needs what is forbidden."""
    login = {
        "HOST": "localhost", "TLS": "true", "CA_FILE": str(certificates.ca), "USERNAME": "ears",
        "PASSWORD_FILE": str(secure_mosquitto.password_file),
    }  # fmt: skip
    environment = {f"EARMARK_MQTT__{key}": text for key, text in login.items()}
    daemon = Daemon(home, secure_mosquitto.port, "--source", "mic", **environment)
    daemon._command = [*confined, *daemon._command]
    listener = secure_mosquitto.listener()
    try:
        with daemon:
            wait_for(lambda: virtual_microphone.recorders() == 1, "it listens")
            status = Path(f"/proc/{daemon.process.pid}/status").read_text()
            assert "Seccomp:\t2" in status and "NoNewPrivs:\t1" in status
            virtual_microphone.play(read_samples(ASSETS / "clip-1-ada.ogg"))
            virtual_microphone.play(read_samples(ASSETS / "clip-5-stranger.ogg"))
            wait_for(lambda: utterances(listener), "an event")
            assert utterances(listener)[0]["speaker"] == "Ada"
            assert daemon.terminate() == 0
        assert listener.wait(f"{BASE}/availability", b"offline")
        assert "Traceback" not in daemon.log.read_text()
    finally:
        listener.close()


def test_the_filter_is_the_units(confined: list[str]) -> None:
    calls = allowed_calls(Path(confined[-1]).read_text())
    assert {"read", "futex", "mmap", "execve", "sendmsg"} <= calls
    assert not {"mount", "reboot", "kexec_load", "ptrace", "bpf", "setuid", "init_module", "swapon"} & calls
