"""A machine whose process 1 is systemd, in namespaces of this one.

Takes: units, files and folders. Gives: a systemd that runs them and answers ``systemctl``. Must hold: nothing of this
machine's files, units, control groups or kernel settings is changed; all of it ends with the context; where this
machine does not allow it (no root, no namespaces, no control groups), the test is skipped and says why.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

INIT = Path(__file__).with_name("init.sh")
SYSTEMD = Path("/lib/systemd/systemd")
GROUPS = Path("/sys/fs/cgroup")
HIERARCHIES = ("unified", "systemd", "devices", "memory", "pids")
"""Those that systemd uses where there are several (control groups of version 1)."""
STUBS = ("lab.target", "sysinit.target", "basic.target", "shutdown.target", "network.target", "sound.target")
_NAMESPACES = ("--pid", "--mount", "--ipc", "--uts", "--cgroup", "--fork", "--kill-child")
_BOOT_SECONDS = 60


class Machine:
    """Booted when entered. ``folder``: as init.sh describes it. ``network``: name of the network
    namespace that it lives in, this machine's own where there is none.
    """

    def __init__(self, folder: Path, network: str = "") -> None:
        self.folder = folder
        self._network = f"nsenter --net=/run/netns/{network} " if network else ""
        self._log = folder / "boot.log"
        self._groups: list[Path] = []
        for name in ("units", "etc", "state", "shown"):
            (folder / name).mkdir(parents=True)
        for stub in STUBS:
            (folder / "units" / stub).write_text("[Unit]\nDefaultDependencies=no\n")

    def show(self, name: str, path: Path) -> None:
        """Make the folder ``path`` appear as /run/shown/NAME."""
        (self.folder / "shown" / name).symlink_to(path)

    def __enter__(self) -> Machine:
        self._make_groups()
        joins = "".join(f"echo 0 > {group}/cgroup.procs; " for group in self._groups)
        command = f"{joins}exec {self._network}unshare {' '.join(_NAMESPACES)} {INIT} {self.folder}"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(["bash", "-c", command], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            self._wait_until_booted()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(20)
        self._remove_groups()

    @property
    def log(self) -> str:
        """What was said on the way to systemd, and what services say into ``services.log``."""
        logs = (self._log, self.folder / "services.log")
        return "".join(one.read_text(errors="replace") for one in logs if one.exists())

    @property
    def root(self) -> Path:
        """The machine's files, seen from outside."""
        return Path(f"/proc/{self._init()}/root")

    def systemctl(self, *words: str, check: bool = True, timeout: float = 120) -> str:
        """Ask the machine's systemd; gives its answer."""
        done = self._inside("systemctl", *words, timeout=timeout)
        assert not check or done.returncode == 0, f"systemctl {words}: {done.stderr}\n{self.told()}"
        return done.stdout.strip()

    def run(self, *command: str) -> str:
        """Run a program in the machine, as root; gives what it says."""
        done = self._inside(*command, timeout=120)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def told(self, unit: str = "earmark") -> str:
        """What to read after a failure."""
        return self.systemctl("status", unit, check=False) + "\n" + self.log[-3000:]

    def shown(self, unit: str, key: str) -> str:
        """A property of a unit."""
        return self.systemctl("show", "--value", "-p", key, unit)

    def _inside(self, *command: str, timeout: float) -> subprocess.CompletedProcess[str]:
        enter = ["nsenter", f"--target={self._init()}", "--pid", "--mount", "--ipc", "--uts"]
        return subprocess.run([*enter, *command], capture_output=True, text=True, timeout=timeout, check=False)

    def _init(self) -> int:
        """The number of the machine's process 1, as seen from here."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return int(children[0])

    def _wait_until_booted(self) -> None:
        deadline = time.monotonic() + _BOOT_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                pytest.skip(f"this machine lets no systemd run in namespaces: {self.log[-500:]}")
            with contextlib.suppress(AssertionError, IndexError, OSError):
                if self.systemctl("is-active", "lab.target", check=False) == "active":
                    return
            time.sleep(0.1)
        pytest.skip(
            f"this machine's systemd does not come up in namespaces within {_BOOT_SECONDS} s: {self.log[-500:]}"
        )

    def _make_groups(self) -> None:
        """A control group of our own in each hierarchy that systemd uses."""
        unified = not (GROUPS / "systemd").is_dir()
        for hierarchy in [GROUPS] if unified else [GROUPS / one for one in HIERARCHIES]:
            group = hierarchy / f"earmark-test-{os.getpid()}-{self.folder.name}"
            try:
                group.mkdir(exist_ok=True)
            except OSError as error:
                self._remove_groups()
                pytest.skip(f"no control group can be made here ({error})")
            self._groups.append(group)

    def _remove_groups(self) -> None:
        for group in self._groups:
            _remove_group(group)


def require() -> None:
    """Skip where it cannot be."""
    if os.geteuid():
        pytest.skip("only root can start a systemd in namespaces")
    missing = [program for program in ("unshare", "nsenter", "systemctl") if not shutil.which(program)]
    if missing or not SYSTEMD.exists():
        pytest.skip(f"{' and '.join(missing) or SYSTEMD} is not installed (apt install systemd util-linux)")


def _remove_group(group: Path) -> None:
    deadline = time.monotonic() + 20
    while group.exists() and time.monotonic() < deadline:
        for path in sorted(group.rglob("*"), key=lambda one: len(one.parts), reverse=True):
            if path.is_dir():
                with contextlib.suppress(OSError):
                    path.rmdir()
        with contextlib.suppress(OSError):
            group.rmdir()
        time.sleep(0.05)
