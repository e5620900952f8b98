"""What can be done to a host: another bundle, another version (other settings: ``settings.py``).

Takes a shell and what was found out before. Gives nothing, or raises ``ChangeFailed``. Must hold: doing it twice is as
doing it once; a file is verified where it arrives before it is used; the work itself is done by the host's own
``earmark``, which goes back by itself where it fails.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from deploy.fleet.asking import Report
from deploy.fleet.faults import ChangeFailed, HostError, InventoryError, RolloutError
from deploy.fleet.inventory import DEFAULT_EARMARK, Host
from deploy.fleet.ssh import Done, Shell, sha256_of
from edge.errors import EXIT_NO, EXIT_OK, EXIT_USAGE

_CHANGE_SECONDS: Final = 7200.0
"""As long as the installer there gives each of its programs."""


@dataclass(frozen=True, slots=True)
class Foresight:
    """What would happen to a host. ``refused``: why it may not; ``already``: it is as it should be."""

    before: str
    after: str
    already: bool = False
    refused: str = ""


class Action(Protocol):
    """One kind of change."""

    title: str
    """For people: ``bundle accurate-1.1.0``."""
    digest: str
    """SHA-256 in hex of the file that is sent, empty where there is none."""

    def foresee(self, host: Host, report: Report) -> Foresight:
        """What would happen; nothing is done."""

    def apply(self, shell: Shell, report: Report) -> bool:
        """Do it; gives whether anything had to be done. Raises ``ChangeFailed`` or ``HostError``."""

    def amiss(self, before: Report, after: Report) -> str:
        """What shows that it has not been done; empty where it has."""

    def undo(self, shell: Shell) -> None:
        """Take it back. Raises ``ChangeFailed`` or ``HostError``."""


class BundleAction:
    """Another bundle of the same name. ``force``: although people would have to enrol again. ``wait_seconds``: how long
    a daemon may take to come back with it.
    """

    def __init__(self, path: Path, *, force: bool, wait_seconds: float) -> None:
        self._offer = _offer(path)
        self._path = path
        self._force = force
        self._wait = f"{wait_seconds:g}"
        self.title = f"bundle {self._offer['model']}"
        self.digest = str(self._offer["sha256"])

    def foresee(self, host: Host, report: Report) -> Foresight:
        """By names, fingerprints and embedding spaces."""
        offer, before, after = self._offer, report.get("model"), str(self._offer["model"])
        if not report.answers:
            return Foresight("", after, refused=report.problem)
        if report.get("fingerprint") == offer["fingerprint"]:
            return Foresight(before, after, already=True)
        if report.get("bundle") != offer["name"]:
            said = f"it listens with {report.get('bundle')}, and this bundle is called {offer['name']}"
            return Foresight(before, after, refused=said)
        shared = bool(offer["space"]) and offer["space"] == report.get("space")
        people = report.number("enrolled")
        if not shared and offer["encoder"] != report.get("encoder") and people and not self._force:
            who = "1 person" if people == 1 else f"{people} people"
            said = (
                f"this bundle makes embeddings of another kind ({_space(offer['space'])}) than the one in use "
                f"({_space(report.get('space'))}): {who} enrolled there would not be recognised until enrolled again "
                "(--force does it all the same)"
            )
            return Foresight(before, after, refused=said)
        return Foresight(before, after)

    def apply(self, shell: Shell, report: Report) -> bool:
        """Copied beside, verified there, switched, reloaded: by ``earmark bundle install``."""
        there = shell.put(self._path, self.digest)
        words = ["bundle", "install", there, "--sha256", self.digest, "--json", "--wait", self._wait]
        words += ["--force"] if self._force else []
        with begun("the bundle"):
            done = shell.earmark(*words, seconds=_CHANGE_SECONDS)
        shell.forget(there)  # not where the command may still read it
        _judge(done, "the bundle")
        return True

    def amiss(self, before: Report, after: Report) -> str:
        """Another fingerprint than the offer's."""
        if after.get("fingerprint") != self._offer["fingerprint"]:
            return f"it listens with {after.get('model')} from {after.get('bundle_path')}"
        return ""

    def undo(self, shell: Shell) -> None:
        """The bundle before."""
        words = ["bundle", "back", str(self._offer["name"]), "--json", "--wait", self._wait]
        done = shell.earmark(*words, seconds=_CHANGE_SECONDS)
        _judge(done, "the former bundle", undoing=True)


