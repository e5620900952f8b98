"""Make the daemon read its settings and bundle again, and see whether it took them.

Takes a way to reach the daemon and what it should be like afterwards. Gives how it is then. Must hold: it ends in the
time given; a fault that was there before is not blamed on the change; success means that the daemon itself says so.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from edge.control import Client, faults
from edge.control.peer import Peer
from edge.errors import ControlError, StorageError

_LOOK_SECONDS: Final = 0.25

Status = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """``status``: the latest that the daemon said, None where it said nothing more. ``why``: what is wrong, empty where
    all is well.
    """

    status: Status | None
    why: str


def hang_up(peer: Peer) -> None:
    """SIGHUP to the daemon. Raises ``StorageError`` where this account may not do that, or cannot see the process."""
    if peer.pid <= 0:  # of another namespace; to the kernel 0 means this process and all beside it
        raise StorageError("the daemon runs in a container of its own", "Run this in there.")
    try:
        os.kill(peer.pid, signal.SIGHUP)
    except ProcessLookupError:
        return  # it has ended meanwhile; whoever waits for it will see
    except PermissionError:
        raise StorageError(
            "this account may not tell the daemon to reload", "Run it as root or as the daemon's account."
        ) from None


def wait_for_reload(
    find: Callable[[], Client], before: Status, wanted: str, seconds: float, settle_seconds: float
) -> Outcome:
    """Wait until the daemon has the bundle with the fingerprint ``wanted`` in use and has no fault that ``before`` did
    not have, and still so after ``settle_seconds``; at most ``seconds``.
    """
    deadline = time.monotonic() + seconds
    status: Status | None = None
    why = "it does not answer"
    well_since: float | None = None
    while time.monotonic() < deadline:
        try:
            with find() as daemon:
                status = daemon.status()
        except ControlError:  # between the old station and the new one nobody serves the socket
            status, why, well_since = None, "it does not answer", None
            time.sleep(_LOOK_SECONDS)
            continue
        refused = status.get("reload_refused")
        if refused and refused != before.get("reload_refused"):
            return Outcome(status, f"it refused to reload: {str(refused.get('why', '')).rstrip('.')}")
        if status.get("started") == before.get("started"):
            why = "it goes on as before"
        elif status.get("fingerprint") != wanted:
            return Outcome(status, f"it listens with {status.get('model')} from {status.get('bundle_path')}")
        elif new := new_faults(before, status):
            why, well_since = "; ".join(new), None
        else:
            now = time.monotonic()
            well_since = well_since or now
            if now - well_since >= settle_seconds:
                return Outcome(status, "")
        time.sleep(_LOOK_SECONDS)
    return Outcome(status, why)


def new_faults(before: Status, after: Status) -> tuple[str, ...]:
    """Faults of a kind that was not there before."""
    known = {_kind(fault) for fault in faults(before)}
    return tuple(fault for fault in faults(after) if _kind(fault) not in known)


def _kind(fault: str) -> str:
    return fault.partition(":")[0]
