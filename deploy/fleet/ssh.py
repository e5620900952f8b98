"""Commands and files on another machine, through the system's ``ssh``.

Takes a host. Gives what a command said there. Must hold: nothing ever asks (``BatchMode``); one connection per host is
made and shared (``ControlMaster``); every word is quoted for the remote shell; no call lasts longer than its time; a
Ctrl-C here does not cut off what runs there; a host key that changed is an error and stays one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from deploy.fleet.faults import HostError
from deploy.fleet.inventory import Host

_CONNECT_SECONDS: Final = 10
_SHORT_SECONDS: Final = 60.0
_FAILED: Final = 255
"""What ssh ends with where it is ssh that failed."""
_INCOMING: Final = ".cache/earmark-fleet"
_SUDO: Final = ("sudo", "-n", "--", "env")
"""With ``env``, a command that is not there ends with 127, as without sudo, and not with the 1 of a refusal."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended there."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The last line of its output as a JSON object; empty where it is none."""
        for line in reversed(self.out.strip().splitlines()):
            with contextlib.suppress(ValueError, RecursionError):
                told = json.loads(line, parse_float=_finite, parse_constant=_finite)
                if isinstance(told, dict):
                    return told
            break
        return {}

    @property
    def last_words(self) -> str:
        """The last line that it wrote to stderr, else to stdout; made printable."""
        lines = [line for line in (self.err.strip() or self.out.strip()).splitlines() if line.strip()]
        return "".join(c if c.isprintable() else " " for c in lines[-1])[:300] if lines else f"exit code {self.code}"


class Shell:
    """A host that commands can be run on; ``folder``: where the sockets of shared connections are."""

    def __init__(self, host: Host, folder: Path) -> None:
        self.host = host
        self._base = [*self._words(folder)]
        self._home = ""

    def run(
        self,
        words: Sequence[str],
        *,
        stdin: IO[bytes] | None = None,
        seconds: float = _SHORT_SECONDS,
        root: bool | None = None,
    ) -> Done:
        """Run a command there. ``root``: through sudo; None: where the inventory says so. Raises ``HostError`` where
        the host cannot be reached, does not answer in time, or sudo asks for a password.
        """
        if not (self.host.sudo if root is None else root and self.host.sudo):
            return self._send(words, stdin, seconds)
        done = self._send(words, stdin, seconds, through=_SUDO)
        # sudo ends with 1 as commands do, and says more than refusals, as that it cannot resolve the host's own name.
        if done.code == 1 and "sudo:" in done.err and (tried := self._send(["true"], through=_SUDO)).code:
            raise HostError(
                f"{self.host.name} does not let us be root: {tried.last_words}",
                "Allow sudo without a password for that account (NOPASSWD), or log in as root with `become: none`.",
            )
        return done

    def _send(
        self,
        words: Sequence[str],
        stdin: IO[bytes] | None = None,
        seconds: float = _SHORT_SECONDS,
        *,
        through: Sequence[str] = (),
    ) -> Done:
        command = [*self._base, "--", self.host.address, shlex.join([*through, *words])]
        # Files rather than pipes: the process that keeps the connection open must not keep us waiting.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            try:
                # A session of its own: Ctrl-C at our terminal is for us, not for what runs there.
                ended = subprocess.run(
                    command, stdin=stdin or subprocess.DEVNULL, stdout=out, stderr=err, timeout=seconds,
                    start_new_session=True, check=False,
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                raise HostError(
                    f"{self.host.name} did not finish `{Path(words[0]).name}` within {seconds:g} s",
                    "Look at the host itself, then `earmark fleet resume`.",
                ) from None
            except FileNotFoundError:
                raise HostError("there is no `ssh` here", "Install it: sudo apt install openssh-client.") from None
            done = Done(ended.returncode, _text(out), _text(err))
        if done.code == _FAILED:
            raise HostError(f"{self.host.name} cannot be reached: {done.last_words}", _remedy(done.err))
        return done

    def earmark(self, *words: str, seconds: float = _SHORT_SECONDS) -> Done:
        """``earmark`` there, with the settings and the state folder that the inventory names."""
        place = ["--config", self.host.config] if self.host.config else []
        place += ["--state", self.host.state] if self.host.state else []
        return self.run([self.host.earmark, *words, *place], seconds=seconds)

    def put(self, file: Path, digest: str, *, seconds: float = 1800.0) -> str:
        """A copy of ``file`` there, verified by its SHA-256 ``digest``; gives its path, which ends with the file's own
        name, since a wheel's name says what it is. One that is there already is not sent again. Raises ``HostError``.
        """
        folder = f"{self.home()}/{_INCOMING}/{digest[:16]}"
        target = f"{folder}/{file.name}"
        if self._digest(target) == digest:
            return target
        part = f"{target}.part"
        script = f"umask 077 && mkdir -p {shlex.quote(folder)} && cat > {shlex.quote(part)}"
        with file.open("rb") as stream:
            done = self.run(["sh", "-c", script], stdin=stream, seconds=seconds, root=False)
        if done.code:
            raise HostError(f"{self.host.name} does not take {file.name}: {done.last_words}", "See that it has room.")
        if self._digest(part) != digest:
            raise HostError(f"{file.name} arrived at {self.host.name} changed", "Try again.")
        self.run(["mv", "-f", part, target], root=False)
        return target

    def forget(self, target: str) -> None:
        """Remove what ``put`` gave."""
        with contextlib.suppress(HostError):
            self.run(["rm", "-rf", target.rpartition("/")[0]], root=False)

    def home(self) -> str:
        """The home folder of the account there."""
        if not self._home:
            done = self.run(["sh", "-c", "cd && pwd"], root=False)
            self._home = done.out.strip()
            if done.code or not self._home.startswith("/"):
                raise HostError(f"{self.host.name} has no home folder for this account: {done.last_words}")
        return self._home

    def close(self) -> None:
        """End the shared connection."""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                [*self._base, "-O", "exit", "--", self.host.address], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=10, check=False,
            )  # fmt: skip

    def _digest(self, path: str) -> str:
        done = self.run(["sha256sum", "--", path], root=False, seconds=300)
        return done.out.split(" ", 1)[0].lstrip("\\") if done.code == 0 else ""

    def _words(self, folder: Path) -> list[str]:
        ssh = self.host.ssh
        words = ["ssh", "-T", "-x", "-a"]
        words += ["-F", str(Path(ssh.config).expanduser())] if ssh.config else []
        for option in (
            *ssh.options,  # ssh takes the first that it is given
            "BatchMode=yes",
            f"ConnectTimeout={_CONNECT_SECONDS}",
            "ServerAliveInterval=10",
            "ServerAliveCountMax=3",
            "ControlMaster=auto",
            f"ControlPath={folder}/%C",
            "ControlPersist=120",
            "LogLevel=ERROR",
        ):
            words += ["-o", option]
        words += ["-p", str(ssh.port)] if ssh.port else []
        words += ["-l", ssh.user] if ssh.user else []
        if ssh.identity:
            words += ["-i", str(Path(ssh.identity).expanduser()), "-o", "IdentitiesOnly=yes"]
        return words


def sha256_of(path: Path) -> str:
    """Of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _finite(text: str) -> float:
    """A number as JSON has it: ``Infinity`` and ``1e999`` are none."""
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is no number")
    return number


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(1 << 20).decode("utf-8", "replace")


def _remedy(told: str) -> str:
    if "REMOTE HOST IDENTIFICATION HAS CHANGED" in told or "Host key verification failed" in told:
        return "Its host key is unknown or another one: look at the host, then `ssh-keyscan` and your known_hosts."
    if "Permission denied" in told:
        return "Put your public key into its authorized_keys, and name ssh.user and ssh.identity."
    return "See that it is switched on, and that address and port are right."
