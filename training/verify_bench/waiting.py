"""How long somebody waits for the answer after the last word.

Takes a bundle, settings and utterances. Gives milliseconds per utterance. Must hold: the very pipeline of ``earmark
verify``, fed in blocks as a microphone would; what the segmenter waits for silence and what is computed stand apart.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from edge.bundle import Bundle
from edge.pipeline import Pipeline
from edge.records import SAMPLE_RATE, AudioBlock, Float32
from edge.settings import Settings
from training.listening import LEAD_IN_SECONDS, noise_like, quietest

_BLOCK: Final = SAMPLE_RATE // 50
_AFTER_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Waits:
    """Milliseconds, one per utterance: of silence until the segmenter was sure that it was over, and of computing from
    then on.
    """

    silence_ms: tuple[float, ...]
    computing_ms: tuple[float, ...]


def waits(bundle: Bundle, settings: Settings, utterances: Iterable[Float32]) -> Waits:
    """Wall-clock time on this machine. Utterances that the segmenter does not find are left out."""
    silence, computing = [], []
    for samples in utterances:
        pipeline = Pipeline(bundle, settings, claim="nobody")
        quiet = quietest(samples)
        sound = np.concatenate(
            [noise_like(quiet, LEAD_IN_SECONDS, 1), samples, noise_like(quiet, _AFTER_SECONDS, 2)]
        ).astype(np.float32)
        for start in range(0, len(sound), _BLOCK):
            begun = time.perf_counter()
            results = pipeline.push(AudioBlock(sound[start : start + _BLOCK], start))
            spent_ms = 1000 * (time.perf_counter() - begun)
            if results and start + _BLOCK > len(sound) - _AFTER_SECONDS * SAMPLE_RATE:
                silence.append(1000 * (start + _BLOCK - results[-1].utterance.end) / SAMPLE_RATE)
                computing.append(spent_ms)
                break
    return Waits(tuple(silence), tuple(computing))
