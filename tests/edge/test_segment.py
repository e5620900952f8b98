"""What the segmenter must hold: the same utterances for any blocks, an honest prefix, clean ends, and no noise."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.audio import read_samples
from edge.demo.stage import open_play
from edge.records import SAMPLE_RATE, AudioBlock, Float32, Utterance
from edge.segment import Segmenter
from edge.settings import Segment
from tests.edge import synthetic
from tests.edge.synthetic import silence, speech_like, white

FIELDS = (
    "start", "end", "speech_seconds", "snr_db", "level_dbfs", "peak_dbfs", "clipped_fraction", "ended_by",
)  # fmt: skip


def cut(samples: Float32, sizes: int | Iterable[int], start: int = 0) -> list[AudioBlock]:
    """Blocks of these sizes, over and over."""
    steps = itertools.cycle([sizes] if isinstance(sizes, int) else sizes)
    blocks, position = [], 0
    while position < len(samples):
        size = next(steps)
        blocks.append(AudioBlock(samples[position : position + size], start + position))
        position += size
    return blocks


def run(samples: Float32, sizes: int | Iterable[int] = 1600, segment: Segment | None = None) -> list[Utterance]:
    """Utterances of a whole stream."""
    segmenter = Segmenter(segment or Segment())
    found = [utterance for block in cut(samples, sizes) for utterance in segmenter.push(block)]
    return found + segmenter.finish()


def assert_same(found: list[Utterance], expected: list[Utterance]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert [getattr(one, field) for field in FIELDS] == [getattr(other, field) for field in FIELDS]
        np.testing.assert_array_equal(one.samples, other.samples)


def scene() -> Float32:
    """Nine seconds: room, speech, a fan that starts, speech over it, silence, loud clipped speech to the end."""
    parts = (
        white(1.0, -65),
        speech_like(1.6, 1) * np.float32(0.5) + white(1.6, -65, 1),
        white(1.0, -65, 2),
        synthetic.fan(1.2, -45),
        speech_like(1.4, 2) * np.float32(0.4) + synthetic.fan(1.4, -45, 1),
        silence(1.0),
        np.clip(3 * speech_like(1.8, 3), -1, 1),
    )
    return np.concatenate(parts)


SCENE = scene()
WHOLE = run(SCENE)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 5000), min_size=4, max_size=12).filter(lambda sizes: sum(sizes) > 2000))
def test_the_utterances_do_not_depend_on_the_blocks(sizes: list[int]) -> None:
    """Bit for bit, figures included, for blocks of any sizes, empty ones too."""
    assert len(WHOLE) >= 3
    assert_same(run(SCENE, sizes), WHOLE)


@pytest.mark.parametrize("size", [1, 160, 512, len(SCENE)])
def test_single_samples_and_one_big_block_give_the_same(size: int) -> None:
    """The extremes of the property above; single samples over the first utterance only."""
    part = SCENE[15_000:45_000] if size == 1 else SCENE
    assert_same(run(part, size), run(part))


@settings(deadline=None, max_examples=12)
@given(st.lists(st.integers(100, 4000), min_size=1, max_size=8), st.sampled_from([2.0, 3.0, 12.0]))
def test_what_is_shown_early_is_a_prefix_of_the_utterance(sizes: list[int], limit: float) -> None:
    """open_samples only grows while an utterance is open, and the utterance begins with it."""
    segmenter = Segmenter(Segment(max_utterance_seconds=limit))
    shown, start, prefixes = np.zeros(0, np.float32), -1, 0
    for block in [*cut(SCENE, sizes), None]:
        for utterance in segmenter.push(block) if block is not None else segmenter.finish():
            if utterance.start == start:
                np.testing.assert_array_equal(shown, utterance.samples[: len(shown)])
                prefixes += len(shown) > 0
            shown = np.zeros(0, np.float32)
        now = segmenter.open_samples()
        assert segmenter.speaking == (len(now) > 0)
        if len(now):
            if segmenter.open_start == start:
                np.testing.assert_array_equal(shown, now[: len(shown)])
            shown, start = now, segmenter.open_start
        else:
            shown = now
    assert prefixes >= 1


def test_shown_samples_can_be_kept() -> None:
    """What a caller holds of an utterance is not overwritten while that goes on, and can't be written to."""
    segmenter = Segmenter(Segment())
    kept: list[tuple[Float32, Float32]] = []
    for block in cut(np.concatenate((speech_like(4.0, 4), silence(1))), 1600):
        segmenter.push(block)
        kept.append((segmenter.open_samples(), segmenter.open_samples().copy()))
    assert any(len(now) for now, _ in kept)
    for now, then in kept:
        np.testing.assert_array_equal(now, then)
    longest = max((now for now, _ in kept), key=len)
    with pytest.raises(ValueError, match="read-only"):
        longest[0] = 0


