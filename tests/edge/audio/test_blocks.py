"""Blocks: one clock, nothing uncounted, nothing that is no number."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.audio.blocks import BlockMaker
from edge.records import AudioBlock
from tests.edge.audio.sounds import cuts


def made(maker: BlockMaker, *pieces: np.ndarray | int) -> list[AudioBlock]:
    """Push arrays, report whole numbers as lost frames, finish."""
    blocks = [maker.lost(piece) if isinstance(piece, int) else maker.push(piece) for piece in pieces]
    return [block for block in [*blocks, maker.finish()] if block]


def random_frames(seed: int, count: int, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.9, 0.9, (count, channels)).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(
    rate=st.sampled_from([8_000, 16_000, 44_100, 48_000]),
    channels=st.integers(1, 3),
    count=st.integers(10, 8_000),
    seed=st.integers(0, 2**31),
)
def test_samples_and_clock_do_not_depend_on_the_pieces(rate: int, channels: int, count: int, seed: int) -> None:
    frames = random_frames(seed, count, channels)
    blocks = made(BlockMaker(rate, channels), *cuts(frames, seed))
    whole = made(BlockMaker(rate, channels), frames)
    starts = np.cumsum([0] + [len(block.samples) for block in blocks])
    assert [block.start for block in blocks] == starts[:-1].tolist()
    assert starts[-1] == round(count * 16_000 / rate)
    joined = np.concatenate([block.samples for block in blocks])
    assert np.abs(joined - np.concatenate([block.samples for block in whole])).max() <= 1.2e-7


@settings(max_examples=40, deadline=None)
@given(
    rate=st.sampled_from([11_025, 16_000, 44_100, 48_000]),
    parts=st.lists(st.tuples(st.integers(0, 3_000), st.integers(1, 50_000)), min_size=1, max_size=5),
)
def test_lost_frames_move_the_clock_by_their_duration(rate: int, parts: list[tuple[int, int]]) -> None:
    pieces: list[np.ndarray | int] = []
    for count, lost in parts:
        pieces += [random_frames(count, count), lost]
    blocks = made(BlockMaker(rate, 1), *pieces, random_frames(7, 4_000))
    end = 0
    for block in blocks:
        assert block.start == end + block.dropped
        end = block.start + len(block.samples)
    frames = sum(count + lost for count, lost in parts) + 4_000
    assert abs(end - frames * 16_000 / rate) <= 2
    assert sum(block.dropped for block in blocks) == pytest.approx(
        sum(lost for _, lost in parts) * 16_000 / rate, abs=2 * len(parts)
    )


def test_a_gap_does_not_smear_sound_into_the_other_side() -> None:
    loud, quiet = np.ones((4_800, 1), np.float32) * 0.5, np.zeros((4_800, 1), np.float32)
    after = [block for block in made(BlockMaker(48_000, 1), loud, 480, quiet) if block.start >= 1_760]
    assert sum(np.abs(block.samples).sum() for block in after) == 0


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_what_is_no_number_becomes_silence_and_is_counted(rate: int, channels: int) -> None:
    frames = random_frames(1, rate // 10, channels)
    frames[10, 0], frames[20, 0], frames[30, -1] = np.nan, np.inf, -np.inf
    maker = BlockMaker(rate, channels)
    blocks = made(maker, frames)
    assert maker.repaired == 3
    assert all(np.isfinite(block.samples).all() and np.abs(block.samples).max() < 2 for block in blocks)


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_clipping_is_counted_in_samples_of_16_khz(rate: int) -> None:
    frames = random_frames(2, rate, 2)
    frames[100 : 100 + rate // 10, 1] = 1.0
    blocks = made(BlockMaker(rate, 2), *np.array_split(frames, 10))
    assert sum(block.clipped for block in blocks) == pytest.approx(1_600, abs=3)
    assert all(block.clipped <= len(block.samples) for block in blocks)


def test_sound_below_full_scale_is_not_clipped() -> None:
    assert all(block.clipped == 0 for block in made(BlockMaker(16_000, 1), random_frames(3, 16_000)))
