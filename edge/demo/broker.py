"""A broker for the demonstration, so that it needs nothing but pip.

Takes nothing, gives a port on 127.0.0.1 that speaks MQTT 3.1.1. Must hold: reachable from this machine only; gone
when the demonstration ends, also when it is killed. The only place that imports iotcore, and not for production: it
keeps nothing on disk and knows no passwords.
"""

from __future__ import annotations

import socket
from types import TracebackType
from typing import TYPE_CHECKING, Final

from edge.errors import BrokerError, ExtraMissingError

if TYPE_CHECKING:
    from iotcore import Broker

_HOST: Final = "127.0.0.1"
_TRIES: Final = 5


class DemoBroker:
    """Runs in a process of its own while started; also a context manager that gives the port."""

    def __init__(self) -> None:
        self._broker: Broker | None = None

    def start(self) -> int:
        """Start on a free port and give it. Raises ``ExtraMissingError`` without the package iotcore, ``BrokerError``
        where the broker does not come up.
        """
        try:
            from iotcore import Broker
        except ImportError as error:
            raise ExtraMissingError(
                "The demonstration's broker needs the package iotcore", "Run: pip install 'earmark[demo]'"
            ) from error
        if self._broker is not None:
            return int(self._broker.port)
        reason = ""
        for _ in range(_TRIES):
            broker = Broker(port=_free_port(), listen=_HOST)
            try:
                broker.start()
            except (OSError, RuntimeError) as error:
                # Somebody else may have taken the port since it was found free.
                reason = str(error)
                continue
            self._broker = broker
            return int(broker.port)
        raise BrokerError(
            f"The demonstration's broker does not start: {reason}", "Name a broker of your own in the settings."
        )

    def stop(self) -> None:
        """End it; safe to call twice."""
        broker, self._broker = self._broker, None
        if broker is not None:
            broker.stop()

    def __enter__(self) -> int:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port
