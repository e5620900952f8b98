"""The household bench: who can be enrolled and what is heard, and what that sounds like."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import UsageError
from tests.training.household_bench.made import PEOPLE, ROWS
from training.augment import load_materials
from training.bench.people import ENROL_CLIPS
from training.corpus import read_manifest
from training.household_bench.plan import ATTEMPT_SECONDS, SCENES, SNRS_DB, make_plan
from training.household_bench.sound import LEAD_SECONDS, attempt_sound, stream_sound
from training.household_bench.television import compress, music
from training.trials import Audio


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_nothing_of_an_enrolment_is_heard_again(seed: int) -> None:
    plan = make_plan(ROWS, "dev", seed, hours=9.0, attempts=4)
    assert [member.person for member in plan.members] == list(PEOPLE)
    enrolled = {clips[0].path for member in plan.members for clips in member.enrol.utterances}
    assert len(enrolled) == ENROL_CLIPS * len(PEOPLE)
    said = {take.clip.path for stream in plan.streams for take in stream.takes}
    tried = {attempt.clip.path for attempt in plan.attempts}
    assert not enrolled & (said | tried)
    assert {stream.scene for stream in plan.streams} == set(SCENES)
    for stream in plan.streams:
        for take in stream.takes:
            assert not take.who or f"/{take.who}/" in take.clip.path, "everybody speaks with his own voice"
        assert len(stream.people) == {"monologue": 1, "television": 1, "noise": 0}.get(stream.scene, 2)
    films = [stream.people for stream in plan.streams if stream.scene == "film"]
    assert frozenset({"b1", "b2"}) in films
    assert all(len({one[0] for one in cast}) == 1 for cast in films), "actors of one set play together"
    assert len(plan.attempts) == len(PEOPLE) * 4 * len(ATTEMPT_SECONDS) * len(SNRS_DB)


def test_a_shorter_plan_is_the_beginning_of_a_longer_one_and_rows_may_come_in_any_order() -> None:
    whole = make_plan(ROWS, "dev", 3, hours=9.0, attempts=4)
    part = make_plan(list(reversed(ROWS)), "dev", 3, hours=0.05, attempts=2)
    assert set(part.streams) < set(whole.streams)
    assert set(part.attempts) < set(whole.attempts)
    assert {stream.scene for stream in part.streams} == set(SCENES)
    dialogues = [stream.people for stream in whole.streams if stream.scene == "dialogue"]
    assert len(set(dialogues)) == 6, "each of four people with each other one"


def test_a_part_of_the_scenes_and_lengths_is_as_in_the_whole() -> None:
    whole = make_plan(ROWS, "dev", 3, hours=0.1, attempts=2)
    part = make_plan(ROWS, "dev", 3, hours=0.1, attempts=2, scenes=["film", "noise"], lengths=[3.0])
    assert list(part.streams) == [stream for stream in whole.streams if stream.scene in ("film", "noise")]
    assert list(part.attempts) == [attempt for attempt in whole.attempts if attempt.seconds == 3.0]


def test_without_two_people_there_is_no_household() -> None:
    with pytest.raises(UsageError, match="no two people of the split 'test'"):
        make_plan(ROWS, "test", 1, hours=1.0, attempts=1)


def test_streams_are_covered_by_their_spans_and_the_same_each_time(speech) -> None:
    rows = read_manifest(speech)
    audio, materials = Audio(speech), load_materials(speech, rows)
    plan = make_plan(rows, "dev", 1, hours=0.003, attempts=1)
    for stream in plan.streams:
        sound = stream_sound(stream, audio, materials, 1)
        assert sound.spans[0].start == 0
        assert sound.spans[-1].end == len(sound.samples)
        assert all(one.end == other.start for one, other in zip(sound.spans, sound.spans[1:], strict=False))
        assert np.isfinite(sound.samples).all()
        assert np.abs(sound.samples).max() <= 1.0
        again = stream_sound(stream, Audio(speech), load_materials(speech, rows), 1)
        np.testing.assert_array_equal(sound.samples, again.samples)


def test_the_ratio_of_an_utterance_is_that_of_its_powers(speech) -> None:
    rows = read_manifest(speech)
    audio, materials = Audio(speech), load_materials(speech, rows)
    plan = make_plan(rows, "dev", 1, hours=0.0, attempts=1)
    of = {a.snr_db: attempt_sound(a, audio, materials, 1).samples for a in plan.attempts[: len(SNRS_DB)]}
    start = round(LEAD_SECONDS * 16_000)
    said = slice(start, start + round(ATTEMPT_SECONDS[0] * 16_000))
    for snr_db in (20.0, 5.0):
        added = of[snr_db] - of[None]
        ratio = np.mean(of[None][said] ** 2) / np.mean(added[said] ** 2)
        assert 10 * np.log10(ratio) == pytest.approx(snr_db, abs=0.1)
        assert np.mean(added[:start] ** 2) > 0, "the noise is there before the first word"


def test_a_programme_is_even_in_loudness_and_has_music(speech) -> None:
    rng = np.random.default_rng(1)
    loud_and_quiet = np.concatenate([rng.standard_normal(16_000), 0.1 * rng.standard_normal(16_000)])
    even = compress(loud_and_quiet.astype(np.float32))
    before, after = (np.std(x[:16_000]) / np.std(x[16_000:]) for x in (loud_and_quiet, even))
    assert before == pytest.approx(10, rel=0.1)
    assert after < 0.5 * before
    tune = music(32_000, np.random.default_rng(2))
    assert tune.dtype == np.float32
    assert len(tune) == 32_000
    assert np.std(tune[:16_000]) > 0.01
    assert np.std(tune[16_000:]) > 0.01
