"""Charts of one clip, as Vega-Lite documents, which Streamlit draws in the colours of its page.

Takes what was heard. Gives plain dictionaries. Must hold: every axis has a title with its unit; what a colour says is
written besides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from edge.records import SAMPLE_RATE, Decision, Outcome
from edge.report import Waveform
from edge.studio.analysis import Picture
from edge.studio.hearing import Heard
from edge.studio.paint import HEAT, OUTCOMES, heat_map
from edge.studio.words import who

Chart = dict[str, Any]

_COLUMNS: Final = 600
AUTOSIZE: Final = {"type": "fit-x", "contains": "padding"}
"""Heights are those of the plot; titles, legends and axes come besides."""
_EXTENT: Final = 52
"""Pixels left of every time axis, so that charts below each other share it."""


def time_axis(seconds: float) -> Chart:
    """Horizontal axis of everything that is drawn over a clip."""
    return {
        "field": "time",
        "type": "quantitative",
        "title": "Time (s)",
        "scale": {"domain": [0, round(seconds, 3)], "nice": False},
        "axis": {"grid": False},
    }


def upright(title: str, **more: Any) -> Chart:
    """Vertical axis of everything that is drawn over a clip."""
    return {"title": title, "minExtent": _EXTENT, "maxExtent": _EXTENT, "grid": False, **more}


def waveform(heard: Heard) -> Chart:
    """The outline of the clip, with each utterance in the colour of its decision and with its name."""
    seconds = len(heard.samples) / SAMPLE_RATE
    outline = Waveform()
    outline.push(heard.samples)
    peaks = outline.peaks(0.0, seconds, _COLUMNS)
    times = (np.arange(_COLUMNS) + 0.5) * seconds / _COLUMNS
    points = [
        {"time": round(float(time), 3), "high": round(float(peak), 4), "low": round(-float(peak), 4)}
        for time, peak in zip(times, peaks, strict=True)
    ]
    reach = max(0.05, 1.25 * float(peaks.max()))
    spans = [
        {
            "time": result.utterance.start / SAMPLE_RATE,
            "end": result.utterance.end / SAMPLE_RATE,
            "who": who(result.decision),
            "decision": result.decision.outcome,
            "top": reach,
        }
        for result in heard.results
    ]
    span = {"x": {"field": "time", "type": "quantitative"}, "x2": {"field": "end"}}
    colour = outcome_colours([result.decision.outcome for result in heard.results])
    return {
        "autosize": AUTOSIZE,
        "height": 120,
        "layer": [
            {
                "data": {"values": spans},
                "mark": {"type": "rect", "opacity": 0.22},
                "encoding": span | {"color": colour, "tooltip": [{"field": "who"}, {"field": "decision"}]},
            },
            {
                "data": {"values": points},
                "mark": {"type": "area", "color": "#5b8db8", "line": False},
                "encoding": {
                    "x": time_axis(seconds),
                    "y": {
                        "field": "low",
                        "type": "quantitative",
                        "scale": {"domain": [-reach, reach]},
                        "axis": upright("Amplitude (full scale = 1)", tickCount=5, format=".2~f"),
                    },
                    "y2": {"field": "high"},
                },
            },
            {
                "data": {"values": spans},
                "mark": {"type": "text", "align": "left", "baseline": "top", "dx": 5, "dy": 4, "fontWeight": 600},
                "encoding": {
                    "x": {"field": "time", "type": "quantitative"},
                    "y": {"field": "top", "type": "quantitative"},
                    "text": {"field": "who"},
                    "color": colour,
                },
            },
        ],
    }


def outcome_colours(found: Sequence[Outcome]) -> Chart:
    """Colour by decision, with a legend of the decisions that occur."""
    there = [outcome for outcome in OUTCOMES if outcome in found]
    return {
        "field": "decision",
        "type": "nominal",
        "scale": {"domain": there, "range": [OUTCOMES[outcome] for outcome in there]},
        "legend": {"orient": "top", "title": None},
    }


def heat(picture: Picture, vertical: str, legend: str, height: int) -> Chart:
    """A heat map over time. ``vertical``: title of the vertical axis. ``legend``: title of the colour bar."""
    low, high = picture.scale
    stops = [round(float(stop), 2) for stop in np.linspace(low, high, len(HEAT))]
    place = {
        "time": 0.0, "end": round(picture.seconds, 3), "low": picture.low, "high": picture.high,
        "url": heat_map(picture),
    }  # fmt: skip
    axis: Chart = {"type": "quantitative", "scale": {"domain": [picture.low, picture.high], "nice": False}}
    return {
        "autosize": AUTOSIZE,
        "height": height,
        "layer": [
            {
                "data": {"values": [place]},
                "mark": {"type": "image", "aspect": False},
                "encoding": {
                    "x": time_axis(picture.seconds),
                    "x2": {"field": "end"},
                    "y": {"field": "low", **axis, "axis": upright(vertical, tickCount=5)},
                    "y2": {"field": "high"},
                    "url": {"field": "url", "type": "nominal"},
                },
            },
            {  # draws nothing: it is there for its colour bar
                "data": {"values": [{"time": 0.0, "low": picture.low, "decibels": stop} for stop in (low, high)]},
                "mark": {"type": "point", "opacity": 0},
                "encoding": {
                    "x": {"field": "time", "type": "quantitative"},
                    "y": {"field": "low", "type": "quantitative"},
                    "color": {
                        "field": "decibels",
                        "type": "quantitative",
                        "scale": {"domain": stops, "range": list(HEAT)},
                        "legend": {"orient": "top", "title": legend, "gradientLength": 220, "gradientThickness": 10},
                    },
                },
            },
        ],
    }


def evidence(decision: Decision, thresholds: tuple[float, float]) -> Chart:
    """Where the two likeliest people stand between the thresholds of the profile."""
    people = [person for person in (decision.best, decision.runner_up) if person is not None]
    points = [{"score": round(person.llr, 3), "name": person.name} for person in people]
    reject, accept = thresholds
    low = min([reject, *(person.llr for person in people)]) - 2
    high = max([accept, *(person.llr for person in people)]) + 2
    zones = [
        {"from": low, "to": reject, "means": "unknown"},
        {"from": reject, "to": accept, "means": "uncertain"},
        {"from": accept, "to": high, "means": "named"},
    ]
    axis = {"type": "quantitative", "scale": {"domain": [low, high], "nice": False}}
    means = [zone["means"] for zone in zones]
    colours = [OUTCOMES["unknown"], OUTCOMES["uncertain"], OUTCOMES["identified"]]
    return {
        "autosize": AUTOSIZE,
        "height": 44,
        "layer": [
            {
                "data": {"values": zones},
                "mark": {"type": "rect", "opacity": 0.28},
                "encoding": {
                    "x": {
                        "field": "from",
                        **axis,
                        "title": "Score (log-likelihood ratio, nats)",
                        "axis": {"grid": False},
                    },
                    "x2": {"field": "to"},
                    "color": {
                        "field": "means",
                        "type": "nominal",
                        "scale": {"domain": means, "range": colours},
                        "legend": {"orient": "top", "title": None},
                    },
                },
            },
            {
                "data": {"values": points},
                "mark": {"type": "point", "filled": True, "size": 110, "color": "#0072b2", "opacity": 1},
                "encoding": {"x": {"field": "score", **axis}, "tooltip": [{"field": "name"}, {"field": "score"}]},
            },
            {
                "data": {"values": points},
                "mark": {"type": "text", "dy": -14, "fontWeight": 600, "color": "#5b8db8"},
                "encoding": {"x": {"field": "score", **axis}, "text": {"field": "name"}},
            },
        ],
    }
