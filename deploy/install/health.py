"""Whether a version is good: its own doctor, with the recordings that come with it.

Takes a version's folder. Gives nothing, or a fault. Must hold: the version is judged where it will run, with the
settings and the people that it will meet, as the account that it will run as; nothing is changed by it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from deploy.install.faults import EXIT_UNHEALTHY, InstallFault
from deploy.install.layout import Layout
from deploy.install.programs import attempt, last_words
from deploy.install.service_key import VARIABLE, open_key

CHECKS: Final = ("settings", "python", "runtime", "bundle", "voices", "formats", "people")
"""Checks of ``earmark doctor`` that say something about the version. ``voices`` opens the networks and tells the
bundled recordings of two people apart. Microphone, broker and clock are not the version's fault."""


def selftest(layout: Layout, folder: Path, *, user: str = "") -> None:
    """Raise ``InstallFault`` unless the version in ``folder`` can do its work here."""
    words: list[str | Path] = [folder / "bin" / "earmark", "doctor", "--json"]
    words += [word for check in CHECKS for word in ("--only", check)]
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
        checks: list[dict[str, Any]] = said["checks"]
        wrong = [one for one in checks if one["status"] == "fail"]
        known = {str(one["name"]) for one in checks}
    except (ValueError, KeyError, TypeError) as error:
        words_left = last_words(done.stderr) or last_words(done.stdout) or f"exit code {done.returncode}"
        raise InstallFault(f"The self-test did not run: {words_left}", "", EXIT_UNHEALTHY) from error
    if wrong:
        first = wrong[0]
        sentence = str(first.get("sentence", first["name"])).rstrip(".")
        raise InstallFault(
            f"The self-test failed at {first['name']}: {sentence}", str(first.get("remedy") or ""), EXIT_UNHEALTHY
        )
    if absent := [check for check in CHECKS if check not in known]:
        raise InstallFault(f"The self-test said nothing about {absent[0]}", "", EXIT_UNHEALTHY)
