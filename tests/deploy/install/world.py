"""Small versions of Earmark, and a systemctl that keeps its state in a folder.

A version is a real wheel; what it holds answers as Earmark does, by a word in its code. A kit carries a pip of its own,
and the one in these kits only unpacks: `test_kit` and `test_arm64` install with the real one.
"""

import base64
import hashlib
import json
import os
import platform
import sys
import zipfile
from pathlib import Path

from deploy.install.flows import Flows
from deploy.install.kits import INSTALLER
from deploy.install.layout import Layout
from deploy.install.service import Services
from deploy.install.sources import sha256

CODE = """
import json, os, pathlib, signal, socket, sys, time

def run():
    if {hopeless}:
        sys.exit("no microphone in this test")
    address = os.environ["NOTIFY_SOCKET"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.sendto(b"READY=1", address.replace("@", chr(0), 1) if address[0] == "@" else address)
    if {fragile}:
        time.sleep(0.5)
        sys.exit("fell over")
    signal.pause()

def main():
    words = sys.argv[1:]
    if words[:2] == ["deploy", "unit"]:
        print("[Service]\\nType=notify\\nUser=earmark\\nRestart=always\\nRestartSec=1\\nTimeoutStartSec=60\\nTimeoutStopSec=10")
        print("ExecStart=" + words[words.index("--prefix") + 1] + "/bin/earmark run")
        print("[Install]\\nWantedBy=multi-user.target\\n# {version}")
    elif words[:2] == ["deploy", "sample-config"]:
        print("# settings of {version}")
    elif words[0] == "run":
        run()
    elif words[0] == "doctor":
        names = [word for before, word in zip(words, words[1:]) if before == "--only"]
        state = pathlib.Path(words[words.index("--state") + 1])
        checks = [dict(name=n, status="ok", sentence="Fine.", remedy="") for n in names]
        people = state / "people.sqlite"
        if {strict} and people.exists() and "{version}" not in people.read_text():
            checks[names.index("people")] |= dict(status="fail", sentence="Schema 3 is unknown.", remedy="Update.")
        if {sick}:
            checks[3] |= dict(status="fail", sentence="The network is broken.", remedy="Mend it.")
        print(json.dumps(dict(checks=checks)))
    elif words[0] == "status":
        if {dumb}:
            sys.exit("it does not say how it is")
        print(json.dumps(dict(version="{version}", fingerprint="f", model="m", faults=[], outbox_dropped=0)))
    elif words[0] == "key":
        print(os.geteuid(), open("/proc/self/fd/" + os.environ["VOICEPRINT_KEY_FD"]).read())
    else:
        print("earmark {version}")
"""

SYSTEMCTL = """#!/bin/sh
# Keeps what systemd would: state, enabled, starts. A version named in `hopeless` never becomes ready, one named in
# `fragile` falls over a moment later. A started version brings the people into its own form.
cd "${0%/*}" || exit 9
echo "$*" >> log
case "$1" in
    stop) echo inactive > state ;;
    disable) echo inactive > state; rm -f enabled ;;
    enable) : > enabled ;;
    is-enabled) [ -f enabled ] ;;
    restart)
        running=$(readlink ../device/opt/earmark/current)
        echo "people as $running writes them" > ../device/var/lib/earmark/people.sqlite
        if grep -qx "$running" hopeless 2>/dev/null; then echo failed > state; exit 1; fi
        echo active > state
        echo 0 > restarts
        if grep -qx "$running" fragile 2>/dev/null; then echo falling > restarts; fi ;;
    show)
        case "$*" in
            *ActiveState*) read -r said < state; echo "$said" ;;
            *NRestarts*)
                read -r said < restarts
                echo "$said"
                if [ "$said" = falling ]; then echo fallen > restarts; fi ;;
        esac ;;
esac
"""


def wheel(folder: Path, version: str, *, how: str = "") -> Path:
    """A wheel of Earmark ``version``. ``how``: ``sick``, its doctor finds that the network is broken; ``strict``, or
    cannot read the people of other versions; ``hopeless``, it ends before it is ready; ``fragile``, a moment after;
    ``dumb``, it does not say how it is.
    """
    code = CODE.replace("{version}", version)
    for word in ("sick", "hopeless", "fragile", "strict", "dumb"):
        code = code.replace(f"{{{word}}}", str(word == how))
    info = f"earmark-{version}.dist-info"
    files = {
        "small_earmark.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: earmark\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nearmark = small_earmark:main\n",
    }
    files["deploy/__init__.py"] = ""
    files |= {f"deploy/install/{path.name}": path.read_text("utf-8") for path in INSTALLER.glob("*.py")}
    rows = [f"{name},sha256={hashed(text)},{len(text)}" for name, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,"]) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"earmark-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


PIP = """
import sys, sysconfig, zipfile
from pathlib import Path

wheel = Path(sys.argv[-1])
zipfile.ZipFile(wheel).extractall(sysconfig.get_path("purelib"))
script = Path(sysconfig.get_path("scripts")) / "earmark"
script.write_text(f"#!{sys.executable}\\nimport sys\\nfrom small_earmark import main\\nsys.exit(main())\\n")
script.chmod(0o755)
"""


def kit(folder: Path, version: str, *, how: str = "") -> Path:
    """A kit for this machine, as a folder, with a pip that only unpacks."""
    wheels = folder / f"kit-{version}" / "wheels"
    small = wheel(wheels, version, how=how)
    with zipfile.ZipFile(wheels / "pip-0-py3-none-any.whl", "w") as archive:
        archive.writestr("pip/__main__.py", PIP)
    here = [f"{sys.version_info[0]}.{sys.version_info[1]}", platform.machine()]
    files = {f"wheels/{path.name}": sha256(path) for path in (small, wheels / "pip-0-py3-none-any.whl")}
    card = {"schema": 1, "version": version, "targets": [here], "files": files}
    (wheels.parent / "kit.json").write_text(json.dumps(card))
    return wheels.parent


def hashed(text: str) -> str:
    """As a wheel's RECORD has it."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


class World:
    """A root folder, a systemctl, and flows for both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.layout = Layout(folder / "device")
        self.systemd = folder / "systemd"
        self.systemd.mkdir()
        program = self.systemd / "systemctl"
        program.write_text(SYSTEMCTL)
        program.chmod(0o755)
        (self.systemd / "state").write_text("inactive\n")
        self.said: list[str] = []
        services = Services(self.layout, running=True, program=program, watch_seconds=2, sleep=lambda _: None)
        self.flows = Flows(self.layout, services, self.said.append)

    @property
    def running(self) -> str:
        """The version that ``current`` names."""
        link = self.layout.prefix / "current"
        return str(link.readlink()) if link.is_symlink() else ""

    @property
    def active(self) -> bool:
        return (self.systemd / "state").read_text() == "active\n"

    @property
    def people(self) -> str:
        return (self.layout.state / "people.sqlite").read_text()

    @property
    def unit(self) -> str:
        return self.layout.unit.read_text()

    def doom(self, how: str, version: str) -> None:
        """Let ``version`` be ``hopeless`` or ``fragile`` when it is started."""
        with (self.systemd / how).open("a") as file:
            file.write(f"{version}\n")

    def folders(self) -> set[str]:
        return {path.name for path in self.layout.prefix.iterdir() if path.is_dir() and not path.is_symlink()}

    def files(self) -> set[str]:
        """Every file and link below the root, by its path there."""
        root = self.layout.root
        return {f"/{Path(at, name).relative_to(root)}" for at, _, names in os.walk(root) for name in names}
