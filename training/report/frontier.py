"""Error against cost: which encoders nothing beats at once in both.

Takes a table of encoders, as TSV or JSON. Gives a PNG with one panel per cost (parameters, multiplications per second
of audio, int8 file, CPU time), the Pareto front of each marked, and the names on the fronts.

Must hold: errors are means over the same lists for all; an encoder whose cost is unknown is missing in that panel and
nowhere else; an encoder is on a front where no other has less error at no more cost, or less cost at no more error.

TSV: a header with ``name family parameters macs_per_second int8_mb cpu_ms_per_s`` and one column ``eer:LIST`` per list
(percent); cells may be empty. JSON: a list of objects with these keys and ``eer`` as an object (list -> percent), or an
object whose ``rows`` is such a list, as ``earmark compare --json`` writes it. Further columns and keys are left alone.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edge.errors import UsageError
from training.report import canvas

COSTS: Final[dict[str, tuple[str, float]]] = {
    "parameters": ("parameters, millions", 1e6),
    "macs_per_second": ("multiply-adds per second of audio, millions", 1e6),
    "int8_mb": ("int8 file, MB", 1.0),
    "cpu_ms_per_s": ("CPU-ms per second of audio", 1.0),
}
"""Costs in the order of the panels: what the axis says, and what it is divided by."""

EER_PREFIX: Final = "eer:"
WIDTH: Final = 1500
HEIGHT: Final = 1150
_MARKERS: Final = "osD^vPX*<>hd"
_LABEL_PLACES: Final = ((6, 4), (6, -11), (-6, 4), (-6, -11), (0, 10), (0, -17))
"""Offsets of a label from its point, in points, in order of preference; negative first number: to the left."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One encoder. ``costs``: by the keys of ``COSTS``, only those that are known. ``eer``: list -> percent."""

    name: str
    family: str
    costs: Mapping[str, float]
    eer: Mapping[str, float]


def read(path: Path) -> tuple[Entry, ...]:
    """Read a table. Raises ``UsageError`` naming the row that cannot be understood."""
    try:
        text = path.read_text(encoding="utf-8")
        rows = _json_rows(text) if text.lstrip()[:1] in ("[", "{") else _tsv_rows(text)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read ({error})", "Give a table as TSV or JSON.") from error
    entries = []
    for number, row in enumerate(rows, start=1):
        try:
            entries.append(_entry(row))
        except (ValueError, TypeError, AttributeError) as error:
            raise UsageError(f"Row {number} of {path} is no encoder: {error}", "Correct or remove it.") from error
    if not entries:
        raise UsageError(f"{path} has no encoders", "It needs a header and one line per encoder, or a list in JSON.")
    if not common_lists(entries):
        raise UsageError(f"{path} has no list that all encoders were measured on", "Errors are compared on such lists.")
    return tuple(entries)


def _json_rows(text: str) -> list[Any]:
    found = json.loads(text)
    rows = found.get("rows", []) if isinstance(found, dict) else found
    return list(rows) if isinstance(rows, list) else []


