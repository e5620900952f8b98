"""What ``earmark status --prometheus`` prints is what Prometheus' own parser reads."""

from __future__ import annotations

from dataclasses import asdict, fields

from prometheus_client.parser import text_string_to_metric_families

from edge.cli.prometheus import _COUNTERS, _GAUGES, exposition
from edge.control import faults
from edge.events import HealthState


def _read(text: str) -> dict[str, float]:
    return {
        sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples
    }  # fmt: skip


def _status(**changed: object) -> dict[str, object]:
    health = HealthState(
        ts="2026-11-22T06:00:00.000Z", mic_problem=False, latency_p95_ms=96, snr_db=18.2, enrolled=2, utterances=41,
        outbox_pending=3, uptime_s=86400, rss_mb=61.5,
    )  # fmt: skip
    node = {"node": 'a "b"\\c\nd', "version": "0.1.0", "broker": True, "listening": True, "problem": None}
    return asdict(health) | node | changed


def test_everything_that_is_known_is_there_in_base_units() -> None:
    found = _read(exposition(_status()))
    assert found["earmark_up"] == found["earmark_healthy"] == found["earmark_broker_connected"] == 1
    assert found["earmark_latency_p95_seconds"] == 0.096
    assert found["earmark_resident_memory_bytes"] == 61.5e6
    assert (found["earmark_utterances_total"], found["earmark_outbox_pending"]) == (41, 3)
    assert "earmark_behind_seconds" not in found


def test_labels_keep_whatever_a_node_is_called() -> None:
    families = {family.name: family for family in text_string_to_metric_families(exposition(_status()))}
    assert families["earmark_info"].samples[0].labels == {"node": 'a "b"\\c\nd', "version": "0.1.0"}


def test_a_fault_and_a_daemon_that_is_gone_are_numbers() -> None:
    assert _read(exposition(_status(broker=False)))["earmark_healthy"] == 0
    assert _read(exposition(None)) == {"earmark_up": 0}


def test_a_microphone_that_gives_nothing_but_zeros_is_a_fault() -> None:
    """It is no ``problem``, which is of one that gives nothing at all; ``health`` calls it one."""
    muted = _status(mic_problem=True, mic_fault="silent", mic_reason="it delivers nothing but zeros. Unmute it.")
    found = _read(exposition(muted))
    assert (found["earmark_microphone_problem"], found["earmark_healthy"]) == (1, 0)
    assert faults(muted) == ("microphone: it delivers nothing but zeros. Unmute it",)
    assert faults(muted | {"problem": "it is lost."}) == ("microphone: it is lost",)
    assert faults(_status()) == ()


def test_no_metric_is_of_a_field_that_there_is_not() -> None:
    known = {one.name for one in fields(HealthState)} | {"listening", "broker"}
    assert {key for _, key, *_ in (*_GAUGES, *_COUNTERS)} <= known


def test_no_daemon_is_a_metric_and_a_fault(earmark, state) -> None:
    done = earmark("status", "--prometheus")
    assert done.code == 5 and done.out.endswith("earmark_up 0\n") and "No daemon answers" in done.err
