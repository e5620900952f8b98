"""The daemon: the pipeline as a service that runs for weeks.

Takes settings; gives events on MQTT, health, and a process that systemd can supervise. ``service`` composes and runs,
``presence`` remembers who was heard, ``health`` measures, ``notify`` speaks to systemd, ``logs`` to people.
"""

from edge.daemon.service import Service

__all__ = ["Service"]
