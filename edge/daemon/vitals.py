"""The two states that say how the device is and what runs on it.

Takes the parts of a station; gives ``HealthState`` and ``InfoState``. Must hold: reads only what is safe to read from
any thread.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from edge.bundle import Analyses, Bundle
from edge.daemon.announcer import Announcer
from edge.daemon.ear import Ear
from edge.daemon.health import rss_mb
from edge.daemon.listener import Listener
from edge.events import HealthState, InfoState
from edge.mqtt import Publisher
from edge.outbox import Outbox
from edge.settings import Settings


def earmark_version() -> str:
    """Version of the installed distribution, ``0`` in a checkout that was never installed."""
    try:
        return version("earmark")
    except PackageNotFoundError:
        return "0"


def health_state(
    ts: str,
    uptime_seconds: float,
    *,
    ear: Ear,
    listener: Listener,
    dropped_before: int,
    announcer: Announcer,
    enrolled: int,
    outbox: Outbox | None,
    publisher: Publisher | None,
) -> HealthState:
    """How the device is. ``dropped_before``: samples that listeners before this one have lost."""
    counters = outbox.counters if outbox else None
    overload = listener.overload
    return HealthState(
        ts=ts,
        mic_problem=ear.fault is not None,
        mic_fault=ear.fault.fault if ear.fault else None,
        mic_reason=ear.reason,
        latency_p95_ms=announcer.latencies.p95(),
        snr_db=announcer.last_snr_db,
        enrolled=enrolled,
        utterances=announcer.utterances,
        not_speech=announcer.not_speech,
        dropped_samples=dropped_before + overload.dropped_samples,
        overloaded=overload.active,
        behind_ms=round(1000 * overload.most_behind_seconds) if listener.source.live else None,
        outbox_pending=counters.pending if counters else 0,
        outbox_dropped=counters.dropped if counters else 0,
        reconnects=publisher.counters.reconnects if publisher else 0,
        security_warning=publisher.warning if publisher else None,
        uptime_s=int(uptime_seconds),
        rss_mb=rss_mb(),
    )


def info_state(settings: Settings, bundle: Bundle, analyses: Analyses, version: str, started: str) -> InfoState:
    """What runs here: Earmark's ``version``, ``started`` when."""
    return InfoState(
        node=settings.node.name,
        version=version,
        bundle=str(bundle.card["name"]),
        bundle_version=str(bundle.card["version"]),
        encoder=bundle.encoder,
        runtime=bundle.runtime,
        names=settings.privacy.mqtt_names,
        started=started,
        room=settings.node.room or None,
        analyses=analyses.kinds or None,
        packs=tuple(pack.title for pack in bundle.packs) or None,
    )
