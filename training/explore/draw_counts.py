"""Pictures of how much there is: bars by class, speakers by how much they said, lengths of clips.

Takes names and numbers; gives PNG. Must hold: a picture shows the numbers given and computes none but their sums; bars
are as long as the number says, from zero. ``colour``: of each class, see ``colours``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from training.explore import colours
from training.report import canvas

WIDTH: Final = 640
"""Of every picture of the report: read on a phone without turning it."""
FINE: Final = 2
"""Pixels of the file per pixel of the page, for screens with fine pixels."""
SMALL: Final = 9
_TICKS: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 300, 1000, 3000)
_FINE_TICKS: Final = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1, 1.5, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100, 300, 1000)
"""Seconds."""
_BAR: Final = 24
MOST_BARS: Final = 30


def bars(
    title: str, unit: str, names: Sequence[str], parts: Mapping[str, Sequence[float]], colour: colours.Colours
) -> bytes:
    """Return horizontal bars, one per name, stacked of ``parts`` (class -> a number per name), the sum beside each."""
    names, kept = list(names)[:MOST_BARS], {part: list(numbers)[:MOST_BARS] for part, numbers in parts.items()}
    made, (panel,) = canvas.figure(WIDTH, 90 + _BAR * len(names) + (30 if len(kept) > 1 else 0))
    ends = np.zeros(len(names))
    for part, numbers in kept.items():
        panel.barh(range(len(names)), numbers, left=ends, color=colour[part], label=canvas.plain(part), height=0.72)
        ends += np.asarray(numbers)
    for place, end in enumerate(ends):
        panel.text(end, place, f" {_short(float(end))}", va="center", fontsize=SMALL)
    panel.set_yticks(range(len(names)), [canvas.plain(_cut(name)) for name in names], fontsize=SMALL)
    panel.set_ylim(len(names) - 0.4, -0.6)
    panel.margins(x=0.1)
    panel.set_xlim(left=0)
    panel.tick_params(axis="x", labelsize=SMALL)
    panel.set_xlabel(unit, fontsize=SMALL)
    panel.set_title(canvas.plain(title), fontsize=11)
    _light(panel)
    if len(kept) > 1:
        made.legend(loc="outside lower center", ncols=min(len(kept), 5), fontsize=SMALL, frameon=False)
    return canvas.png(made, FINE)


def ranked(title: str, unit: str, groups: Mapping[str, Sequence[float]], colour: colours.Colours) -> bytes:
    """Return one falling line per group (name -> a number per speaker), the greatest first."""
    made, (panel,) = canvas.figure(WIDTH, 320)
    marks = colours.marks(list(groups))
    for name, numbers in groups.items():
        falling = sorted(numbers, reverse=True)
        panel.plot(
            range(1, len(falling) + 1), falling, color=colour[name], marker=marks[name], markersize=4, linewidth=1,
            markevery=max(1, len(falling) // 15), label=canvas.plain(f"{_cut(name)} ({len(falling)})"),
        )  # fmt: skip
    most, least = (end(end(numbers) for numbers in groups.values()) for end in (max, min))
    if most > 10 * least:
        panel.set_yscale("log")
    else:
        panel.set_ylim(0, 1.1 * most)
    if max(map(len, groups.values())) > 60:
        panel.set_xscale("log")
    else:
        panel.xaxis.get_major_locator().set_params(integer=True)
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set_minor_formatter(lambda *_: "")
    panel.tick_params(labelsize=SMALL)
    panel.set_xlabel("speakers, the most recorded first", fontsize=SMALL)
    panel.set_ylabel(unit, fontsize=SMALL)
    panel.set_title(canvas.plain(title), fontsize=11)
    panel.grid(linewidth=0.3, color="0.85")
    made.legend(loc="outside right upper", fontsize=SMALL, frameon=False)
    return canvas.png(made, FINE)


def lengths(title: str, groups: Mapping[str, Sequence[float]], colour: colours.Colours) -> bytes:
    """Return a histogram of lengths (name -> seconds), all groups stacked, on a logarithmic axis of time."""
    made, (panel,) = canvas.figure(WIDTH, 320)
    every = np.concatenate([np.asarray(values, np.float64) for values in groups.values()])
    low, high = max(0.05, float(every.min())), float(every.max())
    room = max(1.1, 3 / (high / low) ** 0.5)  # lengths that are all the same get an axis all the same
    edges = np.geomspace(low / room, high * room, 41)
    panel.hist(
        [np.maximum(values, low) for values in groups.values()], bins=edges, stacked=True,
        color=[colour[name] for name in groups], label=[canvas.plain(_cut(name)) for name in groups],
    )  # fmt: skip
    panel.set_xscale("log")
    coarse, fine = ([tick for tick in ticks if edges[0] <= tick <= edges[-1]] for ticks in (_TICKS, _FINE_TICKS))
    ticks = coarse if len(coarse) > 3 else fine
    panel.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    panel.xaxis.set_minor_formatter(lambda *_: "")
    panel.tick_params(labelsize=SMALL)
    panel.set_xlabel("length of a clip, s", fontsize=SMALL)
    panel.set_ylabel("clips", fontsize=SMALL)
    panel.yaxis.get_major_locator().set_params(integer=True)
    panel.set_title(canvas.plain(title), fontsize=11)
    _light(panel)
    made.legend(loc="outside right upper", fontsize=SMALL, frameon=False)
    return canvas.png(made, FINE)


def _light(panel: object) -> None:
    """Only the axes that carry numbers."""
    spines = panel.spines  # type: ignore[attr-defined]
    spines["top"].set_visible(False)
    spines["right"].set_visible(False)


def _cut(name: str) -> str:
    return name if len(name) <= 22 else name[:21] + "…"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.2g}"
