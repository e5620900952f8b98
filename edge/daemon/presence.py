"""Who was heard lately: turns single decisions into occupancy that Home Assistant can show.

Takes identified utterances and the passing of time, gives the ids of people whose state changed. Must hold: a person is
``heard`` from an identified utterance until ``hold_seconds`` after the last one; time is monotonic, so a clock jump
changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.events import UtteranceEvent


@dataclass(slots=True)
class _Heard:
    until: float
    event: UtteranceEvent


class Presence:
    """Occupancy per person."""

    def __init__(self, hold_seconds: float) -> None:
        self._hold_seconds = hold_seconds
        self._heard: dict[str, _Heard] = {}
        self._last: dict[str, UtteranceEvent] = {}

    def heard(self, person_id: str, event: UtteranceEvent, monotonic: float) -> None:
        """An utterance of this person was identified at ``monotonic`` seconds."""
        self._heard[person_id] = _Heard(monotonic + self._hold_seconds, event)
        self._last[person_id] = event

    def is_heard(self, person_id: str, monotonic: float) -> bool:
        """Whether the person counts as present."""
        entry = self._heard.get(person_id)
        return entry is not None and monotonic < entry.until

    def last(self, person_id: str) -> UtteranceEvent | None:
        """The latest event that named this person since the start."""
        return self._last.get(person_id)

    def expired(self, monotonic: float) -> list[str]:
        """People whose time has run out since the last call; each is reported once."""
        gone = [pid for pid, entry in self._heard.items() if monotonic >= entry.until]
        for pid in gone:
            del self._heard[pid]
        return gone

    def forget(self, person_id: str) -> None:
        """A person was removed."""
        self._heard.pop(person_id, None)
        self._last.pop(person_id, None)
