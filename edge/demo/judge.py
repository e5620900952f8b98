"""Compares events with the truth.

Takes scenes and utterance events (as their JSON says); gives a verdict per event and a count. Must hold: what was
missed counts too; a stranger who is named is the worst, and is told apart from a person who is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edge.demo.stage import Scene

Verdict = Literal["right", "unsure", "wrong", "false"]
"""``right``: the person named, or a stranger unknown. ``unsure``: no name where there was one to give. ``wrong``: a
wrong name. ``false``: an event although nobody spoke."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One event: who it really was, and how well it was told."""

    event: Mapping[str, Any]
    who: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of scenes and events."""

    known_named: int
    known_spoken: int
    strangers_unknown: int
    strangers_spoken: int
    wrong_names: int
    false_events: int
    missed: int

    @property
    def flawless(self) -> bool:
        """Nobody was given a wrong name and nothing but speech was taken for speech."""
        return self.wrong_names == 0 and self.false_events == 0

    def sentence(self) -> str:
        """What was right and wrong, for a person."""
        return (
            f"{self.known_named} of {self.known_spoken} utterances of enrolled people named right, "
            f"{self.strangers_unknown} of {self.strangers_spoken} of strangers kept unnamed, "
            f"{_count(self.wrong_names, 'wrong name')}, {self.missed} missed, "
            f"{_count(self.false_events, 'event')} from silence or noise."
        )


def scene_of(event: Mapping[str, Any], scenes: Sequence[Scene]) -> Scene | None:
    """The spoken scene that an event overlaps most, None where it overlaps none."""
    start = float(event["at_s"])
    end = start + float(event["duration_s"])
    overlaps = [(min(end, s.end) - max(start, s.start), s) for s in scenes if s.spoken]
    longest = max(overlaps, key=lambda pair: pair[0], default=(0.0, None))
    return longest[1] if longest[0] > 0 else None


def judge(events: Sequence[Mapping[str, Any]], scenes: Sequence[Scene]) -> tuple[list[Judged], Tally]:
    """Verdicts in the order of the events, and the counts. A scene counts by the best of its events."""
    judged: list[Judged] = []
    best: dict[Scene, Verdict] = {}
    order: tuple[Verdict, ...] = ("wrong", "right", "unsure")
    for event in events:
        scene = scene_of(event, scenes)
        if scene is None:
            judged.append(Judged(event, "nobody", "false"))
            continue
        verdict = _verdict(event, scene)
        judged.append(Judged(event, scene.who, verdict))
        best[scene] = min(best.get(scene, verdict), verdict, key=order.index)
    spoken = [s for s in scenes if s.spoken]
    known = [s for s in spoken if s.who != "stranger"]
    strangers = [s for s in spoken if s.who == "stranger"]
    return judged, Tally(
        known_named=sum(best.get(s) == "right" for s in known),
        known_spoken=len(known),
        strangers_unknown=sum(best.get(s) in {"right", "unsure"} for s in strangers),
        strangers_spoken=len(strangers),
        wrong_names=sum(j.verdict == "wrong" for j in judged),
        false_events=sum(j.verdict == "false" for j in judged),
        missed=sum(s not in best for s in spoken),
    )


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _verdict(event: Mapping[str, Any], scene: Scene) -> Verdict:
    named = event["event_type"] == "identified"
    if scene.who == "stranger":
        if named:
            return "wrong"
        return "right" if event["event_type"] == "unknown" else "unsure"
    if not named:
        return "unsure"
    return "right" if event["speaker"] == scene.who else "wrong"
