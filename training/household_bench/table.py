"""The report of ``earmark bench household`` for people.

Takes the report's plain values. Gives text or Markdown. Must hold: every figure stands with its interval and with how
much stands behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training.bench import PROFILES
from training.bench.tables import share, table


def text(report: Mapping[str, Any], *, markdown: bool) -> str:
    """False names, then misses at the aim's size of household, then what the aim says."""
    lines = [
        "False names per hour [95 % interval] by people enrolled",
        "",
        _strangers(report["strangers"], markdown),
        "",
        f"Utterances of a member that are not named, {report['aim']['enrolled']} enrolled: percent [95 % interval]",
        "",
        _misses(report["misses"], report["aim"]["enrolled"], markdown),
        "",
        *_aim(report["aim"]),
        "",
        f"{report['bundle']}; {report['machine']}; {report['measured']}.",
        f"{report['members']} people can be enrolled; households are drawn among them, up to {report['draws']} or so"
        " of a size. Hours of different sound; everybody who is not enrolled is a stranger.",
    ]
    return "\n".join(lines)


def _strangers(rows: Sequence[Mapping[str, Any]], markdown: bool) -> str:
    keys = dict.fromkeys((row["scene"], row["enrolled"]) for row in rows)
    found = {(row["scene"], row["enrolled"], row["profile"]): row for row in rows}
    lines = []
    for scene, size in keys:
        of = [found[scene, size, profile] for profile in PROFILES]
        lines.append([scene, str(size), f"{of[0]['hours']:.2f}", str(of[0]["households"]), *map(per_hour, of)])
    return table(["what is heard", "enrolled", "hours", "households", *PROFILES], lines, markdown=markdown)


def per_hour(row: Mapping[str, Any]) -> str:
    """``0.42 [0.10-0.95]``."""
    return f"{row['rate']:.2f} [{row['low']:.2f}-{row['high']:.2f}]"


def _misses(rows: Sequence[Mapping[str, Any]], size: int, markdown: bool) -> str:
    found = {(r["seconds"], r["snr_db"], r["profile"]): r for r in rows if r["enrolled"] == size}
    lines = [
        [f"{seconds:g} s", snr_db, *(share(found[seconds, snr_db, profile], 1) for profile in PROFILES)]
        for seconds, snr_db in dict.fromkeys((key[0], key[1]) for key in found)
    ]
    return table(["utterance", "dB", *PROFILES], lines, markdown=markdown)


def _aim(aim: Mapping[str, Any]) -> list[str]:
    lines = [f"Aim, balanced, {aim['enrolled']} enrolled:"]
    for what, one in aim["parts"].items():
        shown = f"{one['found']:.2f} [{one['low']:.2f}-{one['high']:.2f}] {one['unit']}, wanted at most {one['most']:g}"
        told = {"open": "open, more has to be heard to tell"}.get(one["verdict"], one["verdict"])
        lines.append(f"- {what}: {shown}: {told}.")
    if aim["closest"]:
        pairs = ", ".join(f"{one['who']} as {one['named']} ({one['utterances']})" for one in aim["closest"][:5])
        lines.append(f"- Taken for another (utterances): {pairs}.")
    if aim["why"]:
        reasons = ", ".join(f"{why} {100 * part:.1f} %" for why, part in aim["why"].items())
        lines.append(f"- Why utterances of 3 s at 15 dB or better were not named: {reasons}.")
    return lines
