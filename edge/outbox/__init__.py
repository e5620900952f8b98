"""Durable queue of MQTT messages between the pipeline and the broker, in one SQLite file.

Takes ``Message``s, gives them back in order until each is acknowledged. Must hold: what ``append`` returned for
survives SIGKILL and a power cut, also on a full disk for as long as the reserve lasts; events keep their order; the
file is bounded, and so is what is kept of damaged ones.
"""

from edge.outbox.database import OutboxCounters, peek
from edge.outbox.queue import Outbox

__all__ = ["Outbox", "OutboxCounters", "peek"]
