"""Lock-out: who has to wait, how long, and what does not change that."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.auth import lockout
from edge.auth.clock import ManualBootClock, Moment
from edge.auth.gate import Counter
from edge.auth.lockout import FAILURES_AN_HOUR, delay_seconds
from edge.errors import EXIT_LOCKED, LockedOut
from tests.edge.auth.conftest import NOON, attempt, fail


def refusal(counter: Counter, identity: str = "p0001") -> LockedOut:
    with pytest.raises(LockedOut) as caught:
        counter.begin(identity, {}, called="Ada")
    return caught.value


def test_five_failures_in_a_row_lock_out_for_thirty_seconds(counter, clock) -> None:
    fail(counter, 5)
    error = refusal(counter)
    assert (error.exit_code, error.reason, error.seconds) == (EXIT_LOCKED, "failures", 30.0)
    assert error.cause == "Ada is locked out for 30 seconds after 5 failed attempts in a row"
    clock.advance(29.9)
    assert refusal(counter).seconds == pytest.approx(0.1)
    clock.advance(0.1)
    fail(counter, 1)


def test_each_further_failure_doubles_the_delay_up_to_an_hour(counter, clock) -> None:
    fail(counter, 5)
    waited = []
    for _ in range(9):
        waited.append(refusal(counter).seconds)
        clock.advance(waited[-1])
        fail(counter, 1)
    assert waited == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert delay_seconds(10_000) == 3600


def test_a_refusal_is_no_further_failure(counter, clock) -> None:
    fail(counter, 5)
    for _ in range(50):
        refusal(counter)
    assert counter.failures("p0001") == 5
    clock.advance(30)
    attempt(counter)


def test_no_decision_is_given_back_and_clears_nothing(counter) -> None:
    fail(counter, 4)
    attempt(counter, verdict="nothing")
    assert counter.failures("p0001") == 4
    fail(counter, 1)
    assert refusal(counter).reason == "failures"


def test_a_match_clears_what_came_before_it(counter) -> None:
    fail(counter, 4)
    attempt(counter, verdict="match")
    assert counter.failures("p0001") == 0
    fail(counter, 5)
    refusal(counter)


def test_a_match_does_not_clear_attempts_that_were_begun_after_it(counter) -> None:
    first = counter.begin("p0001", {}, called="Ada")
    fail(counter, 4)
    counter.end(first.number, "p0001", "attempt", "match", {})
    assert counter.failures("p0001") == 4


def test_an_attempt_counts_as_failed_while_it_goes_on(counter, counters) -> None:
    for _ in range(5):
        counter.begin("p0001", {}, called="Ada")
    assert refusal(counters()).reason == "failures"


def test_a_second_person_is_not_locked_out_with_the_first(counter) -> None:
    fail(counter, 5)
    attempt(counter, "p0002", "match")


def test_it_survives_that_the_program_is_started_again(counter, counters) -> None:
    fail(counter, 5)
    counter.close()
    assert refusal(counters()).seconds == 30.0


@pytest.mark.parametrize("jump", [-1e8, -3600, 3600, 1e9])
def test_setting_the_clock_changes_nothing(counter, clock, jump) -> None:
    fail(counter, 5)
    clock.set_wall(NOON + jump)
    assert refusal(counter).seconds == 30.0


def test_after_a_restart_the_whole_delay_begins_again(counter, clock) -> None:
    fail(counter, 5)
    clock.advance(25)
    clock.reboot("boot-2", seconds=4.0)
    assert refusal(counter).seconds == 26.0
    clock.reboot("boot-3", seconds=29.0)
    assert refusal(counter).seconds == 1.0
    clock.advance(1.0)
    attempt(counter)


def test_twenty_failures_an_hour_by_anybody_stop_everybody(counter, counters, clock) -> None:
    for person in range(FAILURES_AN_HOUR // 4):
        fail(counter, 4, f"p{person:04d}")
        clock.advance(60)
    error = refusal(counter, "somebody else")
    assert (error.reason, error.seconds) == ("busy", 3600 - 60 * 5)
    clock.reboot("boot-2", seconds=100.0)
    assert refusal(counters(), "somebody else").seconds == 3500
    clock.advance(3500)
    attempt(counter, "somebody else")


def test_a_match_does_not_make_room_in_the_hour(counter) -> None:
    for person in range(5):
        fail(counter, 3, f"p{person}")
        attempt(counter, f"p{person}", "match")
    fail(counter, 4, "p9")
    fail(counter, 1, "p8")
    assert refusal(counter, "p7").reason == "busy"


def test_attempts_without_speech_are_bounded_too(counter, clock, monkeypatch) -> None:
    monkeypatch.setattr(lockout, "SILENCES_AN_HOUR", 12)
    for _ in range(12):
        attempt(counter, verdict="nothing")
    error = refusal(counter)
    assert error.reason == "silences"
    clock.advance(3600)
    attempt(counter)


def test_a_judgement_that_comes_after_the_attempt_was_given_up_changes_nothing(counter, clock) -> None:
    slow = counter.begin("p0001", {}, called="Ada")
    clock.advance(601)
    attempt(counter, "p0002")
    assert not counter.end(slow.number, "p0001", "attempt", "match", {})
    assert counter.failures("p0001") == 1


def test_the_other_factor_is_due_after_a_while_and_after_a_restart(counters, clock, cheap_pin) -> None:
    counter = counters(72.0)
    counter.set_pin("correct horse")
    error = refusal(counter)
    assert (error.reason, error.seconds) == ("other_factor", None)
    assert error.sentence().startswith("Ada has to give the PIN first")
    counter.unlock("p0001", "correct horse")
    attempt(counter, verdict="match")
    assert refusal(counter, "p0002").reason == "other_factor"
    clock.advance(72 * 3600)
    assert refusal(counter).reason == "other_factor"
    counter.unlock("p0001", "correct horse")
    clock.reboot("boot-2")
    assert refusal(counter).reason == "other_factor"


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.booleans())
def test_no_more_time_has_passed_than_certainly_did(before, after, restarted) -> None:
    """Across a restart nobody knows how long the machine was off: only the time since then counts."""
    then, now = Moment("a", before), Moment("b" if restarted else "a", after)
    passed = now.since(then)
    assert 0 <= passed <= after
    if not restarted and after >= before:
        assert passed == after - before


STEPS = st.lists(
    st.one_of(
        st.sampled_from(["failed", "nothing", "begun and left", "restart", "set the clock"]),
        st.floats(1, 5000),
    ),
    min_size=10,
    max_size=60,
)


@settings(max_examples=15, deadline=None)
@given(STEPS)
def test_whatever_happens_no_guess_comes_earlier_than_the_delay(tmp_path_factory, steps) -> None:
    """Seconds that really pass between two guesses, after five in a row, are never fewer than the delay."""
    clock = ManualBootClock(now=NOON)
    counter = Counter(tmp_path_factory.mktemp("s"), clock)
    passed, guesses = 0.0, []
    for number, step in enumerate(steps):
        if isinstance(step, float):
            clock.advance(step)
            passed += step
        elif step == "restart":
            clock.reboot(f"boot {number}", seconds=1.0)
            passed += 1.0
        elif step == "set the clock":
            clock.set_wall(NOON + 1e6 * number)
        else:
            try:
                taken = counter.begin("p0001", {}, called="Ada")
            except LockedOut:
                continue
            if step == "nothing":
                counter.end(taken.number, "p0001", "attempt", "nothing", {})
                continue
            if len(guesses) >= 5:
                assert passed - guesses[-1] >= delay_seconds(len(guesses)) - 1e-6
            guesses.append(passed)
            if step == "failed":
                counter.end(taken.number, "p0001", "attempt", "failed", {})
    counter.close()
