"""An attempt from its beginning to what it came to."""

from __future__ import annotations

import contextlib
import json

import numpy as np
import pytest

from edge import forgetting
from edge.auth import audit
from edge.auth.attempt import Gate
from edge.challenge import ChallengeOutcome
from edge.errors import EXIT_SPOOF, AttemptsError, LockedOut, MicrophoneError
from edge.forgetting import forget
from edge.records import Decision, Person, PersonScore, Result, Utterance
from edge.settings import Settings
from edge.spoof import Repeats

ADA = Person("p0001", "Ada", "")
HEARD = np.random.default_rng(7)


def speech(seconds: float = 2.0) -> np.ndarray:
    """Sound that nobody has heard before."""
    return HEARD.normal(0, 0.1, int(16_000 * seconds)).astype(np.float32)


def result(outcome: str, seconds: float = 2.0, *, pooled: int = 1, samples: np.ndarray | None = None, reason: str = ""):
    samples = speech(seconds) if samples is None else samples
    utterance = Utterance(samples, 0, len(samples), seconds, 20.0, -25.0, -10.0, 0.0, "silence")
    person = PersonScore("p0001", "Ada", 0.5, 1.0, 0.5)
    return Result(utterance, None, Decision(outcome, person, None, 0.5, 0.4, 1.0, (), reason, pooled))


class Digits:
    """A challenge whose answer is known, and what it was asked about."""

    def __init__(self, right: bool = True, start: float = 0.1, end: float = 1.9) -> None:
        self.answer = ChallengeOutcome(right, (3, 1, 4), 0.9, "said" if right else "other_digits", start, end)
        self.asked: list[int] = []

    def check(self, samples: np.ndarray) -> ChallengeOutcome:
        self.asked.append(len(samples))
        return self.answer


@pytest.fixture
def gate(folder, clock):
    with Gate(folder, Settings(), clock) as opened:
        yield opened


def judged(gate: Gate, *results: Result, digits: Digits | None = None, nothing: str = "silent"):
    with gate.begin(ADA.id, requester="cli", challenge=digits is not None, name="Ada") as attempt:
        return attempt.judge(
            results, person=ADA, profile="balanced", model="m-1", nothing=nothing, challenge=digits
        )  # fmt: skip


@pytest.mark.parametrize(
    ("results", "code", "failures"),
    [(["unknown"], 1, 1), (["uncertain"], 1, 1), (["unknown", "identified"], 0, 0), (["rejected"], 3, 0), ([], 3, 0)],
)
def test_only_what_the_voice_did_not_match_counts(gate, results, code, failures) -> None:
    outcome = judged(gate, *(result(one, reason="too_short" if one == "rejected" else "") for one in results))
    assert (outcome.exit_code, gate.failures(ADA.id)) == (code, failures)


def test_five_voices_that_do_not_match_and_the_sixth_is_not_heard(gate) -> None:
    for _ in range(5):
        judged(gate, result("unknown"))
    with pytest.raises(LockedOut, match="Ada is locked out"):
        gate.begin(ADA.id, requester="socket", name="Ada")
    with pytest.raises(LockedOut):
        gate.check(ADA.id)


def test_an_attempt_that_is_left_without_a_judgement_has_failed(gate) -> None:
    with pytest.raises(KeyboardInterrupt), gate.begin(ADA.id, requester="cli"):
        raise KeyboardInterrupt
    with pytest.raises(MicrophoneError), gate.begin(ADA.id, requester="cli"):
        raise MicrophoneError("unplugged")
    assert gate.failures(ADA.id) == 2


def test_a_microphone_that_gave_not_one_sample_is_nobodys_failure(gate) -> None:
    with gate.begin(ADA.id, requester="cli") as attempt:
        attempt.nothing_heard("microphone")
    assert gate.failures(ADA.id) == 0


def test_the_same_sound_twice_is_refused_and_counts(gate) -> None:
    sound = speech()
    assert judged(gate, result("identified", samples=sound)).exit_code == 0
    again = judged(gate, result("identified", samples=sound))
    assert (again.outcome, again.exit_code, again.reason) == ("spoof", EXIT_SPOOF, "repeat")
    assert again.sentence().startswith("refused: the same sound was heard before, on ")
    assert gate.failures(ADA.id) == 1
    assert judged(gate, result("identified")).exit_code == 0


def test_sound_that_did_not_match_is_remembered_too(gate) -> None:
    sound = speech()
    judged(gate, result("uncertain", samples=sound))
    assert judged(gate, result("identified", samples=sound)).reason == "repeat"


def test_digits_and_voice_must_both_be_right(gate) -> None:
    assert judged(gate, result("identified"), digits=Digits()).outcome == "match"
    wrong = judged(gate, result("identified"), digits=Digits(right=False))
    assert (wrong.outcome, wrong.exit_code, wrong.reason) == ("wrong_digits", 1, "other_digits")
    assert wrong.sentence() == "refused: other digits were heard than those asked for"
    assert judged(gate, result("unknown"), digits=Digits()).outcome == "no_match"
    assert gate.failures(ADA.id) == 2