def _tsv_rows(text: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for row in csv.DictReader(io.StringIO(text), delimiter="\t"):
        errors = {k[len(EER_PREFIX) :]: v for k, v in row.items() if k and k.startswith(EER_PREFIX) and v}
        rows.append({**row, "eer": errors})
    return rows


def _entry(row: Mapping[str, Any]) -> Entry:
    name = str(row.get("name") or "")
    if not name:
        raise ValueError("it has no name")
    costs = {key: float(row[key]) for key in COSTS if row.get(key) not in (None, "")}
    errors = {str(key): float(value) for key, value in (row.get("eer") or {}).items()}
    for key, value in costs.items():
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(f"{key} of {name} is {value:g}, and a cost is above 0")
    for key, value in errors.items():
        if not 0 <= value <= 100:
            raise ValueError(f"the EER of {name} on {key} is {value:g}, not a percentage")
    return Entry(name, str(row.get("family") or ""), costs, errors)


def common_lists(entries: Sequence[Entry]) -> list[str]:
    """Return the lists that every entry was measured on, in the first one's order."""
    return [name for name in entries[0].eer if all(name in entry.eer for entry in entries)]


def mean_eer(entry: Entry, lists: Sequence[str]) -> float:
    """Return the mean equal error rate over ``lists``, percent."""
    return sum(entry.eer[name] for name in lists) / len(lists)


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the indices of the (cost, error) points that no other dominates, cheapest first.

    A point dominates another where it is no worse in both and better in one; equal points are all kept.
    """
    kept: list[int] = []
    least = float("inf")
    for i in sorted(range(len(points)), key=lambda i: points[i]):
        if points[i][1] < least or (kept and points[i] == points[kept[-1]]):
            kept.append(i)
            least = points[i][1]
    return kept


def fronts(entries: Sequence[Entry]) -> dict[str, list[str]]:
    """Return for each cost that anybody has the names on its front, cheapest first."""
    lists = common_lists(entries)
    found = {}
    for key in COSTS:
        known = [entry for entry in entries if key in entry.costs]
        if known:
            points = [(entry.costs[key], mean_eer(entry, lists)) for entry in known]
            found[key] = [known[i].name for i in pareto(points)]
    return found


def draw(entries: Sequence[Entry]) -> bytes:
    """Return a PNG of ``WIDTH`` x ``HEIGHT`` pixels with a panel per cost."""
    lists = common_lists(entries)
    families = list(dict.fromkeys(entry.family for entry in entries))
    made, panels = canvas.figure(WIDTH, HEIGHT, 2, 2)
    for panel, (key, (words, unit)) in zip(panels, COSTS.items(), strict=True):
        known = [entry for entry in entries if key in entry.costs]
        points = [(entry.costs[key] / unit, mean_eer(entry, lists)) for entry in known]
        panel.set_xlabel(words)
        panel.set_ylabel("mean EER, %")
        if not points:
            panel.text(0.5, 0.5, "not known of any encoder", ha="center", va="center", transform=panel.transAxes)
            continue
        front = pareto(points)
        panel.set_xscale("log")
        # A step: between two encoders of the front, the cheaper one's error is what can be had.
        panel.step(*zip(*[points[i] for i in front], strict=True), where="post", color="0.45", linewidth=1.2, zorder=1)
        for number, family in enumerate(families):
            mine = [i for i, entry in enumerate(known) if entry.family == family]
            if mine:
                panel.scatter(
                    [points[i][0] for i in mine], [points[i][1] for i in mine], s=42, zorder=2,
                    marker=_MARKERS[number % len(_MARKERS)], color=f"C{number % 10}",
                    label=canvas.plain(family) or "other",
                    edgecolors=["black" if i in front else "none" for i in mine],
                )  # fmt: skip
        panel.set_ylim(bottom=0)
        panel.margins(x=0.12)
        panel.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        panel.grid(which="both", linewidth=0.3, color="0.88")
    named: dict[str, Any] = {}  # a family may be missing in any one panel
    for panel in panels:
        handles, names = panel.get_legend_handles_labels()
        named |= dict(zip(names, handles, strict=True))
    if named:
        made.legend(named.values(), named.keys(), loc="outside lower center", ncols=min(len(named), 6))
    made.suptitle(
        f"Mean EER over {canvas.plain(', '.join(lists))}; outlined: nothing is better in both", fontsize=11, wrap=True
    )
    made.canvas.draw()  # settles the layout: only then is it known where labels collide
    for panel, key in zip(panels, COSTS, strict=True):
        known = [entry for entry in entries if key in entry.costs]
        _label(made, panel, [(e.name, e.costs[key] / COSTS[key][1], mean_eer(e, lists)) for e in known])
    return canvas.png(made)


def _label(made: Any, panel: Any, points: Sequence[tuple[str, float, float]]) -> None:
    """Write each name beside its point, at the first place where it covers no other name and no point."""
    renderer = made.canvas.get_renderer()
    taken: list[Any] = []
    dots = [panel.transData.transform((x, y)) for _, x, y in points]
    for number, (name, x, y) in enumerate(points):
        others = [dot for i, dot in enumerate(dots) if i != number]
        for place in _LABEL_PLACES:
            side = "left" if place[0] > 0 else "right" if place[0] < 0 else "center"
            written = panel.annotate(
                canvas.plain(name), (x, y), place, textcoords="offset points", ha=side, fontsize=7.5
            )
            box = written.get_window_extent(renderer)
            inside = panel.bbox.x0 <= box.x0 and box.x1 <= panel.bbox.x1 and panel.bbox.y0 <= box.y0
            if inside and not any(box.overlaps(t) for t in taken) and not any(box.contains(*dot) for dot in others):
                break
            written.remove()
        else:
            written = panel.annotate(
                canvas.plain(name), (x, y), _LABEL_PLACES[0], textcoords="offset points", fontsize=7.5
            )
            box = written.get_window_extent(renderer)
        taken.append(box)
