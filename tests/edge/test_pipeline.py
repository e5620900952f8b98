"""The pipeline: the same results however the audio is cut, windows embedded ahead, changes between blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.audio import read_samples
from edge.bundle import Bundle, EmbeddingStream, open_bundle
from edge.demo.stage import ASSETS, open_play
from edge.pipeline import Pipeline
from edge.records import SAMPLE_RATE, AudioBlock, Exemplar, Float32, Person, Result, Voiceprint
from edge.scoring import voiceprint
from edge.settings import Decide, Segment, Settings
from tests.edge.cli import voice_bundle

SECONDS = 42
"""Of the demo's stream: Ada, Ben and two strangers, with silence between them."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return open_bundle(voice_bundle.make(tmp_path_factory.mktemp("pipeline") / "voices"))


@pytest.fixture(scope="module")
def sound() -> Float32:
    return read_samples(open_play().stream)[: SECONDS * SAMPLE_RATE]


@pytest.fixture(scope="module")
def people(bundle: Bundle) -> tuple[Voiceprint, ...]:
    found = []
    for number, actor in enumerate(open_play().actors):
        clips = [
            Exemplar(bundle.embed(read_samples(path)), bundle.encoder, 4.0, 25.0, "file", "2026-11-21", path.name)
            for path in actor.clips
        ]
        found.append(voiceprint(Person(f"p{number:04x}", actor.name, "2026-11-21", tuple(clips))))
    return tuple(found)


def blocks(samples: Float32, size: int, start: int = 0) -> list[AudioBlock]:
    return [AudioBlock(samples[i : i + size], start + i) for i in range(0, len(samples), size)]


def run(pipeline: Pipeline, given_blocks: Sequence[AudioBlock]) -> list[Result]:
    results = [result for block in given_blocks for result in pipeline.push(block)]
    return results + pipeline.finish()


def assert_same(first: Sequence[Result], second: Sequence[Result]) -> None:
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert (one.utterance.start, one.utterance.end) == (other.utterance.start, other.utterance.end)
        np.testing.assert_array_equal(one.utterance.samples, other.utterance.samples)
        for key in ("speech_seconds", "snr_db", "level_dbfs", "peak_dbfs", "clipped_fraction", "ended_by"):
            assert getattr(one.utterance, key) == getattr(other.utterance, key)
        assert (one.embedding is None) == (other.embedding is None)
        if one.embedding is not None and other.embedding is not None:
            np.testing.assert_allclose(one.embedding.windows, other.embedding.windows, atol=1e-6)
        for key in ("outcome", "flags", "reason", "pooled", "person_id"):
            assert getattr(one.decision, key) == getattr(other.decision, key)
        for key in ("probability", "threshold", "margin"):
            assert getattr(one.decision, key) == pytest.approx(getattr(other.decision, key), abs=1e-4)


@pytest.fixture(scope="module")
def whole(bundle: Bundle, sound: Float32, people: tuple[Voiceprint, ...]) -> list[Result]:
    """The results of the sound as one block."""
    return run(Pipeline(bundle, Settings(), people), [AudioBlock(sound, 0)])


def test_the_sound_holds_what_these_tests_need(whole: list[Result]) -> None:
    named = {result.decision.best.name for result in whole if result.decision.person_id}
    assert named == {"Ada", "Ben"}
    assert {"identified", "unknown"} <= {result.decision.outcome for result in whole}
    assert max(result.utterance.duration_seconds for result in whole) > 3.5


@pytest.mark.parametrize("size", [160, 441, 1600, 4800, 16_000, 100_003])
def test_the_size_of_the_blocks_changes_nothing(bundle, sound, people, whole, size: int) -> None:
    assert_same(run(Pipeline(bundle, Settings(), people), blocks(sound, size)), whole)


@settings(max_examples=12, deadline=None)
@given(cuts=st.lists(st.integers(1, 14 * SAMPLE_RATE - 1), max_size=40, unique=True))
def test_neither_do_blocks_of_any_sizes(bundle, sound, people, cuts: list[int]) -> None:
    part = sound[: 14 * SAMPLE_RATE]
    edges = [0, *sorted(cuts), len(part)]
    pieces = [AudioBlock(part[a:b], a) for a, b in pairwise(edges)]
    expected = run(Pipeline(bundle, Settings(), people), [AudioBlock(part, 0)])
    assert_same(run(Pipeline(bundle, Settings(), people), pieces), expected)


