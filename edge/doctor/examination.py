"""Runs the checks.

Takes a ``Case`` and names of checks; gives a ``Finding`` for each, in the order of ``CHECKS``. Must hold: whatever a
check raises becomes its finding; checks that need settings wait where there are none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Final

from edge.doctor import CHECKS
from edge.doctor.attempts import attempts
from edge.doctor.broker import broker
from edge.doctor.case import Case
from edge.doctor.exposure import secrets
from edge.doctor.findings import Finding, fault, one_line
from edge.doctor.household import calibration
from edge.doctor.labels import labels
from edge.doctor.machine import clock, processor, python, service
from edge.doctor.models import bundle, runtime, voices
from edge.doctor.sound import formats, level, microphone
from edge.doctor.storage import outbox, people, settings, state
from edge.doctor.tiers import bundles
from edge.doctor.vault import vault
from edge.errors import EarmarkError

_CHECKS: Final[dict[str, Callable[[Case], Finding]]] = {
    check.__name__: check
    for check in (
        *(
            settings,
            python,
            runtime,
            processor,
            bundle,
            voices,
            bundles,
            labels,
            formats,
            microphone,
            level,
            state,
            people,
            vault,
        ),
        *(calibration, attempts, outbox, broker, secrets, service, clock),
    )
}
_WITHOUT_SETTINGS: Final = frozenset({"settings", "python", "runtime", "processor", "formats", "clock"})
STANDARD: Final = tuple(name for name in CHECKS if name != "level")
"""What is checked where nothing is chosen."""


def examine(case: Case, only: Collection[str] = STANDARD) -> Iterator[Finding]:
    """The findings, each as soon as it is there. Settings that cannot be used are reported whatever is chosen."""
    chosen = set(only) | ({"settings"} if case.settings is None else set())
    for name in CHECKS:
        if name in chosen and (case.settings is not None or name in _WITHOUT_SETTINGS):
            yield _checked(name, case)


def _checked(name: str, case: Case) -> Finding:
    try:
        return _CHECKS[name](case)
    except EarmarkError as error:
        return fault(name, error)
    except Exception as error:
        said = f"The check could not be made ({type(error).__name__}: {error})"
        return Finding(name, "fail", one_line(said), "Please report it, with this line and the lines above it.")
