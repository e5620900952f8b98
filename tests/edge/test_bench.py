"""The benchmark: the report has its published keys, what cannot be measured says why, and the daemon that is watched is
the shipped one. Nothing here judges a speed.
"""

from __future__ import annotations

import json
import math
import platform
from pathlib import Path

import numpy as np
import pytest

from edge.bench import living, report
from edge.bench.living import Living, watch
from edge.bench.machine import describe, installed_mb
from edge.bench.report import Report
from edge.bench.stages import StageCosts, against_reference, stage_costs
from edge.bundle import open_bundle
from edge.cli import main
from edge.demo.show import enrol
from edge.demo.stage import open_play
from edge.errors import EarmarkError
from edge.mqtt.subscriber import Arrival
from edge.records import SAMPLE_RATE
from edge.settings import Settings
from tests.edge.cli import voice_bundle

KEYS = {
    "cpu_ms_per_s", "frontend_speedup_vs_psf", "idle_cpu_percent", "rss_mb", "cold_start_s", "latency_ms",
    "installed_mb", "runtime", "bundle", "machine", "missing",
}  # fmt: skip
STAGES = {"frontend", "encoder", "decision", "total"}
LATENCY = {"median", "p95"}


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return voice_bundle.make(tmp_path_factory.mktemp("bench") / "voices")


@pytest.fixture(scope="module")
def quick() -> dict:
    """What ``earmark bench --quick --json`` prints for the default bundle."""
    from contextlib import redirect_stdout
    from io import StringIO

    with redirect_stdout(StringIO()) as out:
        assert main(["bench", "--quick", "--json", "--quiet"]) == 0
    return json.loads(out.getvalue())


def test_the_report_has_every_published_key(quick: dict) -> None:
    assert set(quick) >= KEYS
    assert set(quick["cpu_ms_per_s"]) >= STAGES
    assert set(quick["latency_ms"]) >= LATENCY
    assert quick["bundle"].startswith("accurate-")
    assert set(quick["machine"]) >= {"processor", "architecture", "int8_features", "cores", "python", "numpy"}


def test_what_is_measured_is_a_number_and_what_is_not_says_why(quick: dict) -> None:
    measured = [*quick["cpu_ms_per_s"].values(), quick["idle_cpu_percent"], quick["installed_mb"]]
    assert all(math.isfinite(value) and value > 0 for value in measured)
    stages = quick["cpu_ms_per_s"]
    assert stages["total"] == pytest.approx(sum(stages[name] for name in STAGES - {"total"}), abs=0.01)
    for key in ("rss_mb", "cold_start_s"):
        assert quick[key] is None and "--quick" in quick["missing"][key]
    assert quick["latency_ms"] == {"median": None, "p95": None, "utterances": 0}


def test_the_front_end_is_compared_with_the_reference(quick: dict) -> None:
    assert quick["frontend_speedup_vs_psf"] > 0
    assert "frontend_speedup_vs_psf" not in quick["missing"]


def test_without_the_reference_the_comparison_says_what_is_missing(voices, monkeypatch, tmp_path) -> None:
    (tmp_path / "python_speech_features.py").write_text("raise ModuleNotFoundError(\"No module named 'x'\", name='x')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert against_reference(open_bundle(voices)) == {"missing": "python_speech_features or scipy is not installed"}


def test_a_bundle_without_a_network_has_costs_too(voices) -> None:
    speech = np.random.default_rng(1).normal(0, 0.1, 4 * SAMPLE_RATE).astype(np.float32)
    costs = stage_costs(open_bundle(voices), speech, runs=2)
    assert costs.frontend > 0 and costs.gate > 0
    assert costs.total == pytest.approx(costs.frontend + costs.encoder + costs.decision)


def made(**more) -> Report:
    stages = StageCosts(frontend=1.0, encoder=10.0, decision=0.25, gate=2.0, idle_cpu_percent=0.5)
    return Report("b-1", "litert", describe(), stages, {"speedup": 4.0, "reference": 5.0}, installed_mb=150.0, **more)


def test_latencies_become_median_and_percentile() -> None:
    watched = Living(1.234, 80.06, 1.5, tuple(float(n) for n in range(1, 102)), "mosquitto")
    told = made(living=watched).to_json()
    assert told["latency_ms"] == {"median": 51.0, "p95": 96.0, "utterances": 101}
    assert (told["cold_start_s"], told["rss_mb"], told["broker"]) == (1.23, 80.1, "mosquitto")
    assert told["cpu_ms_per_s"]["total"] == 11.25
    json.dumps(told, allow_nan=False)


def test_a_daemon_that_cannot_be_watched_leaves_the_other_figures(voices, monkeypatch) -> None:
    def broken(*_: object, **__: object) -> Living:
        raise EarmarkError("The daemon did not start", "Its log ends with: no")

    monkeypatch.setattr(report, "watch", broken)
    told = report.measure(str(voices)).to_json()
    assert told["rss_mb"] is None and "did not start" in told["missing"]["rss_mb"]
    assert told["cpu_ms_per_s"]["frontend"] > 0


def test_the_latency_is_the_decision_and_the_way_to_the_subscriber() -> None:
    event = {"ts": "2026-11-21T12:00:00.500Z", "latency_ms": 40}
    decided = 1_795_262_400.5
    arrival = Arrival("t", json.dumps(event).encode(), False, 0.0, decided + 0.012)
    assert living._latency_ms(arrival) == pytest.approx(52.0, abs=0.01)
    early = Arrival("t", json.dumps(event).encode(), False, 0.0, decided - 1)
    assert living._latency_ms(early) == 40.0


def test_the_machine_is_the_one_this_runs_on() -> None:
    told = describe()
    assert (told["architecture"], told["python"]) == (platform.machine(), platform.python_version())
    assert told["numpy"] == np.__version__
    assert told["cores"] >= 1 and told["processor"]


def test_what_is_installed_is_more_than_the_package_alone() -> None:
    package = Path(report.__file__).parents[1]
    own = sum(f.stat().st_size for f in package.rglob("*") if f.is_file() and "__pycache__" not in f.parts) / 1e6
    numpy = sum(f.stat().st_size for f in Path(np.__file__).parent.rglob("*") if f.suffix in {".py", ".so"}) / 1e6
    assert installed_mb() > own + 0.9 * numpy


@pytest.mark.broker
def test_a_real_daemon_is_watched_whatever_this_machine_is_set_to(tmp_path, monkeypatch, voices) -> None:
    for name, value in {"MQTT__TLS": "true", "DECIDE__PROFIL": "x", "AUDIO__SOURCE": "mic", "CONFIG": "/no"}.items():
        monkeypatch.setenv(f"EARMARK_{name}", value)
    play = open_play()
    enrol(play.actors, open_bundle(voices), Settings(), tmp_path)
    watched = watch(str(voices), [play.actors[0].clips[0]], tmp_path, rounds=1)
    assert watched.broker == "mosquitto"
    assert len(watched.latencies_ms) >= 1 and all(value > 0 for value in watched.latencies_ms)
    assert watched.cold_start_s > 0
    assert watched.rss_mb is not None and watched.rss_mb > 10
    assert watched.idle_process_cpu_percent is not None and watched.idle_process_cpu_percent >= 0


@pytest.mark.broker
def test_a_daemon_that_does_not_start_is_an_error_with_its_last_word(tmp_path) -> None:
    with pytest.raises(EarmarkError, match="did not start") as raised:
        watch("nosuch", [open_play().actors[0].clips[0]], tmp_path, rounds=1)
    assert "nosuch" in raised.value.remedy