def test_the_clock_of_the_stream_may_begin_anywhere(bundle, sound, people, whole) -> None:
    late = run(Pipeline(bundle, Settings(), people), blocks(sound, 1600, start=10**9))
    moved = [replace(r, utterance=replace(r.utterance, start=r.utterance.start - 10**9, end=r.utterance.end - 10**9))
             for r in late]  # fmt: skip
    assert_same(moved, whole)


class Watched:
    """A bundle that notes how much of an utterance was embedded while it was still being spoken."""

    def __init__(self, bundle: Bundle, speaking: Callable[[], bool]) -> None:
        self.calibration, self.cohort = bundle.calibration, bundle.cohort
        self._bundle = bundle
        self._speaking = speaking
        self.ahead: list[int] = []

    def stream(self) -> EmbeddingStream:
        stream = self._bundle.stream()
        push, number = stream.push, len(self.ahead)
        self.ahead.append(0)

        def watched(samples: Float32) -> None:
            self.ahead[number] += len(samples) if self._speaking() else 0
            push(samples)

        stream.push = watched
        return stream


def test_what_is_embedded_while_somebody_speaks_is_what_embedding_afterwards_gives(bundle, sound, people) -> None:
    watched = Watched(bundle, lambda: pipeline.speaking)
    pipeline = Pipeline(watched, Settings(), people)
    results = run(pipeline, blocks(sound, 1600))
    assert len(watched.ahead) == len(results)
    embedded = [(r, ahead) for r, ahead in zip(results, watched.ahead, strict=True) if r.embedding is not None]
    assert len(embedded) > 5
    for result, ahead in embedded:
        again = bundle.analyse(result.utterance.samples)
        np.testing.assert_allclose(result.embedding.vector, again.vector, atol=1e-6)
        np.testing.assert_allclose(result.embedding.windows, again.windows, atol=1e-6)
        assert result.embedding.seconds == again.seconds
        # All but the hang-over, and the blocks in which it was not yet sure that this is speech, or no longer.
        assert ahead >= len(result.utterance.samples) - 1.0 * SAMPLE_RATE


def test_people_may_change_between_blocks(bundle, sound, people) -> None:
    pipeline = Pipeline(bundle, Settings())
    half = 20 * SAMPLE_RATE
    first = [result for block in blocks(sound[:half], 1600) for result in pipeline.push(block)]
    assert "nobody is enrolled" in {result.decision.reason for result in first}
    assert not any(result.decision.best for result in first)
    pipeline.set_voiceprints(people)
    assert pipeline.voiceprints == people
    second = [result for block in blocks(sound[half:], 1600, half) for result in pipeline.push(block)]
    assert {result.decision.best.name for result in second if result.decision.person_id} == {"Ada", "Ben"}
    pipeline.set_voiceprints(people[:1])
    third = [r for block in blocks(sound, 1600, len(sound)) for r in pipeline.push(block)]
    assert {result.decision.best.name for result in third if result.decision.person_id} == {"Ada"}


