"""The correction that a household's trials suggest: little for little, rising, within its bounds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.calibrate.fit import PSEUDO_TRIALS, SHIFT, SLOPE, effective_trials, fit, trial_weights
from edge.calibrate.trials import Trials
from edge.correction import UNCORRECTED, Correction
from tests.edge.calibrate.made_up import trials

LLR = st.floats(-30, 30)
SOME = st.lists(LLR, max_size=30)
ANY = st.builds(trials, SOME, SOME, people=st.integers(1, 4), voices=st.integers(0, 3))


def right(number: int, seed: int = 0) -> Trials:
    """As many genuine as impostor trials, whose scores are log-likelihood ratios: N(+-m, 2m) with m = 4."""
    rng = np.random.default_rng(seed)
    return trials(rng.normal(4, np.sqrt(8), number).tolist(), rng.normal(-4, np.sqrt(8), number).tolist())


@settings(max_examples=20)
@given(SOME)
def test_without_trials_of_both_kinds_it_is_the_identity(scores: list[float]) -> None:
    assert fit(trials([], scores)) == fit(trials(scores, [])) == UNCORRECTED


@settings(max_examples=60)
@given(ANY, st.floats(0.01, 1e4))
def test_it_stays_within_its_bounds_and_rises(found: Trials, pseudo_trials: float) -> None:
    made = fit(found, pseudo_trials)
    assert SHIFT[0] <= made.shift <= SHIFT[1]
    assert SLOPE[0] <= made.slope <= SLOPE[1]
    scores = np.linspace(-30, 30, 121)
    assert (np.diff(made(scores)) > 0).all()


@settings(max_examples=40)
@given(ANY)
def test_the_more_the_prior_weighs_the_nearer_it_is_to_the_identity(found: Trials) -> None:
    grid = np.linspace(-6, 6, 13)

    def distance(made: Correction) -> float:
        """What the prior itself minimises: the cross-entropy to the bundle's calibration."""
        wanted = 1 / (1 + np.exp(-grid))
        return float(np.mean(np.logaddexp(0, made(grid)) - wanted * made(grid)))

    made = [fit(found, prior) for prior in (10.0, 100.0, 1000.0, 1e9)]
    assert distance(made[-1]) == pytest.approx(distance(UNCORRECTED), abs=1e-6)
    if SHIFT[0] < made[0].shift < SHIFT[1] and SLOPE[0] < made[0].slope < SLOPE[1]:
        assert all(nearer <= further + 1e-9 for further, nearer in itertools.pairwise(map(distance, made)))


@pytest.mark.parametrize("offset", [-3.0, 3.0])
def test_the_same_evidence_from_more_clips_moves_it_further(offset: float) -> None:
    """All scores of a household lie ``offset`` off: the correction turns against it."""
    shifts = []
    for number in (3, 10, 30, 100, 300):
        rng = np.random.default_rng(1)
        genuine = rng.normal(4, 2, 300)[:number] + offset
        shifts.append(fit(trials(genuine.tolist(), (rng.normal(-4, 2, 300)[:number] + offset).tolist())).shift)
    against = -np.sign(offset) * np.array(shifts)
    assert (np.diff(against) > 0).all()
    assert against[0] < 0.25 * against[-1]


@settings(max_examples=30)
@given(st.lists(st.floats(-4, 30), min_size=1, max_size=3))
def test_three_clips_change_almost_nothing(genuine: list[float]) -> None:
    found = trials(genuine, np.random.default_rng(2).normal(-6, 3, 400).tolist())
    assert effective_trials(found) < 0.06 * PSEUDO_TRIALS
    where_decisions_are_made = np.array([0.0, 2.0, 4.0])
    assert np.abs(fit(found)(where_decisions_are_made) - where_decisions_are_made).max() < 0.5


def test_scores_that_are_right_are_left_alone() -> None:
    made = fit(right(20_000))
    assert made.shift == pytest.approx(0, abs=0.06)
    assert made.slope == pytest.approx(1, abs=0.03)


def test_scores_that_are_not_are_put_right() -> None:
    wrong = right(20_000)
    bent = Trials(
        (wrong.llr - 1.0) / 0.9, wrong.genuine, wrong.clip, wrong.voice, wrong.template, wrong.heard, wrong.people
    )
    made = fit(bent)
    assert made.shift == pytest.approx(1.0, abs=0.06)
    assert made.slope == pytest.approx(0.9, abs=0.03)


def test_a_stranger_heard_often_is_one_stranger() -> None:
    once = trials([5.0, 6.0], [-1.0, -9.0])
    often = trials([5.0, 6.0], [-1.0, -9.0] * 50, voices=2)
    assert effective_trials(often) == effective_trials(once) == 4.0
    assert fit(often).shift == pytest.approx(fit(once).shift)


def test_voices_heard_here_and_the_cohort_share_the_impostors_half() -> None:
    found = trials([5.0], [-1.0, -2.0, -3.0])
    found.heard[1] = True
    assert trial_weights(found).tolist() == pytest.approx([0.5, 0.25, 0.125, 0.125])


def test_a_falling_line_is_no_correction() -> None:
    for shift, slope in ((0.0, 0.0), (0.0, -1.0), (float("nan"), 1.0), (float("inf"), 1.0)):
        with pytest.raises(ValueError, match="positive slope"):
            Correction(shift, slope)
