"""A probability to name somebody from, in place of the profile's share of strangers."""

from __future__ import annotations

import dataclasses
import math

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edge.decision import Decider
from edge.records import Decision, Voiceprint
from edge.settings import Decide
from tests.edge.voices import Voice, scorer, utterance

SCORER = scorer()
PEOPLE = [Voice(seed).voiceprint(f"Person {seed}") for seed in range(1, 5)]

thresholds = st.floats(0.5, 0.99)
households = st.integers(1, len(PEOPLE)).map(lambda number: PEOPLE[:number])
priors = st.floats(0.01, 0.99)
heard = st.tuples(st.integers(1, 6), st.floats(0.0, 4.0))
"""Whose voice (two of them are strangers'), and how far from its centre."""


def decided(policy: Decide, people: list[Voiceprint], voice: tuple[int, float], claim: str | None = None) -> Decision:
    seed, noise = voice
    return Decider(policy, SCORER, claim=claim).decide(utterance(), Voice(seed).embedding(noise), people)


@settings(deadline=None)
@given(least=thresholds, people=households, prior=priors, voice=heard)
def test_identified_means_at_least_this_probable_and_well_apart(least, people, prior, voice) -> None:
    decision = decided(Decide(threshold=least, prior_known=prior), people, voice)
    assume(not math.isclose(decision.probability, least, rel_tol=1e-9))
    named = decision.probability >= least and decision.margin >= Decide().margin_llr
    assert (decision.outcome == "identified") == named
    assert math.isclose(decision.threshold, least, rel_tol=1e-9), "the event tells what was asked for"


@settings(deadline=None)
@given(pair=st.tuples(thresholds, thresholds), people=households, prior=priors, voice=heard)
def test_a_higher_one_names_nobody_whom_a_lower_one_does_not(pair, people, prior, voice) -> None:
    lower, higher = (decided(Decide(threshold=one, prior_known=prior), people, voice) for one in sorted(pair))
    assert lower.outcome == "identified" or higher.outcome != "identified"


@settings(deadline=None)
@given(least=thresholds, people=households, voice=heard, claimed=st.sampled_from(PEOPLE))
def test_a_claim_never_heeds_it(least, people, voice, claimed) -> None:
    people = [*(one for one in people if one != claimed), claimed]
    with_it, without = (decided(Decide(threshold=one), people, voice, claimed.person_id) for one in (least, None))
    assert dataclasses.asdict(with_it) == dataclasses.asdict(without)


def test_both_sides_of_it_are_seen() -> None:
    """Shows that the properties above are about something: a voice that the profile would not name, and the reverse."""
    vague, clear = (1, 2.6), (1, 1.8)
    outcomes = {
        (voice, least): decided(Decide(threshold=least), PEOPLE[:2], voice).outcome
        for voice in (vague, clear)
        for least in (None, 0.5, 0.99)
    }
    assert outcomes[vague, None] != "identified" and outcomes[vague, 0.5] == "identified"
    assert outcomes[clear, None] == "identified" and outcomes[clear, 0.99] == "uncertain"
