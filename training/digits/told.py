"""The report of a digit recogniser as a text.

Takes ``report.json``. Gives lines. Must hold: a rate never stands without how many trials it is of, and its interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def text(report: Mapping[str, Any]) -> str:
    """A line per group of people and condition."""
    lines = []
    if report["left_out"]:
        lines += _group("people left out", report["left_out"])
    for name, one in report["shipped"].items():
        lines += _group(name, one["figures"])
    return "\n".join(lines)


def _group(name: str, figures: Mapping[str, Any]) -> list[str]:
    lines = []
    for condition, part in figures.items():
        words = part["words"] if "right" in part["words"] else total(part["words"])
        line = f"{name}, {condition}: "
        if words["words"]:
            line += f"{words['right'] / words['words']:.1%} of {words['words']} words right; "
        strings = part["strings"]
        line += "; ".join(
            f"{title} {_rate(strings[key])}"
            for key, title in (
                ("heard_right", "strings heard right"),
                ("accepted", "accepted"),
                ("wrong_near", "one digit wrong and accepted"),
                ("wrong_random", "random and accepted"),
            )
        )
        lines.append(line)
    return lines


def total(words: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Counts of all speakers together."""
    return {name: sum(one[name] for one in words.values()) for name in ("words", "right", "alone")}


def _rate(share: Mapping[str, Any]) -> str:
    if not share["of"]:
        return "none tried"
    places = 1 if share["high"] > 0.01 else 4
    low, high = (f"{100 * share[end]:.{places}f}" for end in ("low", "high"))
    return f"{100 * share['count'] / share['of']:.{places}f} % of {share['of']} ({low} to {high})"
