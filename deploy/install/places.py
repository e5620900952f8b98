"""The account and the folders around a version, and how they go.

Takes a layout. Gives an account that owns the state folder and nothing else, and the first settings. Must hold:
settings that exist are never written; what a person keeps, the account keeps owning.
"""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path
from typing import Final

from deploy.install.faults import InstallFault
from deploy.install.layout import Layout, write
from deploy.install.programs import attempt, exists, run
from deploy.install.service import ACCOUNT

_PAM_HELPER: Final = "earmark-pam"


def make_account(layout: Layout) -> None:
    """The service's own account, in the group of the sound cards. It has no password and no shell."""
    if not layout.live:
        return
    remedy = "Make a system account named earmark, in the group audio, and try again."
    if not _account_exists():
        words = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/var/lib/earmark"]
        run([*words, "--shell", "/usr/sbin/nologin", "--comment", "Earmark", ACCOUNT], remedy=remedy)
    run(["usermod", "--append", "--groups", "audio", ACCOUNT], remedy=remedy)


def make_folders(layout: Layout) -> None:
    """Folders for settings and state."""
    layout.settings.parent.mkdir(parents=True, exist_ok=True)
    if not layout.state.exists():
        layout.state.mkdir(parents=True)
        layout.state.chmod(0o700)
        if layout.live:
            known = pwd.getpwnam(ACCOUNT)
            os.chown(layout.state, known.pw_uid, known.pw_gid)


def first_settings(layout: Layout, version: Path) -> bool:
    """Write the sample settings of a version where there are none; gives whether it did."""
    if layout.settings.exists() or layout.settings.is_symlink():
        return False
    return write(layout.settings, said_by(version, "sample-config"))


def unit_of(layout: Layout, version: Path) -> str:
    """The unit as a version makes it, from the settings that are there. Raises ``InstallFault`` for bad ones."""
    return said_by(
        version, "unit", "--prefix", "/opt/earmark/current", "--user", ACCOUNT, "--config", str(layout.settings)
    ).replace(str(layout.settings), str(Path("/") / layout.settings.relative_to(layout.root)))


def said_by(version: Path, *words: str) -> str:
    """What ``earmark deploy`` of a version prints."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("EARMARK_", "PYTHON"))}
    done = attempt([version / "bin" / "earmark", "deploy", *words], seconds=300, environ=environ)
    if done.returncode != 0:
        said = " ".join(done.stderr.split())[:500] or f"exit code {done.returncode}"
        raise InstallFault(f"`earmark deploy {words[0]}` of {version.name} failed: {said.rstrip('.')}", "")
    return done.stdout


def refuse_where_logins_need_it(layout: Layout) -> None:
    """Raise ``InstallFault`` where a file of PAM asks for the voice: without Earmark nobody would get in."""
    for path in sorted(layout.at("/etc/pam.d").glob("*")):
        text = path.read_text("utf-8", "replace") if path.is_file() else ""
        if any(_PAM_HELPER in line and not line.lstrip().startswith("#") for line in text.splitlines()):
            raise InstallFault(
                f"{path} asks for a voice at every login, and would let nobody in without Earmark",
                f"Take its line with {_PAM_HELPER} out first.",
            )


def purge(layout: Layout) -> None:
    """Remove settings, voiceprints, messages that wait, and the account."""
    for path in (layout.settings.parent, layout.state, layout.at("/var/lib/private/earmark"), layout.snapshot):
        if path.is_symlink():
            path.unlink()
        else:
            shutil.rmtree(path, ignore_errors=True)
    if layout.live and _account_exists() and exists("userdel"):
        attempt(["userdel", ACCOUNT])


def _account_exists() -> bool:
    try:
        pwd.getpwnam(ACCOUNT)
    except KeyError:
        return False
    return True
