"""What ``earmark top`` shows, as lines.

Takes what the daemon tells of itself and of what it heard. Gives lines no wider than the terminal. Must hold: pure;
what is not known is a dash; file and people's names are printed, never obeyed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from edge.cli.console import Style, count, printable
from edge.cli.status import duration
from edge.control import faults

Paint = Callable[[str, Style], str]

_LOWEST_DBFS: Final = -80.0
_METER: Final = 40
_HEAD: Final = f"{'time':<8}  {'who':<16}  {'prob':>4}  {'speech':>6}  {'SNR':>6}  why"
_STYLES: Final[dict[str, Style]] = {
    "identified": "green", "unknown": "bold", "uncertain": "yellow", "rejected": "dim"
}  # fmt: skip


def frame(status: Mapping[str, Any], recent: Mapping[str, Any], width: int, height: int, paint: Paint) -> list[str]:
    """At most ``height`` lines of at most ``width`` letters, colours apart; the latest event first."""
    wrong = faults(status)
    title = " · ".join(printable(str(status.get(key) or "-")) for key in ("node", "model", "profile"))
    if (threshold := status.get("threshold")) is not None:
        title += f", but named from {printable(str(threshold))} on"
    told = ", ".join(printable(one) for one in wrong) or "all is well"
    lines = [
        paint(_cut(f"Earmark {title} · up {duration(status.get('uptime_s') or 0)}", width), "bold"),
        paint(_cut(told, width), "red" if wrong else "green"),
        _cut(_place(status), width),
        _cut(_numbers(status), width),
        _cut(_level(recent), width),
        "",
        paint(_cut(_HEAD, width), "dim"),
    ]
    events = [one for one in recent.get("events") or () if isinstance(one, dict)]
    rows = [_event(one, width, paint) for one in reversed(events)]
    return (lines + (rows or [paint(_cut("nobody has spoken yet", width), "dim")]))[:height]


def meter(level_dbfs: float, noise_dbfs: float) -> str:
    """A bar from -80 dBFS to full scale, with a mark where the background lies."""

    def place(decibels: float) -> int:
        return round(_METER * min(1.0, max(0.0, 1 - decibels / _LOWEST_DBFS)))

    filled, mark = place(level_dbfs), min(_METER - 1, place(noise_dbfs))
    cells = ["#" if at < filled else "." for at in range(_METER)]
    cells[mark] = "|"
    return "".join(cells)


def _place(status: Mapping[str, Any]) -> str:
    off = "switched off" if status.get("switched_off") else None
    ear = off or ("listening" if status.get("listening") else "not listening")
    broker = {None: "no broker", True: "broker connected", False: "broker not connected"}[status.get("broker")]
    people = status.get("enrolled") or 0
    waiting = count(status.get("outbox_pending") or 0, "message") + " waiting"
    known = "1 person" if people == 1 else f"{people} people"
    return f"{printable(str(status.get('source')))}: {ear}   {broker}, {waiting}   {known}"


def _numbers(status: Mapping[str, Any]) -> str:
    dropped = (status.get("dropped_samples") or 0) / 16_000
    return "   ".join(
        (
            count(status.get("utterances") or 0, "utterance"),
            f"answer p95 {_or_dash(status.get('latency_p95_ms'), 'ms')}",
            f"lost {dropped:.1f} s of sound",
            f"memory {_or_dash(status.get('rss_mb'), 'MB')}",
        )
    )


def _level(recent: Mapping[str, Any]) -> str:
    told = (recent.get(key) for key in ("level_dbfs", "noise_dbfs"))
    level, noise = (_LOWEST_DBFS if one is None else float(one) for one in told)
    said = "speaking" if recent.get("speaking") else ""
    return f"level {level:4.0f} dBFS  {meter(level, noise)}  background {noise:4.0f}  {said}".rstrip()


def _event(event: Mapping[str, Any], width: int, paint: Paint) -> str:
    kind = str(event.get("event_type"))
    who = str(event.get("speaker")) if kind == "identified" else kind
    flags: Sequence[Any] = event.get("flags") or ()
    why = ", ".join(str(one) for one in (event.get("reason"), *flags, event.get("gender"), event.get("emotion")) if one)
    probability = event.get("probability")
    line = (
        f"{_clock(event.get('ts')):<8}  {printable(who)[:16]:<16}  "
        f"{'-' if probability is None else format(probability, '.2f'):>4}  {event.get('speech_s') or 0:4.1f} s  "
        f"{event.get('snr_db') or 0:3.0f} dB  {printable(why.replace('_', ' '))}"
    )
    return paint(_cut(line, width).rstrip(), _STYLES.get(kind, "bold"))


def _clock(ts: Any) -> str:
    """The time of day where the terminal is."""
    try:
        return datetime.fromisoformat(str(ts)).astimezone().strftime("%H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return "-"


def _or_dash(value: Any, unit: str) -> str:
    return "-" if value is None else f"{value:g} {unit}"


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else line[: max(0, width - 1)] + "…"
