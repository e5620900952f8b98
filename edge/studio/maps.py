"""Charts of the household and of error rates, as Vega-Lite documents.

Takes maps, cosines and trade-offs. Gives plain dictionaries. Must hold: every axis has a title; people are told apart
by name as well as by colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from edge.studio.charts import AUTOSIZE, Chart
from edge.studio.evaluation import HIGHEST, LOWEST, TradeOff, probit
from edge.studio.paint import OUTCOMES, person_colours
from edge.studio.voices import KINDS, Map, Voice, likeness

_TICKS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
_SHAPES: Final = {"voiceprint": "diamond", "clip": "circle", "tried": "triangle-up"}
_SIZES: Final = {"voiceprint": 320, "clip": 70, "tried": 150}


def household_map(found: Map) -> Chart:
    """The map: a colour for each person, a shape for each kind, names at voiceprints and at what was tried."""
    names = list(dict.fromkeys(spot.name for spot in found.spots if spot.kind != "tried"))
    tried = list(dict.fromkeys(spot.name for spot in found.spots if spot.kind == "tried"))
    rows = [
        {
            "x": round(spot.x, 4), "y": round(spot.y, 4), "name": spot.name, "kind": KINDS[spot.kind],
            "size": _SIZES[spot.kind], "label": "" if spot.kind == "clip" else spot.name,
        }
        for spot in found.spots
    ]  # fmt: skip
    kinds = [kind for kind in KINDS if any(spot.kind == kind for spot in found.spots)]
    axis = {"grid": True, "tickCount": 5, "format": ".1f"}
    place: Chart = {
        side: {
            "field": side,
            "type": "quantitative",
            "title": f"Principal direction {number} ({kept:.0%} of the differences)",
            "scale": {"zero": False, "padding": 28},
            "axis": axis,
        }
        for number, side, kept in ((1, "x", found.kept[0]), (2, "y", found.kept[1]))
    }
    colour = {
        "field": "name",
        "type": "nominal",
        "title": "Who",
        "scale": {"domain": names + tried, "range": person_colours(names) + [OUTCOMES["unknown"]] * len(tried)},
        "legend": None,
    }
    shape = {
        "field": "kind",
        "type": "nominal",
        "scale": {"domain": [KINDS[kind] for kind in kinds], "range": [_SHAPES[kind] for kind in kinds]},
        "legend": {"orient": "top", "title": None, "symbolSize": 110},
    }
    return {
        "autosize": AUTOSIZE,
        "height": 420,
        "data": {"values": rows},
        "layer": [
            {
                "mark": {"type": "point", "filled": True, "opacity": 0.85},
                "encoding": place
                | {
                    "color": colour,
                    "shape": shape,
                    "size": {"field": "size", "type": "quantitative", "scale": None},
                    "tooltip": [{"field": "name"}, {"field": "kind"}],
                },
            },
            {
                "mark": {"type": "text", "dy": -16, "fontWeight": 600},
                "encoding": place | {"text": {"field": "label"}, "color": colour},
            },
        ],
    }


def likeness_table(rows: Sequence[Voice], columns: Sequence[Voice]) -> Chart:
    """Cosines of everything in ``rows`` with everybody in ``columns``, coloured and written."""
    found = likeness(rows, columns)
    cells = [
        {"row": row.name, "column": column.name, "cosine": round(float(found[i, j]), 3)}
        for i, row in enumerate(rows)
        for j, column in enumerate(columns)
    ]
    sides: Chart = {
        "y": {"field": "row", "type": "nominal", "title": None, "sort": None, "axis": {"labelLimit": 160}},
        "x": {
            "field": "column", "type": "nominal", "title": None, "sort": None,
            "axis": {"orient": "top", "labelAngle": 0, "labelLimit": 120},
        },
    }  # fmt: skip
    return {
        "width": {"step": 96},
        "height": {"step": 34},
        "data": {"values": cells},
        "layer": [
            {
                "mark": {"type": "rect", "cornerRadius": 3},
                "encoding": sides
                | {
                    "color": {
                        "field": "cosine",
                        "type": "quantitative",
                        "scale": {"domain": [0, 1], "range": ["#dfe7ee", "#0072b2"], "clamp": True},
                        "legend": None,
                    }
                },
            },
            {
                "mark": {"type": "text"},
                "encoding": sides
                | {
                    "text": {"field": "cosine", "type": "quantitative", "format": ".2f"},
                    "color": {"condition": {"test": "datum.cosine > 0.55", "value": "white"}, "value": "#1c1c1c"},
                },
            },
        ],
    }


def det(found: TradeOff, chosen: int) -> Chart:
    """The DET curve with the chosen threshold and those of the bundle's profiles."""
    points = [
        {"far": round(probit(found.far(i).share), 4), "frr": round(probit(found.frr(i).share), 4)}
        for i in range(len(found.thresholds))
    ]
    marks = [_mark(found, found.number_at(llr), profile) for profile, llr in found.profiles.items()]
    here = [_mark(found, chosen, "chosen")]
    ends = [probit(LOWEST), probit(HIGHEST)]
    place: Chart = {
        channel: {
            "field": side,
            "type": "quantitative",
            "title": title,
            "scale": {"domain": ends, "nice": False},
            "axis": {
                "values": [round(probit(tick), 5) for tick in _TICKS],
                "labelExpr": _tick_names(),
                "grid": True,
            },
        }
        for channel, side, title in (("x", "far", "Strangers let in (FAR)"), ("y", "frr", "Right person refused (FRR)"))
    }
    return {
        "autosize": AUTOSIZE,
        "height": 400,
        "layer": [
            {
                "data": {"values": [{"far": end, "frr": end} for end in ends]},
                "mark": {"type": "line", "strokeDash": [2, 4], "color": OUTCOMES["unknown"], "strokeWidth": 1},
                "encoding": place,
            },
            {
                "data": {"values": points},
                "mark": {"type": "line", "color": "#0072b2", "strokeWidth": 2.5, "interpolate": "step-after"},
                "encoding": place | {"order": {"field": "far", "type": "quantitative"}},
            },
            {
                "data": {"values": marks},
                "mark": {"type": "point", "filled": True, "size": 90, "color": OUTCOMES["uncertain"], "opacity": 1},
                "encoding": place,
            },
            {
                "data": {"values": marks},
                "mark": {"type": "text", "align": "left", "dx": 9, "dy": -7, "color": OUTCOMES["uncertain"]},
                "encoding": place | {"text": {"field": "name"}},
            },
            {
                "data": {"values": here},
                "mark": {
                    "type": "point",
                    "filled": True,
                    "size": 220,
                    "color": "#d55e00",
                    "opacity": 1,
                    "shape": "diamond",
                },
                "encoding": place,
            },
        ],
    }


def _tick_names() -> str:
    """The rates of the ticks as a Vega expression."""
    near = (f"abs(datum.value - ({probit(tick):.5f})) < 0.001 ? '{100 * tick:g} %'" for tick in _TICKS)
    return f"{' : '.join(near)} : ''"


def _mark(found: TradeOff, number: int, name: str) -> Chart:
    return {
        "far": round(probit(found.far(number).share), 4),
        "frr": round(probit(found.frr(number).share), 4),
        "name": name,
    }