def test_lost_samples_end_the_open_utterance() -> None:
    """Nothing is glued over a gap: two utterances, each with its own stretch of the clock."""
    speech = speech_like(4.0, 5)
    segmenter = Segmenter(Segment())
    blocks = cut(speech[:32000], 1600) + cut(speech[32000:], 1600, start=32000 + 4711)
    found = [utterance for block in blocks for utterance in segmenter.push(block)] + segmenter.finish()
    assert len(found) == 2
    assert found[0].end <= 32000 < 32000 + 4711 <= found[1].start
    np.testing.assert_array_equal(found[0].samples, speech[found[0].start : found[0].end])
    offset = found[1].start - 4711
    np.testing.assert_array_equal(found[1].samples, speech[offset : offset + len(found[1].samples)])


def test_an_utterance_that_does_not_end_is_cut_and_goes_on() -> None:
    """Thirty seconds without a pause: parts within the limit, without a gap or an overlap between them."""
    speech = speech_like(30.0, 6)
    found = run(np.concatenate((speech, silence(1))), segment=Segment(max_utterance_seconds=8))
    assert len(found) >= 4
    assert [utterance.ended_by for utterance in found[:-1]] == ["limit"] * (len(found) - 1)
    assert found[-1].ended_by == "silence"
    for one, following in itertools.pairwise(found):
        assert one.end == following.start
        assert 7 <= one.duration_seconds <= 8
    samples = np.concatenate([utterance.samples for utterance in found])
    np.testing.assert_array_equal(samples, np.concatenate((speech, silence(1)))[found[0].start : found[-1].end])


def test_a_cut_falls_into_the_quietest_place_of_the_last_second() -> None:
    """A breath of 80 ms, too short to end the utterance, is where it is cut."""
    speech = speech_like(14.0, 7) + np.float32(0.05) * speech_like(14.0, 8)
    breath = slice(round(7.4 * SAMPLE_RATE), round(7.48 * SAMPLE_RATE))
    speech[breath] = 0
    first = run(speech, segment=Segment(max_utterance_seconds=8))[0]
    assert breath.start <= first.end <= breath.stop


@pytest.mark.parametrize("level", [-50, -30, -15])
@pytest.mark.parametrize(
    "sound",
    [
        pytest.param(lambda level: white(6, level), id="white"),
        pytest.param(lambda level: synthetic.fan(6, level), id="fan"),
        pytest.param(lambda level: synthetic.hum(6, level), id="hum 50"),
        pytest.param(lambda level: synthetic.hum(6, level, 60), id="hum 60"),
        pytest.param(lambda level: synthetic.hum(6, level, 120), id="transformer"),
        pytest.param(lambda level: synthetic.beeps(6, level), id="beeps"),
        pytest.param(lambda level: synthetic.chords(6, level), id="chords"),
        pytest.param(lambda level: synthetic.knocks(6, level), id="knocks"),
        pytest.param(lambda level: white(6, level) + np.float32(0.3), id="offset"),
    ],
)
@pytest.mark.parametrize("lead", [0.0, 3.0])
def test_household_noise_is_no_utterance(sound: object, level: float, lead: float) -> None:
    """Neither where the stream begins with it nor where it comes suddenly after a quiet room."""
    noise = sound(level)  # type: ignore[operator]
    assert run(np.concatenate((white(lead, -70) if lead else silence(0), noise, silence(1)))) == []


@pytest.mark.parametrize(
    "sound",
    [
        silence(5),
        np.full(80_000, 0.5, np.float32),
        np.repeat(np.float32([0, 0.5, -0.5, 0]), 20_000),
        synthetic.clicks(5),
    ],
    ids=["silence", "offset", "steps", "clicks"],
)
def test_what_has_no_sound_is_no_utterance(sound: Float32) -> None:
    assert run(sound) == []


