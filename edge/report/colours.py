"""A colour for each person, the same on the whole page.

Takes events. Gives CSS colours. Must hold: the first seven people differ for every kind of colour vision (the palette
of M. Okabe and K. Ito, 2008); those whom nobody knows are grey.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from edge.events import UtteranceEvent
from edge.report.words import named

PEOPLE: Final = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#f0e442")
_OTHERS: Final = {"unknown": "#8c8c8c", "uncertain": "#bdb76b", "rejected": "#c8c8c8"}


class Colours:
    """Chosen in the order in which people speak."""

    def __init__(self, events: Iterable[UtteranceEvent]) -> None:
        self._people: dict[str, str] = {}
        self._others: set[str] = set()
        for event in events:
            if event.event_type == "identified":
                self._people.setdefault(named(event), PEOPLE[len(self._people) % len(PEOPLE)])
            else:
                self._others.add(event.event_type)

    def of(self, event: UtteranceEvent) -> str:
        """The colour of who was heard."""
        if event.event_type == "identified":
            return self._people.get(named(event), PEOPLE[0])
        return _OTHERS[event.event_type]

    def legend(self) -> list[tuple[str, str]]:
        """Names and colours: people first, then the others that occur."""
        return [*self._people.items(), *((name, colour) for name, colour in _OTHERS.items() if name in self._others)]
