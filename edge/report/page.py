"""The page itself: HTML with pictures in it, no scripts, nothing fetched.

Takes ``Sheet``s and the summary. Gives text. Must hold: everything that comes from outside is escaped; colours are told
apart by people who see few of them, and each is also a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from edge.report.colours import Colours
from edge.report.sheet import Row, Sheet
from edge.report.timeline import lanes
from edge.report.words import also, clock, named, share

VERDICTS: Final = {
    "right": "right",
    "wrong": "wrong name",
    "missed": "not named",
    "false_name": "stranger named",
    "refused": "stranger, rightly not named",
    "noise": "noise taken for speech",
    "noise_named": "noise named",
}
"""What the truth says, as words."""
_BAD: Final = frozenset({"wrong", "missed", "false_name", "noise_named"})

_NUMBERS: Final = frozenset({"from", "to", "probability", "needed", "score", "SNR"})
"""Columns of numbers, which stand at the right."""

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c1c1c; --paper: #fff; --faint: #6b6b6b; --line: #d8d8d8; --wave: #b4b4b4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --paper: #161616; --faint: #9a9a9a; --line: #3a3a3a;
  --wave: #5c5c5c; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
  max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 2.5rem 0 .5rem; overflow-wrap: anywhere; }
p.faint, .faint { color: var(--faint); } table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
svg { display: block; width: 100%; height: auto; margin: .2rem 0; } svg text { fill: var(--faint); font-size: 11px; }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .4em; }
.legend span { margin-right: 1.4em; white-space: nowrap; } .bad { font-weight: 600; }
"""


def page(title: str, sheets: Sequence[Sheet], summary: Sequence[str], *, told: str = "") -> str:
    """The whole page. ``summary``: sentences above everything. ``told``: when and with what it was made."""
    colours = Colours(row.event for sheet in sheets for row in sheet.rows)
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        *(f"<p>{escape(sentence)}</p>" for sentence in summary),
        _legend(colours),
        *(_section(sheet, colours) for sheet in sheets),
        f'<p class="faint">{escape(told)}</p>',
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _legend(colours: Colours) -> str:
    spans = [
        f'<span><i class="key" style="background:{colour}"></i>{escape(name)}</span>'
        for name, colour in colours.legend()
    ]
    return f'<p class="legend">{"".join(spans)}</p>' if spans else ""


def _section(sheet: Sheet, colours: Colours) -> str:
    parts = [f"<h2>{escape(sheet.name)}</h2>"]
    parts += [f'<p class="faint">{escape(note)}</p>' for note in sheet.notes]
    parts.append(lanes(sheet, colours))
    if sheet.rows:
        parts.append(_table(sheet, colours))
    else:
        parts.append("<p>No utterance was found.</p>")
    return "\n".join(parts)


def _table(sheet: Sheet, colours: Colours) -> str:
    judged = any(row.verdict for row in sheet.rows)
    heads = ["from", "to", "who", "probability", "needed", "score", "SNR", "why, and what else"]
    heads += ["truth"] if judged else []
    titles = (f'<th class="number">{head}</th>' if head in _NUMBERS else f"<th>{head}</th>" for head in heads)
    lines = ["<table><thead><tr>", *titles, "</tr></thead><tbody>"]
    lines += [_row(row, colours, judged=judged) for row in sheet.rows]
    return "\n".join([*lines, "</tbody></table>"])


def _row(row: Row, colours: Colours, *, judged: bool) -> str:
    event = row.event
    cells = [
        _number(clock(row.start)),
        _number(clock(row.end)),
        f'<td><i class="key" style="background:{colours.of(event)}"></i>{escape(named(event))}</td>',
        _number(share(event.probability)),
        _number(share(event.threshold)),
        _number(share(event.score)),
        _number("" if event.snr_db is None else f"{event.snr_db:.0f} dB"),
        f"<td>{escape(also(event))}</td>",
    ]
    if judged:
        marked = ' class="bad"' if row.verdict in _BAD else ""
        cells.append(f"<td{marked}>{escape(VERDICTS.get(row.verdict, row.verdict))}</td>")
    return f"<tr>{''.join(cells)}</tr>"


def _number(text: str) -> str:
    return f'<td class="number">{escape(text)}</td>'
