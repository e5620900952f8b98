"""Probabilities of strings are those of connectionist temporal classification."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.challenge.strings import Float64, best, log_likelihoods, log_odds, rivals


def _logs(seed: int, steps: int, words: int) -> Float64:
    raw = np.random.default_rng(seed).normal(0, 2, (steps, words + 1))
    return np.asarray(raw - np.logaddexp.reduce(raw, axis=1, keepdims=True), np.float64)


def _by_hand(logs: Float64) -> dict[tuple[int, ...], float]:
    """Every path, its repetitions joined and its blanks dropped."""
    steps, classes = logs.shape
    found: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(classes), repeat=steps):
        joined = tuple(word for word, _ in itertools.groupby(path) if word != classes - 1)
        found[joined] = found.get(joined, 0.0) + float(np.exp(sum(logs[step, word] for step, word in enumerate(path))))
    return found


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 3))
def test_likelihoods_are_the_sums_over_all_paths(seed: int, steps: int, words: int) -> None:
    logs = _logs(seed, steps, words)
    wanted = _by_hand(logs)
    told = log_likelihoods(logs, list(wanted))
    assert np.exp(told) == pytest.approx(list(wanted.values()), abs=1e-12)
    assert np.exp(told).sum() == pytest.approx(1.0)


def test_a_string_longer_than_the_audio_is_impossible() -> None:
    assert log_likelihoods(_logs(1, 3, 4), [(0, 1, 2, 3)])[0] < -600


def test_the_same_word_twice_needs_a_pause_between() -> None:
    logs = _logs(2, 2, 3)
    assert log_likelihoods(logs, [(1, 1)])[0] < -600
    assert log_likelihoods(logs, [(1, 2)])[0] > -50


def test_many_steps_do_not_underflow() -> None:
    logs = _logs(3, 2000, 10)
    assert np.isfinite(log_likelihoods(logs, [(1, 2, 3, 4, 5, 6)])).all()


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6).map(tuple))
def test_rivals_are_one_word_away_and_all_of_them(digits: tuple[int, ...]) -> None:
    found = rivals(digits, 10)
    assert len(found) == len(set(found)) and digits not in found
    substituted = [one for one in found if len(one) == len(digits)]
    assert len(substituted) == 9 * len(digits)
    assert {len(one) - len(digits) for one in found} == {-1, 0, 1}


def _clear(digits: tuple[int, ...], sure: float = 0.9995) -> Float64:
    """Each digit for two steps, a pause of three around it."""
    rows = []
    for digit in digits:
        for word in (10, 10, digit, digit, 10):
            row = np.full(11, (1 - sure) / 10)
            row[word] = sure
            rows.append(row)
    return np.log(np.array(rows))


def test_the_best_path_tells_the_words_and_where_they_are() -> None:
    heard = best(_clear((3, 3, 7)))
    assert (heard.digits, heard.first, heard.last) == ((3, 3, 7), 2, 13)
    silence = np.log(np.full((5, 11), 0.01))
    silence[:, 10] = np.log(0.9)
    assert best(silence).digits == ()


def test_what_was_said_beats_its_rivals_and_nothing_else_does() -> None:
    logs = _clear((3, 8, 1, 9, 0, 4))
    assert log_odds(logs, (3, 8, 1, 9, 0, 4)) > 3
    for wrong in ((3, 8, 1, 9, 0, 5), (3, 8, 1, 9, 0), (3, 8, 1, 9, 0, 4, 4), (8, 3, 1, 9, 0, 4), (1, 2, 3, 4, 5, 6)):
        assert log_odds(logs, wrong) < -3


def test_a_doubtful_word_makes_the_odds_doubtful() -> None:
    logs = _clear((3, 8, 1))
    doubtful = np.exp(logs)
    doubtful[7:9, 5] = doubtful[7:9, 8] = 0.45
    doubtful[7:9, [0, 1, 2, 3, 4, 6, 7, 9, 10]] = 0.1 / 9
    assert -1.5 < log_odds(np.log(doubtful), (3, 8, 1)) < 0
