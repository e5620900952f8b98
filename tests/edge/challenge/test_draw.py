"""A challenge is random, answers once, and not for long."""

from __future__ import annotations

import itertools
import threading
from collections import Counter

import numpy as np
import pytest

from edge.challenge import Challenge, ChallengeOutcome
from edge.challenge.draw import MOST_SECONDS
from edge.clock import ManualClock
from edge.errors import UsageError
from edge.records import Float32

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class Listener:
    """Hears what it was told to hear."""

    def __init__(self, words: tuple[str, ...] = WORDS) -> None:
        self.asked: list[tuple[int, ...]] = []
        self._words = words

    @property
    def words(self) -> tuple[str, ...]:
        return self._words

    def judge(self, samples: Float32, digits: tuple[int, ...]) -> ChallengeOutcome:
        self.asked.append(digits)
        return ChallengeOutcome(True, digits, 0.99, "said")


SAMPLES = np.zeros(16000, np.float32)


def test_as_many_digits_are_drawn_as_asked_and_never_two_alike_in_a_row() -> None:
    for count in (4, 5, 6):
        for _ in range(200):
            digits = Challenge.draw(count, judge=Listener()).digits
            assert len(digits) == count
            assert all(one != other for one, other in itertools.pairwise(digits))


def test_every_digit_is_as_likely_as_another_at_every_place() -> None:
    drawn = [Challenge.draw(judge=Listener()).digits for _ in range(5000)]
    for place in range(6):
        counts = Counter(digits[place] for digits in drawn)
        # 500 expected; five standard deviations of a binomial are 106.
        assert set(counts) == set(range(10))
        assert all(394 < count < 606 for count in counts.values())
    assert len(set(drawn)) > 4900  # of 590,490


@pytest.mark.parametrize("count", [0, 3, 7])
def test_other_lengths_are_refused(count: int) -> None:
    with pytest.raises(UsageError, match="4 to 6 digits"):
        Challenge.draw(count, judge=Listener())


def test_the_very_digits_that_were_drawn_are_asked_for() -> None:
    listener = Listener()
    challenge = Challenge.draw(judge=listener)
    assert challenge.check(SAMPLES).said_right
    assert listener.asked == [challenge.digits]


def test_a_challenge_answers_once() -> None:
    challenge = Challenge.draw(judge=Listener())
    challenge.check(SAMPLES)
    again = challenge.check(SAMPLES)
    assert (again.said_right, again.reason, again.heard) == (False, "used", ())


def test_of_fifty_threads_one_gets_an_answer() -> None:
    challenge = Challenge.draw(judge=Listener())
    outcomes: list[ChallengeOutcome] = []
    gate = threading.Barrier(50)

    def ask() -> None:
        gate.wait()
        outcomes.append(challenge.check(SAMPLES))

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(outcome.reason for outcome in outcomes) == {"said": 1, "used": 49}


def test_after_fifteen_seconds_nothing_passes_and_the_challenge_is_used() -> None:
    clock = ManualClock()
    challenge = Challenge.draw(judge=Listener(), clock=clock)
    clock.advance(MOST_SECONDS - 1)
    assert challenge.seconds_left() == pytest.approx(1.0)
    clock.advance(1.01)
    assert challenge.seconds_left() == 0.0
    late = challenge.check(SAMPLES)
    assert (late.said_right, late.reason) == (False, "expired")
    assert challenge.check(SAMPLES).reason == "used"


def test_just_in_time_is_in_time() -> None:
    clock = ManualClock()
    challenge = Challenge.draw(judge=Listener(), clock=clock)
    clock.advance(MOST_SECONDS)
    assert challenge.check(SAMPLES).said_right


def test_digits_are_shown_as_numbers_and_spoken_as_words() -> None:
    challenge = Challenge((3, 0, 7, 1), Listener(), "en", ManualClock())
    assert challenge.text() == "3 0 7 1"
    assert challenge.spoken() == "three, zero, seven, one"


def test_words_that_are_no_ten_digits_are_shown_as_words() -> None:
    challenge = Challenge((3, 0, 1, 2), Listener(("up", "down", "left", "right")), "x", ManualClock())
    assert challenge.text() == "right up down left"


def test_no_sentence_tells_the_digits() -> None:
    for reason in ("said", "other_digits", "unsure", "nothing_heard", "expired", "used"):
        sentence = ChallengeOutcome(reason == "said", (1, 2), 0.5, reason).sentence()  # type: ignore[arg-type]
        assert sentence.endswith(".") and not any(letter.isdigit() for letter in sentence)


def test_an_unknown_language_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="'xx'; there is en"):
        Challenge.draw(language="xx")
