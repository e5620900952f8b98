"""Decisions: strangers are unknown, little evidence is uncertain, turns add up, changes of speaker don't."""

from __future__ import annotations

import dataclasses

import pytest

from edge.decision import Decider, refusal
from edge.records import Embedding
from edge.scoring import OperatingPoint, Scorer
from edge.settings import Decide
from tests.edge.voices import CALIBRATION, ENCODER, Voice, mixed, scorer, unit, utterance

ALICE, BOB, STRANGER = Voice(1), Voice(2), Voice(3)
VAGUE = [ALICE.embedding(1.15) for _ in range(6)]
COHORT = scorer().cohort
PEOPLE = [ALICE.voiceprint("Alice"), BOB.voiceprint("Bob")]


def decider(claim: str | None = None, **policy: object) -> Decider:
    return Decider(Decide(**policy), scorer(), claim=claim)


def test_an_enrolled_person_is_named() -> None:
    decision = decider().decide(utterance(), ALICE.embedding(), PEOPLE)
    assert decision.outcome == "identified"
    assert decision.person_id == "p-Alice"
    assert decision.probability >= decision.threshold


def test_strangers_are_unknown() -> None:
    for seed in range(100, 160):
        decision = decider().decide(utterance(), Voice(seed).embedding(), PEOPLE)
        assert decision.outcome == "unknown"
        assert decision.person_id is None
        assert decision.probability < decision.threshold


def test_with_nobody_enrolled_everybody_is_unknown() -> None:
    assert decider().decide(utterance(), ALICE.embedding(), []).outcome == "unknown"


def test_evidence_between_the_thresholds_is_uncertain_not_a_guess() -> None:
    outcomes = {
        decider().decide(utterance(), ALICE.embedding(noise), PEOPLE).outcome for noise in (1.7, 1.8, 1.9, 2.0, 2.1)
    }
    assert "uncertain" in outcomes


def test_two_enrolled_people_too_alike_to_tell_apart_are_uncertain() -> None:
    twin = dataclasses.replace(PEOPLE[0], person_id="p-Twin", name="Twin")
    decision = decider().decide(utterance(), ALICE.embedding(0.1), [PEOPLE[0], twin])
    assert decision.outcome == "uncertain"
    assert "low_margin" in decision.flags


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"speech_seconds": 0.3}, "too_short"), ({"clipped_fraction": 0.3}, "clipped")],
)
def test_unusable_audio_is_rejected_with_its_reason(change: dict, reason: str) -> None:
    u = utterance(**change)
    assert refusal(u, None, Decide()) == reason
    decision = decider().decide(u, ALICE.embedding(), PEOPLE)
    assert (decision.outcome, decision.reason) == ("rejected", reason)


def test_what_the_speech_head_calls_no_speech_is_rejected() -> None:
    decision = decider().decide(utterance(), ALICE.embedding(speech_probability=0.01), PEOPLE)
    assert (decision.outcome, decision.reason) == ("rejected", "not_speech")


def test_evidence_of_a_turn_adds_up() -> None:
    """Utterances too vague alone name the speaker together."""
    exacting = Scorer(
        dataclasses.replace(CALIBRATION, points=(OperatingPoint(0.03, 1.0), OperatingPoint(0.003, 7.0))), COHORT
    )
    alone = [Decider(Decide(), exacting).decide(utterance(seed=i), v, PEOPLE) for i, v in enumerate(VAGUE)]
    d = Decider(Decide(), exacting)
    together = [d.decide(utterance(start_seconds=4.0 * i, seed=i), v, PEOPLE) for i, v in enumerate(VAGUE)]
    assert {a.outcome for a in alone} == {"uncertain"}
    assert together[-1].pooled >= 4
    assert together[-1].outcome == "identified"


def test_a_turn_does_not_name_somebody_its_latest_utterance_speaks_against() -> None:
    """A stranger who resembles the turn enough to be pooled is still not given its name."""
    d = decider()
    for i in range(4):
        d.decide(utterance(start_seconds=4.0 * i, seed=i), ALICE.embedding(0.3), PEOPLE)
    heard = unit(0.36 * ALICE.centre + 0.93 * STRANGER.centre)
    alone = decider().decide(utterance(), Embedding(heard, heard[None], 3.0, ENCODER), PEOPLE)
    pooled = d.decide(utterance(start_seconds=16.0), Embedding(heard, heard[None], 3.0, ENCODER), PEOPLE)
    assert alone.outcome == "unknown"
    assert pooled.outcome != "identified"


def test_a_turn_that_never_ends_is_decided_on_its_latest_utterances() -> None:
    """A radio that reads the news all day must not be remembered all day."""
    d = decider()
    said = [d.decide(utterance(start_seconds=4.0 * number), Voice(1).embedding(0.3), PEOPLE) for number in range(100)]
    assert [one.pooled for one in said[:33]] == [*range(1, 33), 32]
    assert said[-1].pooled == 32
    assert {one.outcome for one in said} == {"identified"}


def test_another_voice_starts_a_new_turn() -> None:
    d = decider()
    d.decide(utterance(), ALICE.embedding(), PEOPLE)
    second = d.decide(utterance(start_seconds=4.0), BOB.embedding(), PEOPLE)
    assert second.pooled == 1
    assert second.person_id == "p-Bob"


def test_a_long_pause_or_a_reset_ends_the_turn() -> None:
    d = decider()
    d.decide(utterance(), ALICE.embedding(0.3), PEOPLE)
    assert d.decide(utterance(start_seconds=60.0), ALICE.embedding(0.3), PEOPLE).pooled == 1
    d.reset()
    assert d.decide(utterance(start_seconds=64.0), ALICE.embedding(0.3), PEOPLE).pooled == 1


def test_pooling_can_be_switched_off() -> None:
    d = decider(pool_turns=False)
    d.decide(utterance(), ALICE.embedding(0.3), PEOPLE)
    assert d.decide(utterance(start_seconds=4.0), ALICE.embedding(0.3), PEOPLE).pooled == 1


def test_two_voices_in_one_utterance_are_flagged_and_not_named() -> None:
    decision = decider().decide(utterance(seconds=6.0), mixed(ALICE, STRANGER), PEOPLE)
    assert "multi_speaker" in decision.flags
    assert decision.outcome != "identified"


def test_a_claim_is_judged_alone() -> None:
    """Asked whether it is Alice, Bob's voice is no match, whoever else it resembles."""
    decision = decider(claim="p-Alice").decide(utterance(), BOB.embedding(), PEOPLE)
    assert decision.outcome == "unknown"
    assert decision.best is not None and decision.best.person_id == "p-Alice"
    assert decider(claim="p-Alice").decide(utterance(), ALICE.embedding(), PEOPLE).outcome == "identified"


def test_more_people_enrolled_need_more_evidence_each() -> None:
    d = decider()
    assert d.thresholds(8)[1] > d.thresholds(1)[1]
    assert decider(claim="p-Alice").thresholds(8) == d.thresholds(1)


def test_a_stricter_profile_needs_more_evidence() -> None:
    levels = [decider(profile=p).thresholds(1)[1] for p in ("relaxed", "balanced", "strict")]
    assert levels == sorted(levels)
    assert len(set(levels)) == 3
