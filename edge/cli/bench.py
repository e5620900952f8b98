"""``earmark bench``: what it costs on this machine."""

from __future__ import annotations

import argparse
from typing import Any

from edge.bench import measure
from edge.cli.console import Console, table
from edge.cli.steps import Steps
from edge.errors import EXIT_OK
from edge.settings import DEFAULT_BUNDLE

DESCRIPTION = """Measure CPU per stage, memory, cold start, latency and installed size on this machine.

CPU figures are CPU-milliseconds per second of audio for a three-second utterance, one thread, median of 25 runs. The
front-end is compared with python_speech_features where that is installed. Memory, cold start, idle CPU and latency are
read from a real daemon in a process of its own that publishes to mosquitto (or to the demonstration's broker)."""

EXAMPLES = """earmark bench                          about 40 seconds
earmark bench --quick                  CPU figures only
earmark bench --bundle baseline --json
earmark bench verify --help            false accepts and refusals, on a folder of speech
earmark bench household --help         false names per hour, on a folder of speech"""


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--bundle", default=DEFAULT_BUNDLE, metavar="NAME", help="model to measure (default: %(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="leave the living daemon out")


def run(args: argparse.Namespace) -> int:
    """Measure and show."""
    console: Console = args.console
    report = measure(args.bundle, quick=args.quick, on_step=Steps(console))
    console.clear_live()
    figures = report.to_json()
    if console.json:
        console.emit(figures)
    else:
        _show(console, figures)
    return EXIT_OK


def _show(console: Console, figures: dict[str, Any]) -> None:
    machine, cpu, latency = figures["machine"], figures["cpu_ms_per_s"], figures["latency_ms"]
    features = ", ".join(machine["int8_features"]) or "none known"
    console.say(f"{figures['bundle']} on {figures['runtime']}, numpy {machine['numpy']}, Python {machine['python']}")
    console.say(
        f"{machine['processor']}, {machine['cores']} cores, int8 features: {features}, load {machine['load_average']}"
    )
    console.say()
    rows = [
        ("front-end", f"{cpu['frontend']:.2f}", "CPU-ms per second of audio"),
        ("network", f"{cpu['encoder']:.2f}", ""),
        ("decision", f"{cpu['decision']:.2f}", ""),
        ("in all", f"{cpu['total']:.2f}", ""),
        ("speech gate", f"{cpu['gate']:.2f}", ""),
        ("front-end faster than psf", _shown(figures["frontend_speedup_vs_psf"]), "times"),
        ("idle, speech gate", _shown(figures["idle_cpu_percent"]), "% of one core"),
        ("idle, whole daemon", _shown(figures["idle_process_cpu_percent"]), "% of one core"),
        ("memory of the daemon", _shown(figures["rss_mb"]), "MB resident"),
        ("cold start", _shown(figures["cold_start_s"]), "s from launch to listening"),
        ("latency, median", _shown(latency["median"]), "ms from end of speech to a subscriber, hang-over excluded"),
        ("latency, 95th percentile", _shown(latency["p95"]), f"ms, {latency['utterances']} utterances"),
        ("installed", _shown(figures["installed_mb"]), "MB, numpy and runtime included"),
    ]
    for line in table(rows, right=(1,)):
        console.say(line)
    for key, reason in figures["missing"].items():
        console.note(f"{key}: {reason}")


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
