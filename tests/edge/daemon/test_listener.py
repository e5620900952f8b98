"""The listening thread: how it ends and why, what it tells, and how latency is counted."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from edge.audio import read_samples
from edge.bundle import Bundle, open_bundle
from edge.clock import ManualClock
from edge.daemon.listener import Listener
from edge.daemon.tap import Tap
from edge.demo.stage import ASSETS
from edge.errors import MicrophoneError
from edge.pipeline import Pipeline
from edge.records import SAMPLE_RATE, AudioBlock, Float32, Result
from edge.settings import Segment, Settings
from tests.broker import wait_for
from tests.edge.cli import voice_bundle

BLOCK = 1600


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return open_bundle(voice_bundle.make(tmp_path_factory.mktemp("listener") / "voices"))


@pytest.fixture(scope="module")
def sentence() -> Float32:
    """A sentence between two seconds of silence each."""
    silence = np.zeros(2 * SAMPLE_RATE, np.float32)
    return np.concatenate([silence, read_samples(ASSETS / "clip-1-ada.ogg"), silence])


class Played:
    """A source that gives ``samples`` in blocks and then does ``at_end``; ``before_block`` runs before each."""

    name, live = "played", True

    def __init__(
        self,
        samples: Float32,
        at_end: Callable[[], None] = lambda: None,
        before_block: Callable[[int], None] = lambda length: None,
    ) -> None:
        self._samples, self._at_end, self._before_block = samples, at_end, before_block
        self.closed = threading.Event()

    def blocks(self) -> Iterator[AudioBlock]:
        for start in range(0, len(self._samples), BLOCK):
            part = self._samples[start : start + BLOCK]
            self._before_block(len(part))
            yield AudioBlock(part, start)
        self._at_end()

    def close(self) -> None:
        self.closed.set()


class Heard:
    """Listens to a source, and remembers what it is told."""

    def __init__(self, bundle: Bundle, source: Played, clock: ManualClock | None = None) -> None:
        self.results: list[tuple[Result, float]] = []
        self.speaking: list[bool] = []
        self.clock = clock or ManualClock()
        self.pipeline = Pipeline(bundle, Settings())
        self.listener = Listener(
            source,
            self.pipeline,
            self.clock,
            on_result=lambda result, latency_ms: self.results.append((result, latency_ms)),
            on_speaking=self.speaking.append,
        )

    def through(self) -> Heard:
        self.listener.start()
        wait_for(lambda: self.listener.ended, "the listener ends")
        return self


def test_a_source_that_ends_is_no_error(bundle, sentence) -> None:
    source = Played(sentence)
    heard = Heard(bundle, source)
    assert not heard.listener.ended
    heard.through()
    assert heard.listener.error is None
    assert len(heard.results) >= 1
    assert source.closed.is_set()
    assert heard.speaking == [True, False] * len(heard.results)


def test_a_sentence_still_open_at_the_end_is_decided_without_latency(bundle, sentence) -> None:
    heard = Heard(bundle, Played(sentence[: 4 * SAMPLE_RATE])).through()
    ((result, latency_ms),) = heard.results
    assert result.utterance.ended_by == "end_of_stream"
    assert latency_ms == 0.0
    assert heard.speaking == [True, False]


def raising(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def test_an_error_of_the_source_is_told_apart_from_its_end(bundle, sentence) -> None:
    error = MicrophoneError("gone")
    source = Played(sentence[: 4 * SAMPLE_RATE], raising(error))
    heard = Heard(bundle, source).through()
    assert heard.listener.error is error
    assert heard.speaking == [True, False]
    assert source.closed.is_set()


def test_a_mistake_is_an_error_too_and_logged_with_its_place(bundle, sentence, caplog) -> None:
    error = ZeroDivisionError("planted")
    heard = Heard(bundle, Played(sentence, raising(error))).through()
    assert heard.listener.error is error
    assert "the listening thread failed" in caplog.text and "Traceback" in caplog.text


def test_a_stop_is_no_error_and_decides_what_is_open(bundle, sentence) -> None:
    source = Played(sentence[: 4 * SAMPLE_RATE], lambda: source.closed.wait(20))
    heard = Heard(bundle, source)
    heard.listener.start()
    wait_for(lambda: heard.speaking == [True], "somebody speaks")
    assert heard.listener.stop(20)
    assert heard.listener.ended and heard.listener.error is None
    assert len(heard.results) == 1


def test_what_a_source_raises_because_it_was_closed_is_no_error(bundle, sentence) -> None:
    def interrupted() -> None:
        source.closed.wait(20)
        raise MicrophoneError("closed while reading")

    source = Played(sentence[:BLOCK], interrupted)
    heard = Heard(bundle, source)
    heard.listener.start()
    assert heard.listener.stop(20)
    assert heard.listener.error is None


def test_a_source_that_cannot_be_stopped_is_reported(bundle, sentence) -> None:
    release = threading.Event()
    heard = Heard(bundle, Played(sentence[:BLOCK], before_block=lambda _n: release.wait(20)))
    heard.listener.start()
    assert not heard.listener.stop(0.05)
    assert not heard.listener.ended
    release.set()
    assert heard.listener.stop(20)


def test_stopping_before_the_start_is_possible(bundle, sentence) -> None:
    heard = Heard(bundle, Played(sentence))
    assert heard.listener.stop(1)
    assert not heard.listener.ended


def test_changes_are_made_between_blocks_in_the_listening_thread(bundle, sentence) -> None:
    gate: queue.SimpleQueue[None] = queue.SimpleQueue()
    heard = Heard(bundle, Played(sentence[: 3 * BLOCK], before_block=lambda _length: gate.get(timeout=20)))
    seen: list[tuple[str, float]] = []

    def note(pipeline: Pipeline) -> None:
        seen.append((threading.current_thread().name, pipeline.counters.audio_seconds))

    heard.listener.start()
    gate.put(None)
    wait_for(lambda: heard.pipeline.counters.audio_seconds > 0.05, "the first block")
    heard.listener.between_blocks(note)
    gate.put(None)
    gate.put(None)
    wait_for(lambda: heard.listener.ended, "the end")
    assert seen == [("listener", 0.1)]


def test_a_change_asked_for_after_the_last_block_is_still_made(bundle, sentence) -> None:
    seen: list[Pipeline] = []
    heard = Heard(bundle, Played(sentence[:BLOCK], lambda: heard.listener.between_blocks(seen.append)))
    heard.through()
    assert seen == [heard.pipeline]


def test_progress_is_the_time_of_the_latest_block(bundle, sentence) -> None:
    clock = ManualClock(monotonic=10.0)
    heard = Heard(bundle, Played(sentence[: 5 * BLOCK], before_block=lambda _n: clock.advance(1.0)), clock)
    assert heard.listener.last_progress == 10.0
    heard.through()
    assert heard.listener.last_progress == 15.0


def silences(heard: Heard) -> list[tuple[Result, float]]:
    return [(result, latency) for result, latency in heard.results if result.utterance.ended_by == "silence"]


def test_latency_runs_from_the_end_of_the_hang_over_to_the_decision(bundle, sentence) -> None:
    """A microphone gives a block when its last sample was heard: up to a block of the wait is for that."""
    clock = ManualClock()
    heard = Heard(bundle, Played(sentence, before_block=lambda n: clock.advance(n / SAMPLE_RATE)), clock).through()
    assert silences(heard)
    for result, latency_ms in silences(heard):
        # Of the silence after the last word 200 ms belong to the utterance; nobody can know before the rest has passed.
        known = result.utterance.end / SAMPLE_RATE + Segment().hangover_ms / 1000 - 0.2
        blocks_heard = np.arange(len(sentence) // BLOCK + 1) * BLOCK / SAMPLE_RATE
        assert any(latency_ms == pytest.approx(1000 * (heard_at - known)) for heard_at in blocks_heard)
        # A block, and the frame that the gate completes.
        assert 0 <= latency_ms <= 100 + 40


def test_the_work_of_the_pipeline_counts(bundle, sentence, monkeypatch) -> None:
    """Deciding takes a quarter of a second here."""
    latencies = []
    for seconds in (0.0, 0.25):
        clock = ManualClock()
        heard = Heard(bundle, Played(sentence, before_block=lambda n, c=clock: c.advance(n / SAMPLE_RATE)), clock)
        push = heard.pipeline.push

        def slow(block: AudioBlock, push=push, clock=clock, seconds=seconds) -> list[Result]:
            results = push(block)
            if results:
                clock.advance(seconds)
            return results

        monkeypatch.setattr(heard.pipeline, "push", slow)
        latencies.append(silences(heard.through())[0][1])
    assert latencies[1] - latencies[0] == pytest.approx(250)


def test_a_file_read_at_full_speed_has_no_latency_but_that_of_its_blocks(bundle, sentence) -> None:
    clock = ManualClock()
    heard = Heard(bundle, Played(sentence, before_block=lambda _n: clock.advance(0.001)), clock).through()
    assert silences(heard)
    assert all(0 <= latency_ms <= 1.001 for _, latency_ms in silences(heard))


def test_an_interrupted_source_ends_the_sentence_and_may_go_on(bundle, sentence) -> None:
    told: list[list[bool]] = []

    def lose(source_end: int) -> Callable[[int], None]:
        passed = 0

        def before(length: int) -> None:
            nonlocal passed
            passed += length
            if passed > source_end and not told:
                heard.listener.interrupted()
                told.append(list(heard.speaking))

        return before

    heard = Heard(bundle, Played(sentence, before_block=lose(4 * SAMPLE_RATE)))
    heard.through()
    assert told == [[True, False]]
    first = heard.results[0]
    assert (first[0].utterance.ended_by, first[1]) == ("end_of_stream", 0.0)
    assert heard.listener.error is None
    assert len(heard.results) >= 2


class Late(Played):
    """The same, but each block has waited ``behind_seconds``, and every twentieth comes after a loss of ``lost``."""

    behind_seconds, lost = 0.0, 0

    def blocks(self) -> Iterator[AudioBlock]:
        for number, block in enumerate(super().blocks()):
            dropped = self.lost if number and number % 20 == 0 else 0
            start = block.start + number // 20 * self.lost
            yield AudioBlock(block.samples, start, dropped=dropped, behind_seconds=self.behind_seconds)


def test_the_time_that_sound_waits_for_us_is_latency(bundle, sentence) -> None:
    latencies = []
    for behind in (0.0, 3.0):
        clock = ManualClock()
        source = Late(sentence[: 9 * SAMPLE_RATE], before_block=lambda n, c=clock: c.advance(n / SAMPLE_RATE))
        source.behind_seconds = behind
        latencies.append(silences(Heard(bundle, source, clock).through())[0][1])
    assert latencies[1] - latencies[0] == pytest.approx(3000)


def test_what_is_lost_is_an_overload_and_counted(bundle, sentence) -> None:
    source = Late(sentence[: 5 * SAMPLE_RATE])
    source.lost = 800
    heard = Heard(bundle, source).through()
    assert heard.listener.overload.active
    assert heard.listener.overload.dropped_samples == heard.pipeline.counters.dropped_samples == 2 * 800


def test_whoever_taps_the_sound_hears_nothing_of_what_was_said_before(bundle) -> None:
    """Three seconds of sound wait, and the clock goes on with each block: the first 1.5 s were said too early."""
    clock = ManualClock(monotonic=100.0)
    tap = Tap()

    def before(length: int) -> None:
        if clock.monotonic() == 100.0:
            heard.listener.attach(tap)
        clock.advance(length / SAMPLE_RATE)
        source.behind_seconds = 1.55

    source = Late(np.zeros(3 * SAMPLE_RATE, np.float32), before_block=before)
    heard = Heard(bundle, source, clock)
    heard.through()
    assert next(tap.blocks(time.monotonic() + 20)).start == 15 * BLOCK


def test_a_listener_that_is_far_behind_cannot_be_tapped(bundle) -> None:
    source = Late(np.zeros(BLOCK, np.float32), lambda: source.closed.wait(20))
    source.behind_seconds = 5.0
    heard = Heard(bundle, source)
    heard.listener.start()
    wait_for(lambda: heard.pipeline.counters.audio_seconds, "the first block")
    tap = Tap()
    heard.listener.attach(tap)
    with pytest.raises(MicrophoneError, match="too busy"):
        next(tap.blocks(time.monotonic() + 20))
    assert heard.listener.stop(20)
