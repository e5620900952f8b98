"""Who was heard lately: turns single decisions into occupancy that Home Assistant can show.

Takes decisions and the passing of time, gives the ids of people whose state changed. Must hold: a person is ``heard`` from
an identified utterance until ``hold_seconds`` after the last one; time is monotonic, so a clock jump changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class _Heard:
    until: float
    last_heard: float
    probability: float


class Presence:
    """Occupancy per person."""

    def __init__(self, hold_seconds: float) -> None:
        self._hold_seconds = hold_seconds
        self._heard: dict[str, _Heard] = {}

    def heard(self, person_id: str, probability: float, *, monotonic: float, now: float) -> None:
        """An utterance of this person was identified. ``now``: UTC seconds, ``monotonic``: seconds that never jump."""
        self._heard[person_id] = _Heard(monotonic + self._hold_seconds, now, probability)

    def is_heard(self, person_id: str, monotonic: float) -> bool:
        """Whether the person counts as present."""
        entry = self._heard.get(person_id)
        return entry is not None and monotonic < entry.until

    def last(self, person_id: str) -> tuple[float, float] | None:
        """UTC seconds and probability of the last identified utterance, or None."""
        entry = self._heard.get(person_id)
        return (entry.last_heard, entry.probability) if entry else None

    def expired(self, monotonic: float) -> list[str]:
        """People whose time has run out since the last call; each is reported once."""
        gone = [pid for pid, entry in self._heard.items() if monotonic >= entry.until]
        for pid in gone:
            del self._heard[pid]
        return gone

    def forget(self, person_id: str) -> None:
        """A person was removed."""
        self._heard.pop(person_id, None)
