"""Who is at the other end of a Unix socket, by the kernel's word, and whether they may ask.

Takes a connected socket; gives ``Peer``. Must hold: nothing that the peer says of itself counts.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Final

_CREDENTIALS: Final = struct.Struct("iII")
_SO_PEERGROUPS: Final = 59
"""Linux 4.13 and later; Python has no name for it."""
_MOST_BYTES: Final = 1024
"""What Python lets one ask for: 256 groups."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The process that connected, as it was then. ``groups``: with the supplementary ones, where the kernel tells."""

    pid: int
    uid: int
    groups: frozenset[int]


@dataclass(frozen=True, slots=True)
class Access:
    """These accounts, and the members of ``group`` where one is named, may ask."""

    uids: frozenset[int]
    group: int | None = None

    def allows(self, peer: Peer) -> bool:
        """Whether this peer is one of them."""
        return peer.uid in self.uids or (self.group is not None and self.group in peer.groups)


def peer_of(connection: socket.socket) -> Peer:
    """The peer of a connected Unix socket. Raises ``OSError`` where the kernel does not tell."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(raw)
    return Peer(pid, uid, frozenset({gid, *_groups(connection)}))


def _groups(connection: socket.socket) -> tuple[int, ...]:
    """The supplementary groups; none where there are too many to be told, or the kernel is too old."""
    try:
        raw = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_BYTES)
    except OSError:
        return ()
    return struct.unpack(f"{len(raw) // 4}I", raw[: len(raw) // 4 * 4])
