"""Whether a version is good: its own doctor, with the recordings that come with it.

Takes a version's folder. Gives nothing, or a fault. Must hold: the version is judged where it will run, with the
settings and the people that it will meet, as the account that it will run as; nothing is changed by it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from deploy.install.faults import EXIT_UNHEALTHY, InstallFault, SelfTestFault
from deploy.install.layout import Layout
from deploy.install.programs import attempt, last_words
from deploy.install.service_key import VARIABLE, open_key

CHECKS: Final = ("settings", "python", "runtime", "bundle", "voices", "formats", "people")
"""Checks of ``earmark doctor`` that say something about the version. ``voices`` opens the networks and tells the
bundled recordings of two people apart. Microphone, broker and clock are not the version's fault."""


def selftest(layout: Layout, folder: Path, *, user: str = "", checks: Sequence[str] = CHECKS) -> None:
    """Raise ``InstallFault`` (``SelfTestFault`` for a check that failed) unless the version in ``folder`` can do its
    work here.
    """
    words: list[str | Path] = [folder / "bin" / "earmark", "doctor", "--json"]
    words += [word for check in checks for word in ("--only", check)]
    words += ["--config", layout.settings, "--state", layout.state]
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("EARMARK_", "PYTHON"))}
    environ |= {"HOME": str(layout.state)}
    key = open_key(layout)
    try:
        if key is not None:
            environ[VARIABLE] = str(key)
        done = attempt(words, seconds=900, user=user, environ=environ, passed=() if key is None else (key,))
    finally:
        if key is not None:
            os.close(key)
    try:
        said: dict[str, Any] = json.loads(done.stdout)
        if "error" in said:
            raise InstallFault(f"The self-test did not run: {said['error']['message']}", "", EXIT_UNHEALTHY)
        found: list[dict[str, Any]] = said["checks"]
        wrong = [one for one in found if one["status"] == "fail"]
        known = {str(one["name"]) for one in found}
    except (ValueError, KeyError, TypeError) as error:
        words_left = last_words(done.stderr) or last_words(done.stdout) or f"exit code {done.returncode}"
        raise InstallFault(f"The self-test did not run: {words_left}", "", EXIT_UNHEALTHY) from error
    if wrong:
        first = wrong[0]
        sentence = str(first.get("sentence", first["name"])).rstrip(".")
        raise SelfTestFault(str(first["name"]), sentence, str(first.get("remedy") or ""))
    if absent := [check for check in checks if check not in known]:
        raise InstallFault(f"The self-test said nothing about {absent[0]}", "", EXIT_UNHEALTHY)
