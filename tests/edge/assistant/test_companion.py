"""What a request's sound becomes, however it is cut."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("wyoming", reason="needs the extra [wyoming]")

from edge.assistant.companion import Companion
from edge.records import AudioBlock, Float32
from edge.settings import Settings


class Ear:
    """A pipeline that keeps what it is given."""

    def __init__(self) -> None:
        self.blocks: list[AudioBlock] = []

    def push(self, block: AudioBlock) -> list[Any]:
        self.blocks.append(block)
        return []

    def finish(self) -> list[Any]:
        return []

    @property
    def samples(self) -> Float32:
        return np.concatenate([np.zeros(0, np.float32), *(block.samples for block in self.blocks)])


def heard(pieces: list[bytes], width: int, channels: int) -> Float32:
    async def run() -> Float32:
        ear = Ear()
        companion = Companion(ear, Settings(), lambda result, latency_ms: None)  # type: ignore[arg-type]
        for piece in pieces:
            companion.push(16_000, width, channels, piece)
        companion.end()
        await asyncio.wait_for(companion.answer, 60)
        return ear.samples

    return asyncio.run(run())


@settings(deadline=None, max_examples=40)
@given(
    st.binary(min_size=1, max_size=4000),
    st.lists(st.integers(0, 4000), max_size=12),
    st.sampled_from([(2, 1), (2, 2), (3, 1), (4, 2)]),
)
def test_sound_is_the_same_wherever_it_is_cut(audio: bytes, cuts: list[int], form: tuple[int, int]) -> None:
    """Home Assistant's speech-to-text API cuts at line feeds, so in the middle of samples."""
    edges = [0, *sorted(cuts), len(audio)]
    pieces = [audio[start:end] for start, end in itertools.pairwise(edges)]
    np.testing.assert_array_equal(heard(pieces, *form), heard([audio], *form))
