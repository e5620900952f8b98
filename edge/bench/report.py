"""The benchmark as a whole: composes the measurements into one report.

Takes a bundle's name; gives a ``Report`` whose JSON keys are documented in docs/bench.md. Must hold: a part that
can't be measured is None with a sentence under ``missing``; the others are measured all the same.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge.bench.living import Living, watch
from edge.bench.machine import describe, installed_mb
from edge.bench.stages import StageCosts, against_reference, speech_for, stage_costs
from edge.bundle import open_bundle
from edge.demo.show import enrol
from edge.demo.stage import open_play
from edge.errors import EarmarkError
from edge.settings import Models, Settings

OnStep = Callable[[str, float, float], None]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was measured."""

    bundle: str
    runtime: str
    machine: dict[str, Any]
    stages: StageCosts
    reference: dict[str, Any]
    living: Living | None
    installed_mb: float
    missing: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values under the published keys."""
        living = self.living
        latencies = living.latencies_ms if living else ()
        return {
            "bundle": self.bundle,
            "runtime": self.runtime,
            "machine": self.machine,
            "cpu_ms_per_s": {
                "frontend": round(self.stages.frontend, 3),
                "encoder": round(self.stages.encoder, 3),
                "decision": round(self.stages.decision, 3),
                "total": round(self.stages.total, 3),
                "gate": round(self.stages.gate, 3),
            },
            "frontend_speedup_vs_psf": _rounded(self.reference.get("speedup"), 2),
            "psf_cpu_ms_per_s": _rounded(self.reference.get("reference"), 3),
            "idle_cpu_percent": round(self.stages.idle_cpu_percent, 3),
            "idle_process_cpu_percent": _rounded(living.idle_process_cpu_percent if living else None, 2),
            "rss_mb": _rounded(living.rss_mb if living else None, 1),
            "cold_start_s": _rounded(living.cold_start_s if living else None, 2),
            "latency_ms": {
                "median": round(float(np.median(latencies)), 1) if latencies else None,
                "p95": round(float(np.percentile(latencies, 95)), 1) if latencies else None,
                "utterances": len(latencies),
            },
            "broker": living.broker if living else None,
            "installed_mb": self.installed_mb,
            "missing": self.missing,
        }


def measure(name: str, *, quick: bool = False, on_step: OnStep = lambda *_: None) -> Report:
    """Measure the bundle ``name``; ``quick`` leaves the living daemon out. Raises ``EarmarkError``."""
    play = open_play()
    bundle = open_bundle(name, Models())
    on_step("stages", 0, 4)
    stages = stage_costs(bundle, speech_for(str(play.actors[0].clips[0])))
    on_step("front-end", 1, 4)
    reference = against_reference(bundle)
    missing = {"frontend_speedup_vs_psf": reference["missing"]} if "missing" in reference else {}
    living: Living | None = None
    if quick:
        missing["rss_mb"] = missing["cold_start_s"] = missing["latency_ms"] = "left out by --quick"
    else:
        on_step("daemon", 2, 4)
        with tempfile.TemporaryDirectory(prefix="earmark-bench-") as folder:
            state = Path(folder)
            enrol(play.actors, bundle, Settings(), state)
            try:
                living = watch(name, [actor.clips[0] for actor in play.actors], state, rounds=3)
            except EarmarkError as error:
                missing["rss_mb"] = missing["cold_start_s"] = missing["latency_ms"] = error.sentence()
    on_step("size", 3, 4)
    size = installed_mb()
    on_step("done", 4, 4)
    return Report(
        bundle=f"{bundle.name}-{bundle.card['version']}",
        runtime=bundle.runtime,
        machine=describe(),
        stages=stages,
        reference=reference,
        living=living,
        installed_mb=size,
        missing=missing,
    )


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)
