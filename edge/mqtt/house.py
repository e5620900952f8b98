"""The topics that the nodes of one house share: where each person was last heard, and the house as one device.

Takes: base topic, Home Assistant's discovery prefix. Gives: topic names. Pure. Must hold: no node may be called
``house``, which would own them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from edge.errors import UsageError
from edge.records import Message

HOUSE: Final = "house"
HOUSE_DEVICE: Final = f"earmark_{HOUSE}"
"""Identifier of the house in Home Assistant."""

_LEVEL: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class HouseTopics:
    """The topics of a house. ``base``, ``discovery_prefix``: as those of its nodes, who have checked them."""

    base: str = "earmark"
    discovery_prefix: str = "homeassistant"

    @property
    def discovery(self) -> str:
        """Topic of the discovery document."""
        return f"{self.discovery_prefix}/device/{HOUSE_DEVICE}/config"

    def availability(self, node: str) -> str:
        """Where a node says whether it is there."""
        return f"{self.base}/{node}/availability"

    def person(self, person_id: str) -> str:
        """Where a person was last heard."""
        if not _LEVEL.fullmatch(person_id):
            raise UsageError(f"'{person_id}' cannot stand in a topic", "Use letters, digits, _ and -.")
        return f"{self.base}/{HOUSE}/person/{person_id}"

    def sighting(self, person_id: str, payload: bytes) -> Message:
        """A person was heard. Retained, and yet an event: said once, in the order in which things happened, and not
        again at each connection, when another node may have said something newer.
        """
        return Message(self.person(person_id), payload, 1, True, "event")

    def owns(self, topic: str) -> bool:
        """Whether a retained topic is one of the house's."""
        return topic.startswith(f"{self.base}/{HOUSE}/person/") or topic == self.discovery

    def hears(self, _topic: str) -> bool:
        """A house obeys nothing."""
        return False
