"""How figures are spread over classes, what goes with what, and where clips lie to each other.

Takes arrays and classes; gives PNG. Must hold: boxes are quartiles, whiskers the 5th and 95th percentile, and nothing
is left out of them but NaN; the number of clips behind a class is written beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from training.explore import colours
from training.explore.draw_counts import FINE, SMALL, WIDTH
from training.explore.measures import MEASURES
from training.report import canvas

Float64 = npt.NDArray[np.float64]

MOST_CLASSES: Final = 12
"""Classes drawn by themselves; the eye follows no more."""
_COLUMNS: Final = 3


def boxes(measures: Float64, values: Sequence[str], title: str, colour: colours.Colours) -> bytes:
    """Return boxes of every measure by class. ``measures``: ``(n, len(MEASURES))``; ``values``: a class per clip."""
    names = frequent(values)
    members = [np.array([value == name for value in values]) for name in names]
    rows = -(-len(MEASURES) // _COLUMNS)
    made, panels = canvas.figure(WIDTH, 60 + rows * (62 + 17 * len(names)), rows, _COLUMNS)
    for place, panel in enumerate(panels):
        if place >= len(MEASURES):
            panel.axis("off")
            continue
        measure = MEASURES[place]
        panel.use_sticky_edges = False  # a bar that ends at the edge of its panel is not seen
        for row, (name, mine) in enumerate(zip(names, members, strict=True)):
            known = measures[mine, place]
            _box(panel, row, known[np.isfinite(known)], colour[name])
        panel.set_title(f"{measure.name}, {measure.unit}" if measure.unit else measure.name, fontsize=SMALL)
        labels = [canvas.plain(f"{name} ({int(mine.sum())})") for name, mine in zip(names, members, strict=True)]
        panel.set_yticks(range(len(names)), labels if place % _COLUMNS == 0 else [""] * len(names), fontsize=SMALL)
        panel.set_ylim(len(names) - 0.4, -0.6)
        panel.tick_params(axis="x", labelsize=8)
        panel.locator_params(axis="x", nbins=4)
        panel.grid(axis="x", linewidth=0.3, color="0.85")
        panel.set_axisbelow(True)
    made.suptitle(canvas.plain(title), fontsize=11)
    return canvas.png(made, FINE)


def cepstra(mfcc: Float64, values: Sequence[str], title: str, colour: colours.Colours) -> bytes:
    """Return the median over clips of each mean coefficient but the first by class, with its quartiles as bands.

    ``mfcc``: means in dB ``(n, coefficients)``.
    """
    made, (panel,) = canvas.figure(WIDTH, 340)
    names = frequent(values)
    marks = colours.marks(names)
    order = np.arange(1, mfcc.shape[1])
    for name in names:
        mine = mfcc[[value == name for value in values], 1:]
        low, middle, high = np.percentile(mine, [25, 50, 75], axis=0)
        panel.plot(
            order, middle, color=colour[name], marker=marks[name], markersize=4, linewidth=1.2,
            label=canvas.plain(f"{name} ({len(mine)})"),
        )  # fmt: skip
        if len(names) <= 3:
            panel.fill_between(order, low, high, color=colour[name], alpha=0.18, linewidth=0)
    panel.set_xticks(order[::2])
    panel.tick_params(labelsize=SMALL)
    panel.set_xlabel("coefficient", fontsize=SMALL)
    panel.set_ylabel("mean over the clip, dB", fontsize=SMALL)
    panel.set_title(canvas.plain(title), fontsize=11)
    panel.grid(linewidth=0.3, color="0.85")
    made.legend(loc="outside right upper", fontsize=SMALL, frameon=False)
    return canvas.png(made, FINE)


def correlation(table: Float64, names: Sequence[str]) -> bytes:
    """Return a matrix of correlation coefficients ``(k, k)`` as colours with the numbers in hundredths."""
    made, (panel,) = canvas.figure(WIDTH, WIDTH - 70)
    image = panel.imshow(table, cmap="RdBu_r", vmin=-1, vmax=1)
    for row, line in enumerate(table):
        for column, value in enumerate(line):
            if row != column and np.isfinite(value):
                ink = "white" if abs(value) > 0.6 else "black"
                panel.text(column, row, str(round(100 * value)), ha="center", va="center", fontsize=7, color=ink)
    panel.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor", fontsize=SMALL)
    panel.set_yticks(range(len(names)), names, fontsize=SMALL)
    bar = made.colorbar(image, ax=panel, shrink=0.9)
    bar.ax.tick_params(labelsize=SMALL)
    panel.set_title("Correlation, in hundredths", fontsize=11)
    return canvas.png(made, FINE)


def places(points: Sequence[tuple[str, Float64]], values: Sequence[str], title: str, colour: colours.Colours) -> bytes:
    """Return scatter plots side by side, (title, ``(n, 2)``) each, coloured by ``values``; rare classes are grey."""
    names = frequent(values)
    marks = colours.marks(names)
    known = set(names)
    columns = max(1, min(4, 76 // (8 + max(len(name) for name in names))))
    made, panels = canvas.figure(WIDTH, 360 + 18 * -(-len(names) // columns), 1, len(points))
    for panel, (words, where) in zip(panels, points, strict=True):
        rest = np.array([value not in known for value in values])
        panel.scatter(*where[rest].T, s=8, color="0.8", linewidths=0)
        for name in names:
            mine = np.array([value == name for value in values])
            panel.scatter(
                *where[mine].T, s=16, color=colour[name], marker=marks[name], alpha=0.75, linewidths=0,
                label=canvas.plain(f"{name} ({int(mine.sum())})"),
            )  # fmt: skip
        panel.set_xticks([])
        panel.set_yticks([])
        panel.set_title(words, fontsize=SMALL)
    made.suptitle(canvas.plain(title), fontsize=11)
    handles, words = panels[0].get_legend_handles_labels()
    made.legend(handles, words, loc="outside lower center", ncols=columns, fontsize=SMALL, frameon=False)
    return canvas.png(made, FINE)


def frequent(values: Sequence[str]) -> list[str]:
    """Give the ``MOST_CLASSES`` most frequent names, alphabetically, without the empty one."""
    counts: dict[str, int] = {}
    for value in values:
        if value:
            counts[value] = counts.get(value, 0) + 1
    return sorted(sorted(counts, key=lambda name: (-counts[name], name))[:MOST_CLASSES])


def correlations(table: Float64) -> Float64:
    """Return Pearson's correlation of columns float64 ``(k, k)``, over the rows where both are numbers; NaN for a
    column that never changes.
    """
    width = table.shape[1]
    found = np.full((width, width), np.nan)
    for one in range(width):
        for other in range(one + 1):
            both = np.isfinite(table[:, one]) & np.isfinite(table[:, other])
            x, y = table[both, one], table[both, other]
            if both.sum() > 2 and x.std() > 1e-12 and y.std() > 1e-12:
                found[one, other] = found[other, one] = float(np.corrcoef(x, y)[0, 1])
    return found


def _box(panel: Any, row: int, known: Float64, colour: str) -> None:
    if not len(known):
        return
    least, low, middle, high, most = np.percentile(known, [5, 25, 50, 75, 95])
    panel.plot([least, most], [row, row], color=colour, linewidth=1)
    panel.barh(row, high - low, left=low, height=0.6, color=colour, alpha=0.55)
    panel.plot([middle, middle], [row - 0.3, row + 0.3], color="black", linewidth=1.4)