@pytest.mark.parametrize("level", [-48, -35, -20, -8])
def test_quiet_and_loud_speech_is_found(level: float) -> None:
    """From a murmur to a shout, in a quiet room."""
    speech = np.clip(synthetic.at_level(speech_like(2.0, 9), level), -1, 1)
    samples = np.concatenate((silence(2), speech, silence(2))) + white(6.0, -70)
    found = run(samples)
    assert len(found) == 1
    assert found[0].speech_seconds > 1.1
    assert found[0].level_dbfs == pytest.approx(level, abs=3)


@pytest.mark.parametrize("snr_db", [20, 10, 5])
@pytest.mark.parametrize("noise", [white, synthetic.fan])
def test_speech_in_noise_is_found(snr_db: float, noise: object) -> None:
    """Speech over noise of -40 dBFS; the utterance says about how far it stood out."""
    speech = np.concatenate((silence(3), synthetic.at_level(speech_like(3.0, 10), snr_db - 40), silence(2)))
    found = run(speech + noise(8.0, -40))  # type: ignore[operator]
    assert found
    inside = sum(min(u.end, 96_000) - max(u.start, 48_000) for u in found)
    assert inside > 0.8 * 48_000
    assert all(40_000 < u.start < u.end < 104_000 for u in found)
    assert found[0].snr_db == pytest.approx(snr_db, abs=5)


def test_a_clip_that_is_all_speech_is_an_utterance() -> None:
    """A trimmed word of one second, no silence before or after, and nothing known about the background."""
    clip = speech_like(1.0, 11)
    (found,) = run(clip)
    assert found.ended_by == "end_of_stream"
    assert found.start == 0
    assert found.end > 15_000
    assert found.snr_db > 10


def test_start_end_and_figures_tell_what_was_there() -> None:
    """Two seconds of speech from 3.0 s on: pre-roll before it, 200 ms after it, level and peak as measured."""
    speech = speech_like(2.0, 12)
    samples = np.concatenate((silence(3), speech, silence(2))) + white(7.0, -60)
    (found,) = run(samples)
    assert found.ended_by == "silence"
    assert (found.start - 48_000) / 16 == pytest.approx(-300, abs=60)
    assert (found.end - 80_000) / 16 == pytest.approx(200, abs=60)
    np.testing.assert_array_equal(found.samples, samples[found.start : found.end])
    assert 1.5 < found.speech_seconds <= 2.1
    assert found.duration_seconds == len(found.samples) / SAMPLE_RATE
    assert found.peak_dbfs == pytest.approx(20 * np.log10(np.abs(found.samples).max()))
    rms = 10 * np.log10(np.mean(speech.astype(np.float64) ** 2))
    assert found.level_dbfs == pytest.approx(rms, abs=2)
    assert found.snr_db == pytest.approx(rms + 60, abs=3)
    assert found.clipped_fraction == 0


def test_clipping_is_told() -> None:
    """The share of samples at full scale; where resampling has hidden them, the source's own count."""
    loud = np.clip(4 * speech_like(2.0, 13), -1, 1)
    (found,) = run(np.concatenate((silence(1), loud, silence(1))))
    assert found.clipped_fraction == pytest.approx(np.mean(np.abs(found.samples) >= 0.999))
    assert found.clipped_fraction > 0.01
    segmenter = Segmenter(Segment())
    blocks = [
        AudioBlock(block.samples * np.float32(0.5), block.start, clipped=80)
        for block in cut(np.concatenate((loud, silence(1))), 1600)
    ]
    (told,) = [utterance for block in blocks for utterance in segmenter.push(block)]
    assert told.clipped_fraction == pytest.approx(0.05, abs=0.005)


def test_pauses_within_the_hang_over_do_not_end_an_utterance() -> None:
    """300 ms of silence are part of speaking; a second is not."""
    short = np.concatenate((speech_like(1.5, 14), silence(0.3), speech_like(1.5, 15), silence(1)))
    long = np.concatenate((speech_like(1.5, 14), silence(1.0), speech_like(1.5, 15), silence(1)))
    assert len(run(short)) == 1
    assert len(run(long)) == 2
    assert len(run(short, segment=Segment(hangover_ms=160))) == 2


