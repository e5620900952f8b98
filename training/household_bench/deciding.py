"""Who is named in a household, decided by the device's own ``edge.decision.Decider``.

Takes what was heard and who is enrolled. Gives false names and misses. Must hold: each stream and each single utterance
meets a fresh decider, as after a quiet while; whoever is enrolled is no stranger; a false name is the name of somebody
who does not speak in that utterance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from edge.decision import Decider
from edge.records import SAMPLE_RATE, Decision, Profile, Voiceprint
from edge.settings import Decide
from training.augment.seeding import generator
from training.bench import PROFILES
from training.household_bench.hearing import Heard
from training.household_bench.plan import Attempt, Scene, Stream
from training.household_bench.remember import RememberingScorer
from training.household_bench.sound import Sound, Span

SIZES: Final = (1, 2, 4, 8)
"""How many people are enrolled."""


@dataclass(frozen=True, slots=True)
class Household:
    """Who is enrolled: names of members."""

    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exposure:
    """``seconds`` of ``who`` ("" for nobody) that a household heard in a stream without belonging to it.

    ``visiting``: one of the household speaks in the same stream.
    """

    household: Household
    stream: str
    scene: Scene
    visiting: bool
    who: str
    seconds: float


@dataclass(frozen=True, slots=True)
class FalseName:
    """``who`` spoke and ``named`` was told, in the utterance that began at ``start`` (samples) of a stream.

    ``speech_seconds``, ``snr_db``: of that utterance. ``llr``: of the name, natural logarithm. ``pooled``: how
    many utterances of a turn went in.
    """

    household: Household
    profile: Profile
    stream: str
    scene: Scene
    visiting: bool
    who: str
    named: str
    start: int
    speech_seconds: float
    snr_db: float
    llr: float
    pooled: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one utterance of a member. ``why``: empty where the right name was told."""

    household: Household
    profile: Profile
    attempt: Attempt
    why: str


@dataclass(slots=True)
class Findings:
    """All that was decided."""

    exposures: list[Exposure] = field(default_factory=list)
    names: list[FalseName] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)


def households(people: Sequence[str], size: int, draws: int, seed: int) -> list[Household]:
    """Households of ``size``, drawn so that everybody is in about equally many of them.

    At least ``draws`` of them (for a single person: one each). Empty where there are not more people than ``size``.
    """
    if len(people) <= size:
        return []
    rng = generator(seed, f"households {size}")
    found: dict[tuple[str, ...], None] = {}
    rounds = 1 if size == 1 else -(-draws * size // len(people))
    for _ in range(rounds):
        order = [people[place] for place in rng.permutation(len(people))]
        for first in range(0, len(order) - size + 1, size):
            found[tuple(sorted(order[first : first + size]))] = None
    return [Household(names) for names in found]


def speakers_of(sound: Sequence[Span], heard: Heard) -> dict[str, int]:
    """Who speaks in an utterance, and for how many samples."""
    found: dict[str, int] = {}
    for span in sound:
        shared = min(span.end, heard.utterance.end) - max(span.start, heard.utterance.start)
        if shared > 0:
            found[span.who] = found.get(span.who, 0) + shared
    return found


class Judge:
    """Decides about streams and utterances for every household.

    Args:
        prints: voiceprint of each member.
        scorer: of the bundle; see ``RememberingScorer``.
        policy: of the device; the profile is set here.
        homes: the households.
    """

    def __init__(
        self, prints: dict[str, Voiceprint], scorer: RememberingScorer, policy: Decide, homes: Sequence[Household]
    ) -> None:
        self._scorer = scorer
        self._everybody = list(prints.values())
        self._homes = [(home, [prints[name] for name in home.people]) for home in homes]
        self._deciders = {name: Decider(replace(policy, profile=name), scorer) for name in PROFILES}

    def stream(self, stream: Stream, sound: Sound, found: Sequence[Heard]) -> tuple[list[Exposure], list[FalseName]]:
        """What every household that is not all there hears of strangers in a stream."""
        exposures: list[Exposure] = []
        names: list[FalseName] = []
        self._scorer.forget()
        speakers = [speakers_of(sound.spans, one) for one in found]
        best = self._ratios(found)
        for home, prints in self._homes:
            strangers = _strangers(sound, home)
            visiting = bool(stream.people.intersection(home.people))
            if visiting and stream.scene != "dialogue":
                continue
            exposures += [
                Exposure(home, stream.name, stream.scene, visiting, who, seconds) for who, seconds in strangers.items()
            ]
            for profile, decider in self._deciders.items():
                accept = decider.thresholds(len(prints))[1]
                if not any(one[name] >= accept for one in best for name in home.people):
                    continue
                for place, decision in self._decisions(decider, found, prints):
                    who = speakers[place]
                    if decision.outcome != "identified" or decision.best is None or who.keys() & set(home.people):
                        continue
                    utterance = found[place].utterance
                    names.append(
                        FalseName(
                            home, profile, stream.name, stream.scene, visiting, max(who, key=lambda one: who[one]),
                            decision.best.person_id, utterance.start, utterance.speech_seconds, utterance.snr_db,
                            decision.best.llr, decision.pooled,
                        )
                    )  # fmt: skip
        return exposures, names

    def attempt(self, attempt: Attempt, found: Sequence[Heard]) -> Iterator[Outcome]:
        """Whether each household that the speaker belongs to names him."""
        self._scorer.forget()
        for home, prints in self._homes:
            if attempt.person in home.people:
                for profile, decider in self._deciders.items():
                    decisions = [decision for _, decision in self._decisions(decider, found, prints)]
                    yield Outcome(home, profile, attempt, _why(attempt.person, found, decisions))

    def _ratios(self, found: Sequence[Heard]) -> list[dict[str, float]]:
        """Log-likelihood ratio of each member at each utterance that is decided on.

        Which utterances make a turn does not depend on who is enrolled, so that a household in which nobody reaches the
        threshold at any of them names nobody, and its decisions need not be asked for.
        """
        ratios = []
        self._scorer.last.clear()
        for _ in self._decisions(next(iter(self._deciders.values())), found, self._everybody):
            if self._scorer.last:
                ratios.append({one.person_id: one.llr for one in self._scorer.last[0].ranked})
            self._scorer.last.clear()
        return ratios

    def _decisions(
        self, decider: Decider, found: Sequence[Heard], prints: Sequence[Voiceprint]
    ) -> Iterator[tuple[int, Decision]]:
        decider.reset()
        for place, one in enumerate(found):
            if one.embedding is not None:
                yield place, decider.decide(one.utterance, one.embedding, prints)


def _strangers(sound: Sound, home: Household) -> dict[str, float]:
    """Seconds of a sound that belong to people who are not of the household."""
    found: dict[str, float] = {}
    for span in sound.spans:
        if span.who not in home.people:
            found[span.who] = found.get(span.who, 0.0) + (span.end - span.start) / SAMPLE_RATE
    return found


def _why(person: str, found: Sequence[Heard], decisions: Sequence[Decision]) -> str:
    """Why somebody was not named: the last word on it. Empty where he was."""
    names = {one.best.person_id for one in decisions if one.outcome == "identified" and one.best is not None}
    if person in names:
        return ""
    if names:
        return "another name"
    if not found:
        return "not heard"
    if not decisions:
        return "too short"
    last = decisions[-1]
    return f"{last.outcome}: {last.reason}" if last.reason else last.outcome
