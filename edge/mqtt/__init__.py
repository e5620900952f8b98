"""MQTT: the topic tree, and the publisher that drains the outbox.

Takes: messages. Gives: deliveries to the broker. Must hold: paho is imported only when a connection is made; a
message is forgotten only after the broker's acknowledgement.
"""

from edge.mqtt.publisher import Publisher
from edge.mqtt.status import PublisherCounters
from edge.mqtt.topics import ROUTES, SETTINGS, Command, Route, Topics

__all__ = ["ROUTES", "SETTINGS", "Command", "Publisher", "PublisherCounters", "Route", "Topics"]
