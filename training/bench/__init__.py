"""What the benches share that ask the device's own decisions: people who enrol, rates with intervals, reports.

``training.verify_bench`` and ``training.household_bench`` stand on it.
"""

from typing import Final

from edge.records import Profile

PROFILES: Final[tuple[Profile, ...]] = ("relaxed", "balanced", "strict")
"""From lax to strict."""
