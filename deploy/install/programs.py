"""Runs other programs.

Takes a command line. Gives what it printed, or a fault that ends with its last words. Must hold: no program is asked a
question that nobody answers.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.install.faults import InstallFault


def run(
    words: Sequence[str | Path],
    *,
    remedy: str,
    seconds: float = 7200,
    environ: Mapping[str, str] | None = None,
    user: str = "",
    folder: Path | None = None,
) -> str:
    """Run a program that must succeed; gives its standard output. Raises ``InstallFault`` with ``remedy``."""
    done = attempt(words, seconds=seconds, environ=environ, user=user, folder=folder)
    if done.returncode != 0:
        said = last_words(done.stderr or done.stdout)
        raise InstallFault(f"`{_short(words)}` failed{f': {said}' if said else f' ({done.returncode})'}", remedy)
    return done.stdout


def attempt(
    words: Sequence[str | Path],
    *,
    seconds: float = 7200,
    environ: Mapping[str, str] | None = None,
    user: str = "",
    folder: Path | None = None,
    passed: Sequence[int] = (),
) -> subprocess.CompletedProcess[str]:
    """Run a program that may fail, as ``user`` where one is named. One that cannot be started ends with 127, one that
    takes longer than ``seconds`` with 124. ``passed``: open files that it gets, by the same numbers.
    """
    try:
        return subprocess.run(
            [str(word) for word in words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds,
            env=dict(os.environ if environ is None else environ),
            cwd=folder or "/",
            pass_fds=passed,
            user=user or None,
            group=pwd.getpwnam(user).pw_gid if user else None,
            extra_groups=os.getgrouplist(user, pwd.getpwnam(user).pw_gid) if user else None,
        )
    except OSError as error:
        return subprocess.CompletedProcess(words, 127, "", f"{words[0]}: {error.strerror}")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, 124, "", f"no answer within {seconds:.0f} s")


def exists(program: str) -> bool:
    """Whether ``program`` can be started; root's folders are looked into as well."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/bin:/bin") is not None


def last_words(text: str) -> str:
    """The last line that says something, short."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "e:"))]
    return (errors or lines or [""])[-1][:300].rstrip(".")


def _short(words: Sequence[str | Path]) -> str:
    text = " ".join(str(word) for word in words)
    return text if len(text) <= 100 else f"{text[:97]}..."
