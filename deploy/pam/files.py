"""The files that let a login ask for a voice.

Takes where Earmark is installed, the helper's path, a time limit. Gives texts. Must hold: what comes from a person is
checked before it stands in a file that root will trust.
"""

from __future__ import annotations

import re
from importlib.resources import files
from string import Template
from typing import Final

from edge.errors import UsageError

HELPER: Final = "/usr/local/lib/earmark/earmark-pam"
LEAST_SECONDS: Final = 5
MOST_SECONDS: Final = 60
USUAL_SECONDS: Final = 25


def helper(prefix: str) -> str:
    """The program for ``pam_exec``, run by the Python of the virtual environment ``prefix``: isolated, without its
    packages. Raises ``UsageError``.
    """
    text = _text("helper.py")
    return f"#!{_checked('--prefix', prefix).rstrip('/')}/bin/python -IS\n{text.partition(chr(10))[2]}"


def service(helper_path: str = HELPER, limit_seconds: int = USUAL_SECONDS) -> str:
    """The line for a file of /etc/pam.d, with what to heed above it. Raises ``UsageError``."""
    if not LEAST_SECONDS <= limit_seconds <= MOST_SECONDS:
        raise UsageError(f"--limit {limit_seconds} is not {LEAST_SECONDS} to {MOST_SECONDS} seconds", "25 is usual.")
    return Template(_text("earmark.pam")).substitute(helper=_checked("--helper", helper_path), limit=limit_seconds)


def people() -> str:
    """The beginning of /etc/earmark/pam-people."""
    return _text("pam-people")


def _checked(option: str, path: str) -> str:
    if not re.fullmatch(r"/[A-Za-z0-9/_.+-]+", path):
        raise UsageError(
            f"{option} {path!r} is no absolute path made of letters, digits and / _ . + -",
            "Name it as PAM will see it.",
        )
    return path


def _text(name: str) -> str:
    return (files("deploy.pam") / name).read_text(encoding="utf-8")
