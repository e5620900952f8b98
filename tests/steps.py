"""The steps of a long check that a person watches: a line for each, and a verdict.

Takes names and checks, which give what they saw or fail by an exception. Must hold: a step that fails ends no check
before the others had their turn; what could not be tried is not called good.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence


class NotTriedError(Exception):
    """There are no means for this step here."""


class Steps:
    """``failed``: names of those that did not go well."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def step(self, what: str, check: Callable[[], str]) -> bool:
        """Make one check, print its line, and give whether to go on."""
        begun = time.monotonic()
        try:
            said, mark = check(), "ok  "
        except NotTriedError as why:
            said, mark = str(why), "left"
        except (AssertionError, subprocess.SubprocessError, OSError, ValueError, KeyError, TypeError) as error:
            said, mark = f"{type(error).__name__}: {str(error)[:2000]}", "FAIL"
            self.failed.append(what)
        print(f"{mark}  {what:<34} {said}  ({time.monotonic() - begun:.0f} s)", flush=True)
        return mark != "FAIL"


def verdict(failed: Sequence[str]) -> int:
    """Print the last line; gives the exit code."""
    print(f"\n{len(failed)} failed: {', '.join(failed)}" if failed else "\nAll is well.")
    return 1 if failed else 0
