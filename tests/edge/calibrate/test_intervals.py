"""Exact intervals of a share, against tables and against each other."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.calibrate.intervals import interval, upper_bound


@pytest.mark.parametrize(
    ("errors", "trials", "low", "high"),
    [(0, 10, 0.0, 0.30850), (1, 10, 0.00253, 0.44502), (5, 10, 0.18709, 0.81291), (10, 10, 0.69150, 1.0)],
)
def test_it_is_that_of_clopper_and_pearson(errors: int, trials: int, low: float, high: float) -> None:
    assert interval(errors, trials) == pytest.approx((low, high), abs=1e-5)


@pytest.mark.parametrize(("errors", "trials", "high"), [(1, 1000, 0.0047348), (3, 3000, 0.0025829), (0, 300, 0.01)])
def test_one_sided_bounds(errors: int, trials: int, high: float) -> None:
    assert upper_bound(errors, trials) == pytest.approx(high, abs=1e-5)


@settings(max_examples=40)
@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_share_lies_within(counts: tuple[int, int]) -> None:
    errors, trials = counts
    low, high = interval(errors, trials)
    assert 0 <= low <= errors / trials <= high <= 1
    assert errors / trials <= upper_bound(errors, trials) <= 1
    if errors:
        assert upper_bound(errors, trials) <= high + 1e-12


def test_nothing_is_known_without_trials() -> None:
    assert (interval(0, 0), upper_bound(0, 0)) == ((0.0, 1.0), 1.0)
