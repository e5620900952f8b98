"""The daemon at its control socket.

Takes the section ``control``, the state folder, a ``Scene`` and a report of how the daemon does; serves until ``stop``.
Must hold: a group that does not exist is found before anything runs; a socket that cannot be made is a warning, since
listening is the daemon's work.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edge.control import Access, ControlServer, Peer, Running, Tell, VerifyRequest, socket_path
from edge.control.place import group_id, listen
from edge.control.protocol import VERSION
from edge.daemon.attempts import Attempts
from edge.daemon.verification import Scene, Verifier
from edge.errors import ControlError
from edge.settings import Settings

_LOG = logging.getLogger(__name__)
_STOP_SECONDS = 2.0


class Control:
    """``control.Service`` on what ``scene`` gives; ``attempts``: is told of verifications; ``report``: what else
    ``status`` tells; ``recent``: the answer to ``recent``.

    Raises ``SettingsError`` for a group that does not exist.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        version: str,
        scene: Callable[[], Scene],
        attempts: Attempts,
        *,
        report: Callable[[], Mapping[str, Any]] = dict,
        recent: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        self._settings = settings.control
        self._path = socket_path(settings.control, folder)
        self._version = version
        self._scene = scene
        self._report = report
        self._recent = recent
        self._group = group_id(settings.control.group)
        self._verifier = Verifier(scene, attempts)
        self._server: ControlServer | None = None

    def start(self) -> None:
        """Begin to serve, where the settings want it."""
        if not self._settings.enabled:
            return
        try:
            listener = listen(self._path, self._group)
        except ControlError as error:
            _LOG.warning("%s", error.sentence())
            return
        access = Access(frozenset({0, os.geteuid()}), self._group)
        self._server = ControlServer(listener, self, access, max_clients=self._settings.max_clients)
        self._server.start()

    def stop(self) -> None:
        """Cancel what runs, and be gone."""
        if self._server is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()
            self._server.stop(_STOP_SECONDS)
            self._server = None

    def status(self) -> dict[str, Any]:
        """How the daemon is; no names."""
        scene = self._scene()
        return {
            "protocol": VERSION,
            "version": self._version,
            "model": scene.model,
            "profile": scene.settings.decide.profile,
            "threshold": scene.settings.decide.threshold,
            "enrolled": len(scene.voiceprints),
            "source": scene.listener.source.name,
            "live": scene.listener.source.live,
            "listening": scene.listening and not scene.listener.ended,
            "problem": scene.problem,
            "busy": self._verifier.busy,
            **self._report(),
        }

    def recent(self) -> dict[str, Any]:
        """What is heard now and who spoke lately."""
        return self._recent()

    def verify(self, request: VerifyRequest, peer: Peer, tell: Tell) -> Running:
        """Begin a verification."""
        return self._verifier.begin(request, peer.uid, tell)
