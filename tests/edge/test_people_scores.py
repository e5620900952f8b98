"""What protects voiceprints changes no decision: scores with and without it, before and after a new key."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.people import PeopleStore
from edge.records import Exemplar
from edge.scoring import Calibration, Scorer, voiceprint, voiceprint_of

MOST = 1e-5
"""By so much a cosine, likelihood ratio or probability may differ."""
CALIBRATION = Calibration.from_json(
    {
        "weights": {
            "bias": -5.0, "cosine": 14.0, "log_test": 0.4, "log_enrol": 0.3, "log_clips": 0.2, "spread": 1.0,
            "noise": -0.7, "cohort_test": -2.0, "cohort_enrol": -1.5, "cosine_log_test": 0.6,
        },
        "points": [{"far": 0.01, "llr": 2.0}, {"far": 0.001, "llr": 4.0}],
        "trials": 5000,
        "speakers": 100,
    }
)  # fmt: skip


def normal(vectors):
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def unit(rng, *shape):
    return normal(rng.normal(size=shape))


def household(rng, dim, people):
    """Exemplars of people whose clips are alike."""
    centres = unit(rng, people, dim)
    return [
        [
            Exemplar(
                normal(centre + 0.5 * unit(rng, dim)),
                "encoder", 3.0 + clip, 20.0, "mic", "2026-11-22T10:00:00Z", f"digest-{clip}",
            )
            for clip in range(4)
        ]
        for centre in centres
    ]  # fmt: skip


def every_number(scorer, voiceprints, tests):
    found = []
    for test in tests:
        scores = scorer.score(test, voiceprints, speech_seconds=2.0, snr_db=15.0)
        ranked = sorted(scores.ranked, key=lambda one: one.name)
        found.append([scores.margin, *(n for one in ranked for n in (one.cosine, one.llr, one.probability))])
    return np.array(found)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([38, 192, 256]), st.integers(1, 4))
def test_scores_are_those_of_voiceprints_that_were_never_turned(tmp_path_factory, number, dim, people):
    """Cohort normalisation, spread and length normalisation included; also after the key was changed twice."""
    rng = np.random.default_rng(number)
    clips = household(rng, dim, people)
    scorer = Scorer(CALIBRATION, unit(rng, 50, dim))
    tests = [one.vector for mine in clips for one in mine[:1]] + list(unit(rng, 5, dim))
    plain = [voiceprint_of(mine, person_id=f"p000{i}", name=f"Person {i}") for i, mine in enumerate(clips)]
    wanted = every_number(scorer, plain, tests)
    with PeopleStore(tmp_path_factory.mktemp("people")) as store:
        for i, mine in enumerate(clips):
            store.add(f"Person {i}", mine)
        for _ in range(3):
            found = every_number(scorer, [voiceprint(person) for person in store.people()], tests)
            assert np.abs(found - wanted).max() < MOST
            assert (np.argsort(found, axis=1) == np.argsort(wanted, axis=1)).all()
            store.revoke()


def test_what_lies_in_the_file_would_be_scored_as_somebody_else(tmp_path):
    """Turned vectors that are taken for plain ones know nobody: the rotation is really there."""
    rng = np.random.default_rng(1)
    clips = household(rng, 192, 3)
    with PeopleStore(tmp_path) as store:
        for i, mine in enumerate(clips):
            store.add(f"Person {i}", mine)
        vault = store._vault()
        turned = np.stack([vault.turn(person.exemplars[0].vector) for person in store.people()])
        assert np.abs(np.diagonal(turned @ np.stack([mine[0].vector for mine in clips]).T)).max() < 0.3
