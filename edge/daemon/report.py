"""What the daemon tells of itself, beside the health that it publishes: at its control socket, to systemd, in the log.

Takes the scene, the health and the publisher; gives plain values and a line. Must hold: no name of a person, no secret.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from edge.bundle import analyses, fingerprint
from edge.daemon.verification import Scene
from edge.events import HealthState
from edge.mqtt import Publisher


def report(
    scene: Scene, health: HealthState, publisher: Publisher | None, started: str, refused: Mapping[str, str] | None
) -> dict[str, Any]:
    """The fields that ``earmark status --json`` passes on. ``broker``: whether it is connected, None without MQTT.
    ``started``: when these settings and this bundle came into force. ``refused``: the latest reload that was, ``at``
    and ``why``.
    """
    bundle = scene.bundle
    return asdict(health) | {
        "node": scene.settings.node.name,
        "pid": os.getpid(),
        "state": str(scene.folder),
        "started": started,
        "reload_refused": refused,
        "bundle": bundle.name,
        "bundle_version": str(bundle.card["version"]),
        "bundle_path": str(bundle.path),
        "encoder": bundle.encoder,
        "space": bundle.space,
        "fingerprint": fingerprint(bundle.card),
        "switched_off": not scene.listening,
        "broker": None if publisher is None else publisher.connected,
        "broker_problem": None if publisher is None else publisher.problem,
    }


def fields(scene: Scene, publisher: Publisher | None) -> dict[str, Any]:
    """What the log tells of a start."""
    settings, bundle = scene.settings, scene.bundle
    return {
        "source": scene.listener.source.name,
        "bundle": scene.model,
        "people": len(scene.voiceprints),
        "tells": ", ".join(("who", *analyses(bundle, settings.privacy).kinds)),
        "packs": ", ".join(f"{pack.title} ({pack.card.licence})" for pack in bundle.packs) or "none",
        "broker": "none" if publisher is None else f"{settings.mqtt.host}:{settings.mqtt.effective_port}",
    }


def status_line(scene: Scene, problem: str | None, publisher: Publisher | None) -> str:
    """One line for people. ``problem``: of the microphone, whether or not it is deaf with it."""
    broker = "no broker" if publisher is None else (publisher.problem or "broker connected")
    if publisher is not None and publisher.warning:
        broker += f"; {publisher.warning}"
    overload = scene.listener.overload.active
    busy = "listening, more sound than this machine can handle" if overload else "listening"
    sound = problem or (busy if scene.listening else "switched off")
    number = len(scene.voiceprints)
    people = "1 person" if number == 1 else f"{number} people"
    return f"{sound}; {people} enrolled; {broker}"
