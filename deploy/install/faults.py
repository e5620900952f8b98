"""What can go wrong, told in a sentence.

Takes nothing, gives types. Must hold: the exit codes are those of ``edge.errors``, which cannot be imported here.
"""

from __future__ import annotations

from typing import Final

EXIT_UNHEALTHY: Final = 1
"""The new version did no good; the one before it runs on."""
EXIT_USAGE: Final = 2
EXIT_ENVIRONMENT: Final = 5
EXIT_INTERRUPTED: Final = 130


class InstallFault(Exception):
    """``cause``: one plain sentence without a full stop. ``remedy``: what to do about it."""

    def __init__(self, cause: str, remedy: str, exit_code: int = EXIT_ENVIRONMENT) -> None:
        super().__init__(cause)
        self.cause = cause
        self.remedy = remedy
        self.exit_code = exit_code

    def sentence(self) -> str:
        """One line for a person."""
        return f"{self.cause}. {self.remedy}".strip()


class SelfTestFault(InstallFault):
    """A version that cannot do its work here. ``check``: of `earmark doctor`, at which it failed."""

    def __init__(self, check: str, sentence: str, remedy: str) -> None:
        super().__init__(f"The self-test failed at {check}: {sentence}", remedy, EXIT_UNHEALTHY)
        self.check = check
        self.said = sentence
