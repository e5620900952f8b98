"""The picture of a recording: lanes of its waveform, with a bar over each utterance.

Takes a ``Sheet``. Gives SVG. Must hold: an utterance that goes over the end of a lane goes on in the next; at most
``_LANES`` lanes.
"""

from __future__ import annotations

from html import escape
from typing import Final

from edge.report.colours import Colours
from edge.report.sheet import Row, Sheet
from edge.report.words import clock, named, share

_LANES: Final = 30
_LENGTHS: Final = (15, 30, 60, 120, 300, 600, 1800, 3600, 7200)
_WIDTH: Final = 1200
_HEIGHT: Final = 84
_MIDDLE: Final = 50
_BAR: Final = 16
_COLUMNS: Final = 600
_TICKS: Final = 5
_LETTER: Final = 9
"""Room that a letter of a name takes."""


def lane_seconds(seconds: float) -> float:
    """How much a lane shows."""
    return next((float(length) for length in _LENGTHS if seconds <= _LANES * length), seconds / _LANES)


def lanes(sheet: Sheet, colours: Colours) -> str:
    """One SVG per lane."""
    seconds = max([sheet.waveform.seconds, 0.1, *(row.end for row in sheet.rows)])
    each = lane_seconds(seconds)
    count = max(1, min(_LANES, -(-int(seconds * 1000) // int(each * 1000))))
    return "\n".join(_lane(sheet, colours, number * each, (number + 1) * each) for number in range(count))


def _lane(sheet: Sheet, colours: Colours, start: float, end: float) -> str:
    scale = _WIDTH / (end - start)
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="from {clock(start)} to {clock(end)}">',
        f'<path d="{_outline(sheet, start, end)}" fill="var(--wave)"/>',
    ]
    parts += [_bar(row, colours, start, end, scale) for row in sheet.rows if row.start < end and row.end > start]
    for tick in range(_TICKS):
        at = start + tick * (end - start) / _TICKS
        parts.append(f'<text x="{(at - start) * scale + 2:.0f}" y="{_HEIGHT - 2}">{clock(at)}</text>')
    return "".join([*parts, "</svg>"])


def _outline(sheet: Sheet, start: float, end: float) -> str:
    # The square root lets quiet speech be seen beside loud.
    heights = sheet.waveform.peaks(start, end, _COLUMNS) ** 0.5 * (_MIDDLE - _BAR - 4) + 0.4
    step = _WIDTH / _COLUMNS
    upper = [f"{number * step:.0f},{_MIDDLE - height:.1f}" for number, height in enumerate(heights)]
    lower = [f"{number * step:.0f},{_MIDDLE + height:.1f}" for number, height in enumerate(heights)]
    return "M" + "L".join([*upper, *reversed(lower)]) + "Z"


def _bar(row: Row, colours: Colours, start: float, end: float, scale: float) -> str:
    left, right = (max(row.start, start) - start) * scale, (min(row.end, end) - start) * scale
    width, colour = max(1.5, right - left), colours.of(row.event)
    told = f"{clock(row.start)} to {clock(row.end)}: {named(row.event)}"
    if row.event.probability is not None:
        told += f", probability {share(row.event.probability)}"
    wide = ""
    if width >= _LETTER * len(named(row.event)):
        wide = f'<text x="{left + 4:.1f}" y="12" style="fill:#000;font-weight:600">{escape(named(row.event))}</text>'
    return (
        f'<g><title>{escape(told)}</title><rect x="{left:.1f}" y="0" width="{width:.1f}" height="{_BAR}" rx="2" '
        f'fill="{colour}"/><rect x="{left:.1f}" y="{_BAR}" width="{width:.1f}" height="{2 * (_MIDDLE - _BAR)}" '
        f'fill="{colour}" opacity="0.18"/>{wide}</g>'
    )
