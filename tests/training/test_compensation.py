"""Session compensation: what it takes out, and on whom it is chosen."""

from __future__ import annotations

import numpy as np
import pytest

from training.compensation import Voices, choose, describe, learn, left_out, to_json

DIM = 12
SILENT = lambda line: None  # noqa: E731


def made_up(nuisance: float = 2.0, seed: int = 1) -> Voices:
    """Three domains of ten speakers. Two axes differ from take to take, and every domain has its own offset."""
    rng = np.random.default_rng(seed)
    vectors, speakers, domains, enrolment = [], [], [], []
    for domain in "abc":
        offset = rng.normal(size=DIM) * 0.8
        for speaker in range(10):
            voice = rng.normal(size=DIM)
            for take in range(6):
                session = np.zeros(DIM)
                session[:2] = rng.normal(size=2) * nuisance
                found = voice + offset + session + rng.normal(size=(2, DIM)) * 0.3
                vectors.append((found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32))
                speakers.append(f"{domain}{speaker}")
                domains.append(domain)
                enrolment.append(take < 2)
    return Voices(vectors, np.array(speakers), np.array(domains), np.array(enrolment))


def mean(row):
    return float(np.mean(list(row.values())))


def test_what_differs_from_take_to_take_is_taken_out_and_strangers_gain():
    voices = made_up()
    choice = choose(voices, say=SILENT)
    best = choice.table[f"{choice.shrinkage:g}"]
    assert mean(best) < 0.6 * mean(choice.table["none"])
    assert choice.shrinkage < 1
    gains = np.linalg.norm(choice.compensation.transform, axis=0)
    assert gains[:2].max() < 0.7 * gains[2:].min()


def test_where_nothing_differs_hardly_anything_is_taken_out():
    choice = choose(made_up(nuisance=0.0), say=SILENT)
    gains = np.linalg.norm(choice.compensation.transform, axis=0)
    assert gains.max() < 1.6 * gains.min()


def test_a_domain_left_out_is_not_looked_at():
    voices = made_up()
    rng = np.random.default_rng(9)
    other = [
        rng.normal(size=vectors.shape).astype(np.float32) if domain == "b" else vectors
        for vectors, domain in zip(voices.vectors, voices.domains, strict=True)
    ]
    changed = Voices(other, voices.speakers, voices.domains, voices.enrolment)
    before, after = learn(voices, 0.7, without="b"), learn(changed, 0.7, without="b")
    np.testing.assert_array_equal(before.transform, after.transform)
    np.testing.assert_array_equal(before.centre, after.centre)
    assert not np.allclose(learn(voices, 0.7).transform, learn(changed, 0.7).transform)


def test_a_speaker_with_more_takes_weighs_no_more():
    voices = made_up()
    mine = np.flatnonzero(voices.speakers == "a0")
    twice = [*range(len(voices.vectors)), *mine]
    more = Voices(
        [voices.vectors[i] for i in twice], voices.speakers[twice], voices.domains[twice], voices.enrolment[twice]
    )
    np.testing.assert_allclose(learn(voices, 1.0).centre, learn(more, 1.0).centre, atol=1e-6)


def test_full_shrinkage_only_centres():
    found = learn(made_up(), 1.0)
    np.testing.assert_allclose(found.transform, np.eye(DIM), atol=1e-6)


def test_the_table_names_what_was_chosen():
    voices = made_up()
    choice = choose(voices, (1.0, 0.5), say=SILENT)
    text = describe(choice)
    assert text.count("(chosen)") == 1 and "uncompensated" in text
    table = to_json(choice)["eer_left_out"]
    assert table["none"]["a"] == pytest.approx(left_out(voices, None)["a"], abs=1e-3)
