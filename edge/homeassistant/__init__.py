"""Home Assistant's MQTT discovery: the device's document, and what leads from one document to the next.

Takes: topics, people, settings. Gives: documents and messages. Pure.
"""

from edge.homeassistant.changes import (
    announced,
    change_messages,
    migration_messages,
    removal_messages,
    without_person,
)
from edge.homeassistant.document import Document, discovery_document, discovery_message, topics_of
from edge.homeassistant.house import house_document, is_house

__all__ = [
    "Document",
    "announced",
    "change_messages",
    "discovery_document",
    "discovery_message",
    "house_document",
    "is_house",
    "migration_messages",
    "removal_messages",
    "topics_of",
    "without_person",
]
