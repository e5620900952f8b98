"""Where the control socket is, and how it comes there.

Takes the section ``control`` of the settings, the state folder, the environment; gives paths and a listening socket.
Must hold: only a socket that nobody serves is replaced, and of two daemons that begin at once one is told so; mode and
group are set before anybody is answered; a path longer than a socket's address may be (107 bytes) works as well.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import socket
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from edge.errors import ControlError, SettingsError
from edge.file_lock import lock_within
from edge.settings import Control

NAME: Final = "control.sock"
SYSTEM: Final = Path("/run/earmark") / NAME
"""Where the systemd unit of ``earmark deploy unit`` puts it."""
_LONGEST_ADDRESS: Final = 107
_MODE: Final = 0o660
_BACKLOG: Final = 128
_RETRY_SECONDS: Final = 0.02
_PATIENCE_SECONDS: Final = 5.0
"""For another daemon that makes its socket in the same folder; that takes a second at the most."""


def socket_path(settings: Control, folder: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Where a daemon with the state ``folder`` serves: ``control.path``, else ``$RUNTIME_DIRECTORY`` (systemd), else in
    the state folder.
    """
    if settings.path:
        return Path(settings.path)
    runtime = environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    return (Path(runtime) if runtime else folder) / NAME


def candidates(
    settings: Control, folder: Path, *, only_here: bool, environ: Mapping[str, str] = os.environ
) -> list[Path]:
    """Where a client looks, in order. ``only_here``: the state folder was named, so another daemon is not meant."""
    if settings.path:
        return [Path(settings.path)]
    here = folder / NAME
    return [here] if only_here else list(dict.fromkeys([here, socket_path(settings, folder, environ), SYSTEM]))


def group_id(name: str) -> int | None:
    """The number of the group that may ask; None where none is named. Raises ``SettingsError`` for an unknown one."""
    if not name:
        return None
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise SettingsError(
            f"control.group names the group {name}, which does not exist",
            f"Make it (`sudo groupadd --system {name}`), or leave the setting empty.",
        ) from None


def listen(path: Path, group: int | None) -> socket.socket:
    """A socket that listens at ``path`` with mode 0660, non-blocking. Raises ``ControlError`` where it cannot be."""
    try:
        with _alone(path.parent):
            _make_room(path)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            try:
                with _short(path) as address:
                    listener.bind(address)
                # Nobody is answered before listen(), so nobody gets in between with another mode or group.
                # In the service it is the group already, and changing it is forbidden.
                if group is not None and path.stat().st_gid != group:
                    os.chown(path, -1, group)
                path.chmod(_MODE)
                listener.listen(_BACKLOG)
            except BaseException:
                listener.close()
                raise
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ControlError(f"The control socket {path} cannot be made: {reason}", _REMEDY) from error
    return listener


_REMEDY: Final = "Name another place in control.path, or set `control.enabled: false`."


def connect(path: Path, timeout_seconds: float) -> socket.socket:
    """A connection to the daemon at ``path``. Raises ``OSError``."""
    deadline = time.monotonic() + timeout_seconds
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        connection.settimeout(timeout_seconds)
        with _short(path) as address:
            while True:
                try:
                    connection.connect(address)
                    break
                except BlockingIOError:  # more than the backlog are waiting; the kernel does not wait with a timeout
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(_RETRY_SECONDS)
    except BaseException:
        connection.close()
        raise
    return connection


def _make_room(path: Path) -> None:
    """Remove a socket that an earlier daemon left. Raises ``ControlError`` where somebody serves it, or it is none."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ControlError(f"{path} is no socket, and something else stands there", _REMEDY)
    try:
        connect(path, 1.0).close()
    except OSError as error:
        if error.errno not in {errno.ECONNREFUSED, errno.ENOENT}:
            raise
    else:
        raise ControlError(f"Another Earmark serves the control socket {path}", _REMEDY)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other daemons from looking at a socket here between its bind() and its listen(): it would look as if nobody
    served it. Whoever else holds the folder's lock, and how long, keeps no daemon from its socket.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            lock_within(handle, _PATIENCE_SECONDS)
        yield
    finally:
        os.close(handle)


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """An address for ``path`` that fits: through the open folder where the path itself is too long."""
    text = os.fspath(path)
    if len(os.fsencode(text)) <= _LONGEST_ADDRESS:
        yield text
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
