"""The control socket: how programs on this machine ask the daemon for a verification, for its status, and to stop.

Takes connections on a Unix socket, one JSON object a line; gives lines back (docs/control.md). ``protocol`` reads and
writes lines, ``peer`` says who asks and whether they may, ``place`` where the socket is, ``connection`` and ``server``
serve it, ``client`` asks. Must hold: whatever a peer sends or leaves unsent, memory and time stay bounded and the
daemon goes on; nobody is answered whom the kernel does not vouch for.
"""

from edge.control.client import Answer, Client, first_daemon
from edge.control.faults import faults
from edge.control.peer import Access, Peer
from edge.control.place import candidates, socket_path
from edge.control.protocol import CancelRequest, RecentRequest, Request, StatusRequest, VerifyRequest
from edge.control.server import ControlServer, Running, Service, Tell

__all__ = [
    "Access",
    "Answer",
    "CancelRequest",
    "Client",
    "ControlServer",
    "Peer",
    "RecentRequest",
    "Request",
    "Running",
    "Service",
    "StatusRequest",
    "Tell",
    "VerifyRequest",
    "candidates",
    "faults",
    "first_daemon",
    "socket_path",
]