def test_an_utterance_comes_when_the_hang_over_is_over() -> None:
    """Not before, and at most a tenth of a second later with blocks of 20 ms."""
    samples = np.concatenate((speech_like(2.0, 16), silence(3)))
    segmenter = Segmenter(Segment())
    for block in cut(samples, 320):
        found = segmenter.push(block)
        if found:
            delay = block.start + 320 - found[0].end - segmenter.closing_samples
            assert 0 <= delay <= 1600
            return
    pytest.fail("no utterance came before the stream ended")


def test_too_little_speech_is_no_utterance() -> None:
    """A quarter of a second is under the limit that the settings set."""
    assert run(np.concatenate((silence(2), speech_like(0.25, 17), silence(2)))) == []


def test_the_background_is_learned_within_three_seconds_and_not_from_speech() -> None:
    """A fan that starts raises it; ten seconds of speech in a quiet room do not."""
    segmenter = Segmenter(Segment())
    for block in cut(np.concatenate((white(4, -65), white(3, -40))), 1600):
        segmenter.push(block)
    assert segmenter.noise_dbfs == pytest.approx(-40, abs=1.5)
    segmenter.reset()
    for block in cut(np.concatenate((white(4, -65), speech_like(10, 18) + white(10, -65))), 1600):
        segmenter.push(block)
    assert segmenter.noise_dbfs < -45


def test_speech_goes_on_being_found_after_a_fan_has_started() -> None:
    """The background adapts upwards, and speech above it is found as before."""
    speech = synthetic.at_level(speech_like(2, 19), -25)
    quiet, noisy = silence(4), synthetic.fan(9, -45)
    noisy[5 * SAMPLE_RATE : 7 * SAMPLE_RATE] += speech
    found = run(np.concatenate((quiet, noisy)))
    assert len(found) == 1
    assert (found[0].start - 9 * SAMPLE_RATE) / 16 == pytest.approx(-300, abs=100)


def test_levels_are_readable_all_the_time() -> None:
    """-120 dBFS before anything is heard and in digital silence; about right after."""
    segmenter = Segmenter(Segment())
    assert segmenter.level_dbfs == segmenter.noise_dbfs == -120
    assert not segmenter.speaking
    segmenter.push(AudioBlock(silence(1), 0))
    assert segmenter.level_dbfs == -120
    segmenter.push(AudioBlock(white(1, -30), 16_000))
    assert segmenter.level_dbfs == pytest.approx(-30, abs=2)


def test_finish_and_reset_make_it_new() -> None:
    """After finish another stream may begin at any clock; after reset it is as if the first had never been."""
    segmenter = Segmenter(Segment())
    first = [u for block in cut(SCENE, 1600) for u in segmenter.push(block)] + segmenter.finish()
    assert segmenter.finish() == []
    segmenter.reset()
    again = [u for block in cut(SCENE, 1600) for u in segmenter.push(block)] + segmenter.finish()
    assert_same(again, first)


def test_memory_is_bounded() -> None:
    """A minute of speech without a pause needs no more than twenty seconds of it."""

    def peak(seconds: int) -> int:
        samples = speech_like(10, 20)
        segmenter = Segmenter(Segment())
        tracemalloc.start()
        for number in range(seconds * 10):
            block = samples[number % 100 * 1600 : (number % 100 + 1) * 1600]
            segmenter.push(AudioBlock(block, number * 1600))
            segmenter.open_samples()
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    assert peak(60) < 1.2 * peak(20) + 100_000


def test_the_demonstration_stream_falls_into_its_parts() -> None:
    """Real people, a boiler and a dog: what each person says lies inside utterances that start beside it."""
    import json

    stream = open_play().stream
    segments = json.loads(stream.with_suffix(".json").read_text(encoding="utf-8"))["segments"]
    found = run(read_samples(stream))
    spoken = [(s["start"], s["end"]) for s in segments if s["who"] not in ("silence", "noise")]
    assert len(spoken) > 10
    inside = [(u.start / SAMPLE_RATE, u.end / SAMPLE_RATE) for u in found]
    for start, end in spoken:
        held = sum(max(0.0, min(end, last) - max(start, first)) for first, last in inside)
        assert held > 0.75 * (end - start)
    strays = [
        u for u, (first, last) in zip(found, inside, strict=True) if not any(s < last and first < e for s, e in spoken)
    ]
    assert len(strays) <= 1