def test_digits_are_checked_on_the_turn_that_the_voice_is_judged_on(gate) -> None:
    """A recording of Ada, and then digits said by somebody else: the last turn decides."""
    digits = Digits()
    assert judged(gate, result("identified", 4.0), result("unknown", 2.0), digits=digits).outcome == "no_match"
    assert digits.asked == [2 * 16_000]
    together = Digits(start=0.2, end=4.0)
    assert (
        judged(gate, result("unknown", 2.0, pooled=1), result("identified", 2.0, pooled=2), digits=together).exit_code
        == 0
    )
    assert together.asked == [4 * 16_000]


def test_digits_after_a_long_speech_are_refused(gate) -> None:
    outcome = judged(gate, result("identified", 6.0), digits=Digits(start=4.0, end=5.9))
    assert (outcome.outcome, outcome.reason) == ("wrong_digits", "other_speech")


def test_digits_are_judged_where_they_were_asked_for_and_only_there(gate) -> None:
    for asked, given in ((True, None), (False, Digits())):
        with gate.begin(ADA.id, requester="cli", challenge=asked) as attempt, pytest.raises(ValueError, match="digits"):
            attempt.judge([], person=ADA, profile="balanced", model="m", nothing="", challenge=given)


def test_an_attempt_is_judged_once_and_about_one_person(gate) -> None:
    with gate.begin(ADA.id, requester="cli") as attempt:
        with pytest.raises(ValueError, match="the person"):
            attempt.judge([], person=Person("p0002", "Ben", ""), profile="balanced", model="m", nothing="")
        attempt.judge([], person=ADA, profile="balanced", model="m", nothing="silent")
        with pytest.raises(ValueError, match="once"):
            attempt.judge([], person=ADA, profile="balanced", model="m", nothing="silent")


def test_whoever_is_removed_during_an_attempt_leaves_no_fingerprint(gate, folder) -> None:
    """By the time the sound is remembered, the fingerprints have been forgotten already."""
    judged(gate, result("unknown"))
    with gate.begin(ADA.id, requester="cli") as attempt, gate.begin("p0002", requester="cli") as other:
        other.judge(
            [result("unknown")], person=Person("p0002", "Ben", ""), profile="balanced", model="m", nothing=""
        )  # fmt: skip
        gone = forget(Settings(), folder, ADA)
        assert (gone.fingerprints, gone.attempts, gone.problems) == (1, 2, ())
        with pytest.raises(AttemptsError, match="was removed"):
            attempt.judge([result("identified")], person=ADA, profile="balanced", model="m", nothing="")
    with Repeats(folder) as repeats:
        assert len(repeats) == 1
        assert repeats.forget("p0002") == 1
    assert gate.failures(ADA.id) == 0


@pytest.mark.parametrize("step", ["_attempts", "_fingerprints"])
def test_an_attempt_that_ends_between_two_steps_of_forgetting_leaves_no_fingerprint(
    gate, folder, monkeypatch, step
) -> None:
    act = getattr(forgetting, step)

    def act_and_end(*words) -> int:
        done = act(*words)
        with contextlib.suppress(AttemptsError):
            attempt.judge([result("unknown")], person=ADA, profile="balanced", model="m", nothing="")
        return done

    with gate.begin(ADA.id, requester="cli") as attempt:
        monkeypatch.setattr(forgetting, step, act_and_end)
        assert forget(Settings(), folder, ADA).problems == ()
    with Repeats(folder) as repeats:
        assert len(repeats) == 0


def test_a_match_that_comes_too_late_is_none(gate, clock) -> None:
    sound = speech()
    with gate.begin(ADA.id, requester="cli") as slow:
        clock.advance(700)
        judged(gate, result("unknown"))
        with pytest.raises(AttemptsError, match="too long"):
            slow.judge([result("identified", samples=sound)], person=ADA, profile="balanced", model="m", nothing="")
    assert gate.failures(ADA.id) == 2
    assert judged(gate, result("identified", samples=sound)).reason == "repeat"


def test_the_log_has_figures_and_reasons_but_no_name_and_no_digits(gate, folder) -> None:
    judged(gate, result("identified"), digits=Digits())
    entry = [e.values for e in audit.entries(folder)][-1]
    assert entry["person"] == ADA.id and entry["outcome"] == "match" and entry["digits"] == "said"
    assert {"probability", "threshold", "llr", "target_far", "playback", "requester", "uid"} <= set(entry)
    text = json.dumps(dict(entry))
    assert "Ada" not in text and "[3, 1, 4]" not in text


def test_who_asked_is_written_down(gate, folder) -> None:
    with gate.begin(ADA.id, requester="pam", uid=1234) as attempt:
        attempt.abandon("cancelled")
    entry = [e.values for e in audit.entries(folder)][-1]
    assert (entry["requester"], entry["uid"], entry["outcome"]) == ("pam", 1234, "abandoned")
