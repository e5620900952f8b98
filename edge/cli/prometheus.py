"""The daemon's state as Prometheus reads it.

Takes what ``status`` at the control socket tells. Gives the text exposition format, version 0.0.4 (Prometheus
documentation, "Exposition formats"). Must hold: base units (seconds, bytes, ratios); what is not known is not there; no
name of a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edge.control import faults

_GAUGES: Final = (
    ("listening", "listening", "Whether the daemon hears its source.", 1.0),
    ("microphone_problem", "mic_problem", "Whether the microphone is lost, or what it gives is of no use.", 1.0),
    ("broker_connected", "broker", "Whether the broker is connected; absent without one.", 1.0),
    ("overloaded", "overloaded", "Whether sound was lost within the last minute since this machine is too slow.", 1.0),
    ("people_enrolled", "enrolled", "People who can be named.", 1.0),
    ("outbox_pending", "outbox_pending", "Messages that wait for the broker.", 1.0),
    ("latency_p95_seconds", "latency_p95_ms", "End of speech to decision, 95th percentile of the latest.", 1e-3),
    ("behind_seconds", "behind_ms", "How long the latest sound had to wait.", 1e-3),
    ("snr_decibels", "snr_db", "Speech to noise of the latest utterance.", 1.0),
    ("resident_memory_bytes", "rss_mb", "Memory of the daemon.", 1e6),
    ("uptime_seconds", "uptime_s", "Time since the daemon began, or read its settings again.", 1.0),
)
_COUNTERS: Final = (
    ("utterances_total", "utterances", "Utterances decided on."),
    ("dropped_samples_total", "dropped_samples", "Samples lost since this machine was too slow."),
    ("outbox_dropped_total", "outbox_dropped", "Events given up because the outbox was full."),
    ("reconnects_total", "reconnects", "Connections to the broker after the first."),
)


def exposition(status: Mapping[str, Any] | None) -> str:
    """All metrics as text; ``None`` for a daemon that doesn't answer: ``earmark_up 0`` alone."""
    lines = _metric("up", "gauge", "Whether the daemon answers.", 0 if status is None else 1)
    if status is None:
        return "".join(lines)
    known = {name: str(status[name]) for name in ("node", "version", "bundle", "bundle_version") if status.get(name)}
    labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in known.items())
    lines += _metric("info", "gauge", "What runs.", 1, f"{{{labels}}}" if labels else "")
    lines += _metric("healthy", "gauge", "Whether nothing is wrong.", int(not faults(status)))
    for name, key, words, unit in _GAUGES:
        if status.get(key) is not None:
            lines += _metric(name, "gauge", words, round(float(status[key]) * unit, 6))
    for name, key, words in _COUNTERS:
        if status.get(key) is not None:
            lines += _metric(name, "counter", words, int(status[key]))
    return "".join(lines)


def _metric(name: str, kind: str, words: str, value: float, labels: str = "") -> list[str]:
    whole = f"earmark_{name}"
    shown = int(value) if float(value).is_integer() else value
    return [f"# HELP {whole} {words}\n", f"# TYPE {whole} {kind}\n", f"{whole}{labels} {shown}\n"]


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
