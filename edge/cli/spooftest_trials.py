"""Attacks, made and tried one by one through the path that every attempt takes.

Takes a household and the kinds of attack; gives a ``Trial`` each. Must hold: every trial begins with what enrolment
left, so that no trial makes another one fail; no outcome is judged anywhere but in ``edge.auth.attempt``.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal, Protocol

import numpy as np

from edge.auth.attempt import AttemptOutcome, Gate
from edge.auth.listening import hear
from edge.cli.spooftest_household import Household, Target, blocks_of
from edge.records import AudioBlock, Float32
from edge.spoof import synthetic
from edge.spoof.species import BY_NAME, Species

Recording = Literal["known", "new", ""]
"""Whether the device heard the recording at enrolment; empty where that is no question."""
STRANGERS: Final = 3
"""So many times as many recordings of others as of the person: there are more of them."""
_SECONDS: Final = 20.0


class Player(Protocol):
    """Plays a recording, and gives what the microphone hears."""

    def blocks(self, samples: Float32) -> Iterator[AudioBlock]:
        """The microphone's sound while ``samples`` are played."""


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """One trial to make: a recording, the person it is tried on, and what becomes of it."""

    species: Species
    target: Target
    recording: Recording
    samples: Float32
    words: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """All trials. ``seed``: of what is drawn."""

    trials: list[Planned]
    seed: int
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Trial:
    """``voice``: the voice alone matches. ``repeat``: refused, since it was heard before. ``suspect``: it sounds like a
    loudspeaker. ``accepted``: it passed in the end. ``heard``: a decision was possible.
    """

    species: Species
    recording: Recording
    words: str
    voice: bool
    repeat: bool
    suspect: bool
    accepted: bool
    heard: bool


def plan(household: Household, wanted: Sequence[str], *, clips: int, seed: int) -> Plan:
    """What is to be tried: at most ``clips`` recordings per person, kind of attack and kind of recording."""
    rng = np.random.default_rng(seed)
    made = Plan([], seed, list(household.notes))
    voices = list(synthetic.speak(4 * clips)) if "synthetic" in wanted else []
    for species in (BY_NAME[name] for name in wanted):
        for target in household.targets:
            made.trials.extend(_of(species, target, household, voices=voices, clips=clips, rng=rng))
    return made


def _of(
    species: Species,
    target: Target,
    household: Household,
    *,
    voices: Sequence[tuple[str, Float32]],
    clips: int,
    rng: np.random.Generator,
) -> Iterator[Planned]:
    if species.whose == "synthetic":
        for words, samples in voices:
            yield Planned(species, target, "", samples, words)
    elif species.whose == "other":
        # New recordings of others where there are some: those that the device knows would be refused as repeats.
        others = [other for other in household.targets if other is not target]
        fresh = [*household.strangers, *(clip for other in others for clip in other.fresh)]
        offered = fresh or [clip for other in others for clip in other.known]
        for index in rng.permutation(len(offered))[: STRANGERS * clips]:
            yield Planned(species, target, "", offered[index])
    else:
        if not species.live:
            for samples in target.known[:clips]:
                yield Planned(species, target, "known", samples)
        for samples in target.fresh[:clips] if species.name != "same" else ():
            yield Planned(species, target, "" if species.live else "new", samples)


def run_trials(
    household: Household, made: Plan, player: Player | None, *, on_trial: Callable[[str], None] = lambda words: None
) -> list[Trial]:
    """Try everything. ``player``: plays it and gives what is heard; None: no loudspeaker, no microphone."""
    trials = []
    for number, planned in enumerate(made.trials):
        rng = np.random.default_rng([made.seed, number])
        sound = planned.species.make(planned.samples, rng)
        outcome = _attempt(household, planned.target, sound, player)
        trials.append(_judged(planned, outcome))
        on_trial(planned.species.name)
    return trials


def _judged(planned: Planned, outcome: AttemptOutcome) -> Trial:
    decision = outcome.decision
    return Trial(
        species=planned.species,
        recording=planned.recording,
        words=planned.words,
        voice=decision is not None and decision.outcome == "identified",
        repeat=outcome.repeat is not None,
        suspect=bool(outcome.playback and outcome.playback["suspect"]),
        accepted=outcome.outcome == "match",
        heard=outcome.outcome != "no_decision",
    )


def _attempt(household: Household, target: Target, samples: Float32, player: Player | None) -> AttemptOutcome:
    session, person = household.session, target.person
    settings = replace(session.settings, auth=replace(session.settings.auth, fallback_hours=0.0))
    blocks = player.blocks(samples) if player else iter(blocks_of(samples))
    with (
        _as_after_enrolment(session.folder) as folder,
        Gate(folder, settings) as gate,
        gate.begin(person.id, requester="cli", name=person.name) as attempt,
    ):
        heard = hear(blocks, session.pipeline(claim=person.id), limit_seconds=_SECONDS)
        return attempt.judge(
            heard.results,
            person=person,
            profile=settings.decide.profile,
            model=session.model,
            nothing=heard.hearing.why_nothing(settings),
            calibration=session.calibration,
        )


@contextmanager
def _as_after_enrolment(folder: Path) -> Iterator[Path]:
    """A state folder without attempts, and with the earlier recordings that the household knows."""
    with tempfile.TemporaryDirectory(prefix="earmark-attempt-") as made:
        known = folder / "repeats.sqlite"
        if known.exists():
            shutil.copy(known, Path(made) / known.name)
        yield Path(made)