def test_a_change_of_people_forgets_the_turn(bundle, people) -> None:
    clip = read_samples(ASSETS / "clip-1-ada.ogg")
    twice = np.concatenate([np.zeros(16_000, np.float32), clip, np.zeros(16_000, np.float32), clip])
    pooled = run(Pipeline(bundle, Settings(), people), blocks(twice, 1600))
    assert pooled[-1].decision.pooled > 1
    pipeline = Pipeline(bundle, Settings(), people)
    middle = len(twice) - len(clip) - 1600
    results = [r for block in blocks(twice[:middle], 1600) for r in pipeline.push(block)]
    pipeline.set_voiceprints(people)
    results += [r for block in blocks(twice[middle:], 1600, middle) for r in pipeline.push(block)] + pipeline.finish()
    changed = next(r for r in results if r.utterance.start > middle - SAMPLE_RATE // 2)
    assert changed.decision.pooled == 1


def test_the_policy_may_change_between_blocks(bundle, sound, people, whole) -> None:
    pipeline = Pipeline(bundle, Settings(), people)
    half = 20 * SAMPLE_RATE
    results = [result for block in blocks(sound[:half], 1600) for result in pipeline.push(block)]
    pipeline.set_policy(Decide(min_speech_seconds=10))
    results += [result for block in blocks(sound[half:], 1600, half) for result in pipeline.push(block)]
    results += pipeline.finish()
    split = next(i for i, result in enumerate(results) if result.utterance.end > half)
    assert_same(results[:split], whole[:split])
    rest = results[split:]
    assert len(rest) == len(whole[split:]) > 2
    assert {(result.decision.outcome, result.decision.reason) for result in rest} == {("rejected", "too_short")}
    assert all(result.embedding is None for result in rest)


def test_after_the_end_it_begins_anew(bundle, sound, people, whole) -> None:
    pipeline = Pipeline(bundle, Settings(), people)
    for _ in range(2):
        assert_same(run(pipeline, blocks(sound, 1600)), whole)
        assert not pipeline.speaking
    counters = pipeline.counters
    assert counters.audio_seconds == pytest.approx(2 * SECONDS)
    assert counters.utterances == 2 * len(whole)


def test_an_end_in_the_middle_of_a_sentence_decides_it_and_keeps_nothing_of_it(bundle, sound, people, whole) -> None:
    pipeline = Pipeline(bundle, Settings(), people)
    cut = whole[0].utterance.start + 3 * (whole[0].utterance.end - whole[0].utterance.start) // 4
    for block in blocks(sound[:cut], 1600):
        assert not pipeline.push(block)
    assert pipeline.speaking
    (last,) = pipeline.finish()
    assert last.utterance.ended_by == "end_of_stream"
    assert last.utterance.start == whole[0].utterance.start
    assert last.utterance.end <= cut
    assert_same(run(pipeline, blocks(sound, 1600)), whole)


def test_an_interruption_decides_what_is_open_and_the_audio_may_go_on(bundle, sound, people, whole) -> None:
    pipeline = Pipeline(bundle, Settings(), people)
    cut = (whole[0].utterance.start + whole[0].utterance.end) // 2
    for block in blocks(sound[:cut], 1600):
        assert not pipeline.push(block)
    (result,) = pipeline.interrupt()
    assert result.utterance.ended_by == "end_of_stream"
    assert not pipeline.speaking and not pipeline.interrupt()
    gap = 60 * SAMPLE_RATE
    rest = [
        replace(block, dropped=gap if block.start == cut + gap else 0) for block in blocks(sound[cut:], 1600, cut + gap)
    ]
    later = run(pipeline, rest)
    assert [r.decision.person_id for r in later[-3:]] == [r.decision.person_id for r in whole[-3:]]
    assert pipeline.counters.dropped_samples == gap


def test_noise_and_silence_give_nothing(bundle, people) -> None:
    noise = 0.05 * np.random.default_rng(8).standard_normal(10 * SAMPLE_RATE).astype(np.float32)
    pipeline = Pipeline(bundle, Settings(), people)
    assert run(pipeline, blocks(np.concatenate([np.zeros_like(noise), noise]), 1600)) == []
    assert pipeline.counters.utterances == 0


def test_a_sound_too_short_to_embed_is_rejected_and_nothing_fails(bundle, people) -> None:
    lax = Settings(
        segment=Segment(hangover_ms=100, preroll_ms=0, min_speech_ms=100), decide=Decide(min_speech_seconds=0.3)
    )
    clip = read_samples(ASSETS / "clip-1-ada.ogg")
    results = []
    for start in range(0, len(clip) - 6400, 3200):
        piece = np.concatenate([np.zeros(16_000, np.float32), clip[start : start + 6400], np.zeros(16_000, np.float32)])
        results += run(Pipeline(bundle, lax, people), blocks(piece, 1600))
    brief = [r for r in results if r.utterance.speech_seconds >= 0.3 and r.utterance.duration_seconds < 0.5]
    assert brief
    assert {(r.decision.outcome, r.decision.reason) for r in brief} == {("rejected", "too_short")}


def test_a_claim_names_nobody_else(bundle, sound, people) -> None:
    ada = people[0]
    results = run(Pipeline(bundle, Settings(), people, claim=ada.person_id), blocks(sound, 1600))
    assert {r.decision.person_id for r in results} == {ada.person_id, None}
    assert all(r.decision.best.person_id == ada.person_id for r in results if r.decision.best)


def test_what_it_costs_is_told_by_stage(whole: list[Result]) -> None:
    for times in (result.times for result in whole if result.embedding is not None):
        assert times.frontend_ms > 0 and times.encoder_ms > 0 and times.gate_ms > 0
        assert times.total_ms == pytest.approx(times.gate_ms + times.frontend_ms + times.encoder_ms + times.decision_ms)


def test_a_bundle_without_calibration_is_refused(tmp_path: Path) -> None:
    from edge.errors import BundleError

    with pytest.raises(BundleError, match="calibration"):
        Pipeline(open_bundle(voice_bundle.make(tmp_path / "bare", calibration=None)), Settings())
