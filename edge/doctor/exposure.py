"""Secrets: whether somebody else can read them.

Takes a ``Case``; gives a finding. Must hold: no secret is read, and the broker need not answer.
"""

from __future__ import annotations

from edge.doctor.case import Case
from edge.doctor.findings import Finding, fault, one_line
from edge.mqtt.security import exposed


def secrets(case: Case) -> Finding:
    """The password on its way to the broker, and the files of password and key."""
    found = exposed(case.known.mqtt)
    facts = {"exposed": [one_line(one.sentence()) for one in found]}
    if found:
        return fault("secrets", found[0], "warn", facts)
    return Finding("secrets", "ok", "Nobody else can read the secrets of these settings.", facts=facts)
