"""Who was heard lately: turns single decisions into occupancy that Home Assistant can show.

Takes identified utterances and the passing of time, gives the ids of people whose state changed. Must hold: a person is
``heard`` from an identified utterance until ``hold_seconds`` after the last one; time is monotonic, so a clock jump
changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Heard:
    """The latest utterance that named a person: UTC seconds, cosine, probability."""

    at: float
    score: float
    probability: float


class Presence:
    """Occupancy per person."""

    def __init__(self, hold_seconds: float) -> None:
        self._hold_seconds = hold_seconds
        self._until: dict[str, float] = {}
        self._last: dict[str, Heard] = {}

    def hold(self, seconds: float) -> None:
        """From the next utterance on, it lasts this long."""
        self._hold_seconds = seconds

    def heard(self, person_id: str, heard: Heard, monotonic: float) -> None:
        """An utterance of this person was identified at ``monotonic`` seconds."""
        self._until[person_id] = monotonic + self._hold_seconds
        self._last[person_id] = heard

    def recall(self, person_id: str, heard: Heard, until: float | None) -> None:
        """An earlier run heard this person; ``until``: monotonic seconds to which they count as here, None: not now."""
        self._last[person_id] = heard
        if until is not None:
            self._until[person_id] = until

    def is_heard(self, person_id: str, monotonic: float) -> bool:
        """Whether the person counts as present."""
        until = self._until.get(person_id)
        return until is not None and monotonic < until

    def last(self, person_id: str) -> Heard | None:
        """The latest utterance that named this person."""
        return self._last.get(person_id)

    def expired(self, monotonic: float) -> list[str]:
        """People whose time has run out since the last call; each is reported once."""
        gone = [pid for pid, until in self._until.items() if monotonic >= until]
        for pid in gone:
            del self._until[pid]
        return gone

    def forget(self, person_id: str) -> None:
        """A person was removed."""
        self._until.pop(person_id, None)
        self._last.pop(person_id, None)
