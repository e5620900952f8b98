"""What is missing on this device, and the one line that mends it.

Takes settings and a place to look at; gives a ``Finding`` per check. ``examination`` runs them, ``findings`` says what
one is, ``case`` holds what several checks share; the rest are the checks: ``machine``, ``models``, ``tiers``,
``labels``, ``sound``, ``storage``, ``vault``, ``household``, ``attempts``, ``broker``, ``exposure``. Must hold: no
check can end the examination; nothing that runs beside it is disturbed; this module imports nothing, so that ``--help``
is quick.
"""

from __future__ import annotations

from typing import Final

CHECKS: Final = (
    "settings",
    "python",
    "runtime",
    "processor",
    "bundle",
    "voices",
    "bundles",
    "labels",
    "formats",
    "microphone",
    "level",
    "state",
    "people",
    "vault",
    "calibration",
    "attempts",
    "outbox",
    "broker",
    "secrets",
    "service",
    "clock",
)
"""Names of the checks in the order in which they are reported; ``level`` is made only where it is asked for."""
