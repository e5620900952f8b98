"""``earmark demo``: see it work in a minute, with recorded voices and nothing else."""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any, Final

from edge.cli.console import Console, Style, table
from edge.cli.steps import Steps
from edge.demo.judge import Judged, Verdict
from edge.demo.show import Performance, perform
from edge.errors import EXIT_NO, EXIT_OK, StorageError
from edge.records import StageTimes
from edge.settings import DEFAULT_BUNDLE

DESCRIPTION = """Enrol two people from bundled clips, play three minutes of a household (the two, strangers, silence,
a boiler, a washing machine) through the daemon's own pipeline, publish over MQTT through a broker started for the
purpose, and show what an independent subscriber received. No microphone, no network, no broker of yours is touched.

Exit code 0 if nobody was given a wrong name and nothing but speech was taken for speech, else 1."""

EXAMPLES = """earmark demo
earmark demo --bundle baseline         the floor: no network, only MFCC statistics
earmark demo --pack emotion-ravdess    gender and emotion, too, by a pack that is installed
earmark demo --json | tail -1          the summary as JSON
earmark demo --out /tmp/events.jsonl"""

_MARKS: Final[dict[Verdict, tuple[str, Style]]] = {
    "right": ("right", "green"),
    "unsure": ("not sure", "yellow"),
    "wrong": ("WRONG", "red"),
    "false": ("FALSE", "red"),
}
_HEADER: Final = (
    "at", "event", "speaker", "really", "p", "needs", "speech", "SNR", "gate", "front-end", "network", "decision", ""
)  # fmt: skip
_LABELS: Final = _HEADER.index("gate")
"""Where a column with gender and emotion goes, if they are told."""
_RIGHT: Final = (0, 4, 5, 6, 7, 8, 9, 10, 11)


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--bundle", default=DEFAULT_BUNDLE, metavar="NAME", help="model to show (default: %(default)s)")
    parser.add_argument(
        "--labels",
        action="store_true",
        help="tell how the voices sound, too: gender and emotion, where there is a head",
    )
    parser.add_argument(
        "--pack", action="append", default=[], metavar="NAME", help="pack of label heads to use; implies --labels"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("earmark-demo.jsonl"),
        metavar="FILE",
        help="where the events go as JSON lines (default: earmark-demo.jsonl here)",
    )


def run(args: argparse.Namespace) -> int:
    """Perform and show."""
    console: Console = args.console
    shown = Steps(console)
    with tempfile.TemporaryDirectory(prefix="earmark-demo-") as folder:
        performance = perform(
            Path(folder),
            bundle=args.bundle,
            packs=tuple(args.pack),
            labels=args.labels or bool(args.pack),
            on_step=shown,
        )
    console.clear_live()
    _write(args.out, performance)
    if console.json:
        for judged in performance.judged:
            console.emit(_line(judged, performance))
        console.emit(_summary(performance, args.out))
    else:
        _show(console, performance, args.out)
    return EXIT_OK if performance.tally.flawless else EXIT_NO


def _show(console: Console, performance: Performance, out: Path) -> None:
    labels = any("gender" in judged.event or "emotion" in judged.event for judged in performance.judged)
    rows: list[tuple[str, ...]] = [(*_HEADER[:_LABELS], "sounds", *_HEADER[_LABELS:]) if labels else _HEADER]
    rows += [
        _row(judged, performance.times.get(str(judged.event["id"]), StageTimes()), labels)
        for judged in performance.judged
    ]
    lines = table(rows, right=[column + (labels and column >= _LABELS) for column in _RIGHT])
    console.say(console.style(lines[0], "bold"))
    for line, judged in zip(lines[1:], performance.judged, strict=True):
        word, style = _MARKS[judged.verdict]
        console.say(f"{line}  {console.style(word, style)}")
    console.say()
    enrolled = ", ".join(f"{name} ({clips} clips)" for name, clips in performance.enrolled.items())
    console.say(
        f"Enrolled: {enrolled}. Model {performance.model} on {performance.runtime}. Times are CPU milliseconds."
    )
    console.say(
        f"An independent MQTT subscriber received {sum(performance.topics.values())} messages on "
        f"{len(performance.topics)} topics; the events are in {out}."
    )
    console.say(
        f"{performance.audio_seconds:.0f} s of audio took {performance.wall_seconds:.1f} s, "
        "enrolment and broker included."
    )
    verdict: Style = "green" if performance.tally.flawless else "red"
    console.say(console.style(performance.tally.sentence(), verdict))


def _row(judged: Judged, times: StageTimes, labels: bool) -> tuple[str, ...]:
    event = judged.event
    return (
        _clock(float(event["at_s"])),
        str(event["event_type"]),
        str(event["speaker"]),
        judged.who,
        _number(event.get("probability"), "{:.2f}"),
        _number(event.get("threshold"), "{:.2f}"),
        _number(event.get("speech_s"), "{:.1f} s"),
        _number(event.get("snr_db"), "{:.0f} dB"),
        *([", ".join(str(event[kind]) for kind in ("gender", "emotion") if kind in event)] if labels else []),
        f"{times.gate_ms:.1f}",
        f"{times.frontend_ms:.1f}",
        f"{times.encoder_ms:.1f}",
        f"{times.decision_ms:.1f}",
        "",
    )


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"


def _number(value: Any, form: str) -> str:
    return "-" if value is None else form.format(value)


def _line(judged: Judged, performance: Performance) -> dict[str, Any]:
    """The event as received, with what the demonstration knows about it."""
    times = performance.times.get(str(judged.event["id"]), StageTimes())
    cost = {name: round(value, 2) for name, value in dataclasses.asdict(times).items()}
    return {**judged.event, "truth": judged.who, "verdict": judged.verdict, "cpu_ms": cost}


def _summary(performance: Performance, out: Path) -> dict[str, Any]:
    return {
        "summary": dataclasses.asdict(performance.tally) | {"flawless": performance.tally.flawless},
        "model": performance.model,
        "runtime": performance.runtime,
        "audio_seconds": performance.audio_seconds,
        "wall_seconds": round(performance.wall_seconds, 2),
        "topics": performance.topics,
        "events": str(out),
    }


def _write(out: Path, performance: Performance) -> None:
    lines = [json.dumps(_line(judged, performance), ensure_ascii=False) for judged in performance.judged]
    lines.append(json.dumps(_summary(performance, out), ensure_ascii=False))
    try:
        out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{out} cannot be written ({error.strerror})", "Name another file with --out.") from error
