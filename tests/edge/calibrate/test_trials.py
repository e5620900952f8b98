"""Who is compared with whom: never a clip with itself, never a cohort speaker with a cohort that holds it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge.calibrate.fit import fit
from edge.calibrate.overlap import overlaps
from edge.calibrate.points import corrected_by_the_others, points
from edge.calibrate.trials import Clip, trials_of
from edge.records import Person
from edge.scoring import voiceprint, voiceprint_of
from tests.edge.calibrate.made_up import person, trials
from tests.edge.voices import CALIBRATION, ENCODER, Voice, scorer

SCORER = scorer(size=20)
ADA, BEN = person(1, "Ada", clips=4), person(2, "Ben", clips=3)


def test_every_clip_meets_the_rest_of_its_own_and_the_whole_of_others() -> None:
    found = trials_of([ADA, BEN], SCORER, ENCODER)
    assert (found.people, len(found), found.impostor_voices) == (2, 2 * (4 + 3 + 20), 22)
    assert int(found.genuine.sum()) == 7
    rest = voiceprint_of(ADA.exemplars[1:], person_id="", name="")
    whole = voiceprint(BEN)
    first = ADA.exemplars[0]
    _, wanted = SCORER.llrs(first.vector, [rest, whole], speech_seconds=first.speech_seconds, snr_db=first.snr_db)
    assert found.llr[found.clip == 0].tolist() == wanted.tolist()


def test_a_single_clip_is_compared_with_others_only() -> None:
    found = trials_of([person(1, "Ada", clips=1), BEN], SCORER, ENCODER)
    assert found.template[found.voice == 0].tolist() == [1]


def test_clips_of_another_encoder_are_part_of_templates_and_no_tests() -> None:
    other = Person(ADA.id, ADA.name, ADA.created, tuple(replace(e, space="s", encoder="wide") for e in ADA.exemplars))
    found = trials_of([other, BEN], SCORER, ENCODER)
    assert 0 not in found.voice
    assert 0 in found.template


def test_strangers_clips_are_impostors_and_one_voice() -> None:
    stranger = Voice(7)
    clips = [Clip("guest", stranger.vector(), 3.0, 20.0) for _ in range(3)]
    clips.append(Clip(ADA.id, Voice(1).vector(), 3.0, 20.0))
    with_clips, without = (trials_of([ADA, BEN], SCORER, ENCODER, some) for some in (clips, []))
    assert len(with_clips) - len(without) == 8
    assert with_clips.impostor_voices - without.impostor_voices == 1
    assert with_clips.genuine.sum() - without.genuine.sum() == 1


def test_a_cohort_speaker_is_not_its_own_neighbour() -> None:
    """With the weight of the cohort's cosine alone, a speaker that met itself there would stand out."""
    alone = replace(SCORER, calibration=replace(CALIBRATION, weights={"cohort_test": 10.0}))
    found = trials_of([ADA], alone, ENCODER)
    cohort = found.llr[~found.heard]
    gram = SCORER.cohort @ SCORER.cohort.T
    np.fill_diagonal(gram, -1)
    assert cohort == pytest.approx(10 * np.sort(gram, axis=1)[:, -5:].mean(axis=1), rel=1e-5)


def test_nobody_s_clips_are_judged_by_what_they_taught() -> None:
    found = trials_of([ADA, BEN, person(3, "Cem")], SCORER, ENCODER)
    judged = corrected_by_the_others(found)
    changed = replace(found, llr=np.where(found.concerning(0), found.llr - 5.0, found.llr))
    again = corrected_by_the_others(changed)
    assert fit(changed) != fit(found)
    learned = fit(found.where(~found.concerning(0)))
    mine = found.template == 0
    assert judged[mine].tolist() == learned(found.llr[mine]).tolist()
    assert again[mine].tolist() == learned(changed.llr[mine]).tolist()


def test_a_target_takes_three_trials_for_each_error_allowed() -> None:
    def needed(number: int) -> list[int]:
        return [point.needed for point in points(trials([5.0] * 4, [-9.0] * number), CALIBRATION)]

    assert needed(299) == [1, 701, 2701, 29701]
    assert needed(3000) == [0, 0, 0, 27000]
    strict = points(trials([5.0] * 4, [-9.0] * 2999), CALIBRATION)[2]
    assert (strict.profile, strict.refused, strict.to_json()["asked"]) == ("strict", True, None)
    balanced = points(trials([5.0] * 4, [-9.0] * 999), CALIBRATION)[1]
    assert (balanced.supported, balanced.refused) == (False, False)


def test_counts_and_bounds_of_a_point() -> None:
    found = trials([9.0, 9.0, -9.0], [-9.0] * 398 + [9.0] * 2, voices=100)
    relaxed = points(found, CALIBRATION)[0]
    assert (relaxed.asked.refused, relaxed.asked.clips) == (1, 3)
    assert (relaxed.accepted, relaxed.trials, relaxed.voices) == (2, 400, 100)
    assert relaxed.far_high == pytest.approx(0.015661, abs=1e-5)
    assert relaxed.far_high_voices > relaxed.far_high


def test_one_person_twice_is_an_overlap_and_two_people_are_none() -> None:
    again = Person("p0009", "Eve", "", tuple(Voice(1).exemplar() for _ in range(4)))
    threshold = CALIBRATION.threshold(0.003)
    assert overlaps(trials_of([ADA, BEN, person(3, "Cem")], SCORER, ENCODER), threshold) == ()
    found = overlaps(trials_of([ADA, BEN, again], SCORER, ENCODER), threshold)
    assert {(pair.who, pair.taken_for) for pair in found} == {(0, 2), (2, 0)}
    assert found[0].passed >= 2


def test_one_clip_that_sounds_like_somebody_else_is_no_overlap() -> None:
    odd = Person(ADA.id, ADA.name, "", (*ADA.exemplars, BEN.exemplars[0]))
    assert overlaps(trials_of([odd, BEN], SCORER, ENCODER), CALIBRATION.threshold(0.003)) == ()
