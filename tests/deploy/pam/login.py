"""A login as PAM makes it: real libpam, real pam_unix and pam_exec, with an /etc and a /run of its own.

Takes a folder for its files, and the daemon's. Gives what `pamtester` said, and how long it took. Must hold: nothing
outside that folder is changed: the files are put in place in a mount namespace that ends with the login.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.pam.files import helper, service

USER, PASSWORD = "ada", "open sesame"
SERVICE = "earmark-door"
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])

# What is below /run is hidden for the length of one login; /etc/pam.d and the accounts are replaced.
_PLACE = r"""
set -euo pipefail
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -m 755 /run/login
install -m 755 "$1/helper" /run/login/earmark-pam
install -m 644 "$1/people" /run/login/people
if [ -f "$1/spoil" ]; then . "$1/spoil"; fi
if [ -d "$1/runtime" ]; then mkdir /run/earmark; mount --bind "$1/runtime" /run/earmark; fi
for name in pam.d passwd shadow group; do mount --bind "$1/etc/$name" "/etc/$name"; done
shift
exec "$@"
"""


@dataclass(frozen=True)
class Outcome:
    """``passed``: what pamtester said; ``shown``: what the person at the login saw besides."""

    passed: bool
    shown: list[str]
    seconds: float


class Login:
    """``runtime``: the folder that becomes /run/earmark; the daemon's socket goes there."""

    def __init__(self, folder: Path) -> None:
        if os.geteuid() != 0:
            pytest.skip("a login is tried as root")
        missing = [program for program in ("pamtester", "unshare") if not shutil.which(program, path=_PATH)]
        if missing:
            pytest.fail(f"these tests need {', '.join(missing)}: apt-get install pamtester util-linux")
        if subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode:
            pytest.skip("this container may not make a mount namespace (it lacks CAP_SYS_ADMIN)")
        self.folder = folder
        self.runtime = folder / "runtime"
        self.runtime.mkdir(mode=0o750)
        etc = folder / "etc"
        (etc / "pam.d").mkdir(parents=True)
        crypted = subprocess.run(
            ["openssl", "passwd", "-6", PASSWORD], check=True, capture_output=True, text=True
        ).stdout.strip()
        (etc / "passwd").write_text(f"root:x:0:0:root:/root:/bin/sh\n{USER}:x:4242:4242::/:/bin/sh\n")
        (etc / "shadow").write_text(f"root:*:19000:0:99999:7:::\n{USER}:{crypted}:19000:0:99999:7:::\n")
        (etc / "shadow").chmod(0o600)
        (etc / "group").write_text(f"root:x:0:\n{USER}:x:4242:\n")
        (folder / "helper").write_text(helper(str(Path(sys.prefix))))
        self.people("ada: Ada\n")
        self.options("--no-challenge")

    def people(self, text: str) -> None:
        (self.folder / "people").write_text(text)

    def options(self, *more: str, limit: int = 10) -> None:
        """The service as `earmark deploy` prints it, below a line that asks for the password."""
        line = service("/run/login/earmark-pam", limit).rstrip()
        text = f"auth requisite pam_unix.so nodelay\n{line} --people /run/login/people {' '.join(more)}\n"
        (self.folder / "etc" / "pam.d" / SERVICE).write_text(text + "account required pam_permit.so\n")

    def spoil(self, script: str) -> None:
        """Shell commands that make something odd, run where the login will be."""
        (self.folder / "spoil").write_text(script)

    def begin(self, password: str = PASSWORD, *words: str) -> Attempt:
        """Begin to log in."""
        return Attempt(self, password, words)

    def try_it(self, password: str = PASSWORD, *words: str) -> Outcome:
        """Log in while nobody does anything else."""
        return self.begin(password, *words).finish()


class Attempt:
    """One login that is going on."""

    def __init__(self, login: Login, password: str, words: tuple[str, ...]) -> None:
        command = ["unshare", "--mount", "--propagation", "private", "bash", "-c", _PLACE, "login", str(login.folder)]
        tester = shutil.which("pamtester", path=_PATH) or "pamtester"
        self._began = time.monotonic()
        self._process = subprocess.Popen(
            # A login shows each line at once; a pipe would keep them to the end.
            [*command, "stdbuf", "-oL", tester, *words, SERVICE, USER, "authenticate"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(password + "\n")
        self._process.stdin.flush()
        self._before = ""

    def line(self, pattern: str) -> str:
        """Wait for a line that is shown, and give the group of the pattern."""
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            self._before += line
            if found := re.search(pattern, line):
                return found[1]
        raise AssertionError(self._before)

    @property
    def over(self) -> bool:
        return self._process.poll() is not None

    def finish(self) -> Outcome:
        rest, _ = self._process.communicate(timeout=120)
        said = self._before + rest
        seconds = time.monotonic() - self._began
        lines = [line.removeprefix("Password: ").strip() for line in said.splitlines()]
        verdict = [line for line in lines if line.startswith("pamtester: ")]
        assert len(verdict) == 1, said
        passed = verdict[0] == "pamtester: successfully authenticated"
        assert passed == (self._process.returncode == 0), said
        return Outcome(passed, [line for line in lines if line and line not in verdict], seconds)