class SoftwareAction:
    """Another version of Earmark, from a kit or a wheel: by ``earmark deploy upgrade``, which keeps versions side by
    side and goes back where the new one is not well.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version = _version(path)
        self.digest = sha256_of(path)
        self.title = f"Earmark {self._version}"

    def foresee(self, host: Host, report: Report) -> Foresight:
        """By version."""
        before = report.get("version") or "nothing"
        if not report.installed and self._path.suffix == ".whl":
            said = "Earmark is not installed there yet, which needs a kit: a wheel brings no installer"
            return Foresight(before, self._version, refused=said)
        return Foresight(before, self._version, already=report.get("version") == self._version)

    def apply(self, shell: Shell, report: Report) -> bool:
        """Sent, verified, given to the installer there; where Earmark is not installed yet, a kit brings its own."""
        there = shell.put(self._path, self.digest)
        upgrade, install = [shell.host.earmark, "deploy", "upgrade", there], ["python3", there, "install"]
        with begun(f"Earmark {self._version}"):
            done = shell.run([*(upgrade if report.installed else install), "--json"], seconds=_CHANGE_SECONDS)
        shell.forget(there)  # not where the command may still read it
        _judge(done, f"Earmark {self._version}")
        return True

    def amiss(self, before: Report, after: Report) -> str:
        """Another version than the one sent."""
        return "" if after.get("version") == self._version else f"it runs Earmark {after.get('version')}"

    def undo(self, shell: Shell) -> None:
        """The version before."""
        done = shell.run([shell.host.earmark, "deploy", "rollback", "--json"], seconds=_CHANGE_SECONDS)
        _judge(done, "the former version", undoing=True)


@contextlib.contextmanager
def begun(what: str) -> Iterator[None]:
    """Around the command that changes a host: where it is out of sight, what it does there goes on all the same."""
    try:
        yield
    except HostError as error:
        cause = f"{what}: {error.cause.rstrip('.')}; what was begun there may still go on"
        raise ChangeFailed(cause, error.remedy, as_before=False, ended=False) from error


def _judge(done: Done, what: str, *, undoing: bool = False) -> None:
    """Raise ``ChangeFailed`` for a command there that did not do what it should."""
    if done.code == EXIT_OK:
        return
    told = done.json.get("error")
    said = str(told.get("message")) if isinstance(told, dict) else done.last_words
    code = str(told.get("code")) if isinstance(told, dict) else ""
    # 1 is a refusal or a way back that was gone; 2 is refused before anything is done; else the health check decides.
    as_before = not undoing and (
        done.code in {EXIT_NO, EXIT_USAGE} or code in {"bundle", "storage", "runtime", "install"}
    )
    raise ChangeFailed(f"{what}: {said.rstrip('.')}", as_before=as_before)


def _offer(path: Path) -> dict[str, Any]:
    """What the bundle is, by the very command that the host will use; a folder is refused, since one file is sent."""
    if not path.is_file():
        raise InventoryError(f"{path} is no .earmark file", "Name the file; `earmark convert` writes one.")
    done = subprocess.run(
        [sys.executable, "-m", "edge.cli", "bundle", "check", str(path), "--json"],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        told = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        told = {}
    if done.returncode != EXIT_OK or "fingerprint" not in told:
        error = told.get("error", {})
        said = str(error.get("message") or done.stderr.strip() or f"exit code {done.returncode}")
        raise RolloutError(f"the bundle will not do: {said.rstrip('.')}", str(error.get("remedy", "")))
    return dict(told)


def _space(name: Any) -> str:
    return f"space {name}" if name else "a space of its own"


def _version(path: Path) -> str:
    """The version in a kit's or a wheel's name or card."""
    if not path.is_file():
        raise InventoryError(f"{path} is no file", "Name a kit (`earmark deploy kit`) or a wheel.")
    if path.suffix == ".pyz":
        try:
            with zipfile.ZipFile(path) as archive:
                return str(json.loads(archive.read("kit.json"))["version"])
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise InventoryError(f"{path} is no kit of Earmark", "`earmark deploy kit` makes one.") from error
    found = re.fullmatch(r"earmark-([0-9][A-Za-z0-9.!+_]*)-py3-none-any\.whl", path.name)
    if not found:
        raise InventoryError(
            f"{path.name} is neither a kit (.pyz) nor a wheel of Earmark", "`earmark deploy kit` makes one."
        )
    return found[1]


__all__ = [
    "DEFAULT_EARMARK",
    "Action",
    "BundleAction",
    "Foresight",
    "SoftwareAction",
    "begun",
]
