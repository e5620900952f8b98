"""What every page works with: the session of the commands, opened once, and the key that opens the door.

Takes an opened ``Session``. Gives ``Opened`` to whoever asks in this process. Must hold: there is one of it, whatever
thread asks; the bundle that learns voices is opened when it is first needed and not before.
"""

from __future__ import annotations

import argparse
import hmac
import threading
from typing import Final

from edge.cli.session import Session, open_session

KEY: Final = "key"
"""Of the address: what ``earmark studio`` prints and nobody else on the machine knows."""


class Opened:
    """``session``: settings, models and people. ``args``: what it was opened with. ``key``: see ``KEY``; empty admits
    everybody who reaches the address.
    """

    def __init__(self, session: Session, args: argparse.Namespace, key: str = "") -> None:
        self.session = session
        self._args = args
        self._key = key
        self._lock = threading.Lock()
        self._learning: Session | None = None

    def admits(self, key: str) -> bool:
        """Whether this is the key, or none is asked for."""
        return not self._key or hmac.compare_digest(key.encode(), self._key.encode())

    @property
    def learning(self) -> Session:
        """The session that learns voices, whose bundle the settings may name apart. Raises as ``open_session``."""
        if self._args.bundle or not self.session.settings.enrolment.bundle:
            return self.session
        with self._lock:
            if self._learning is None:
                self._learning = open_session(self._args, enrolling=True)
            return self._learning

    def close(self) -> None:
        """Close what was opened here; the session itself belongs to whoever gave it."""
        if self._learning is not None:
            self._learning.store.close()


_now: list[Opened] = []


def use(opened: Opened) -> None:
    """From now on the pages work with this."""
    _now[:] = [opened]


def current() -> Opened:
    """What the pages work with. Raises ``RuntimeError`` outside ``earmark studio``."""
    if not _now:
        raise RuntimeError("the pages are opened by `earmark studio`, not by `streamlit run`")
    return _now[0]
