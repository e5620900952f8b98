"""What a check has found.

Takes words and facts; gives a ``Finding``. Must hold: sentence and remedy are one line each, whatever they are made of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from edge.errors import EXIT_ENVIRONMENT, EXIT_OK, EXIT_USAGE, EarmarkError

Status = Literal["ok", "warn", "fail"]
_RANK: Final[tuple[Status, ...]] = ("ok", "warn", "fail")


@dataclass(frozen=True, slots=True)
class Finding:
    """``sentence``: what is so. ``remedy``: what to do about it, empty where nothing needs to be done. ``facts``: plain
    values for ``--json``. ``lines``: details for people, whose values are in ``facts`` as well.
    """

    name: str
    status: Status
    sentence: str
    remedy: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    lines: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            "status": self.status,
            "sentence": self.sentence,
            "remedy": self.remedy,
            "facts": dict(self.facts),
        }


def fault(name: str, error: EarmarkError, status: Status = "fail", facts: Mapping[str, Any] | None = None) -> Finding:
    """The finding for an error of another room."""
    return Finding(name, status, one_line(error.cause), " ".join(error.remedy.split()), facts or {})


def one_line(text: str) -> str:
    """``text`` as one line: lists become clauses, the first letter is a capital, and a full stop ends it."""
    parts = [part.strip(" -") for part in text.splitlines() if part.strip(" -")]
    if not parts:
        return ""
    joined = parts[0] + (" " if parts[0].endswith(":") else "; " if len(parts) > 1 else "") + "; ".join(parts[1:])
    joined = re.sub(r"\s+", " ", joined).strip()
    return joined[:1].upper() + joined[1:] + ("" if joined.endswith((".", "!", "?")) else ".")


def worst(findings: Iterable[Finding]) -> Status:
    """The status of all together."""
    return max((finding.status for finding in findings), key=_RANK.index, default="ok")


def exit_code(findings: Iterable[Finding]) -> int:
    """0 with warnings at most, 2 for settings that cannot be used, 5 for anything else that fails."""
    failed = {finding.name for finding in findings if finding.status == "fail"}
    if "settings" in failed:
        return EXIT_USAGE
    return EXIT_ENVIRONMENT if failed else EXIT_OK
