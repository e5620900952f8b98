"""CPU time of each stage on a three-second utterance, and of the speech gate on a quiet room.

Takes an opened bundle; gives CPU milliseconds per second of audio. Must hold: each figure is the median of many runs
after a warm-up; the stages run in turn, so that a disturbance falls on all of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from edge.audio import read_samples
from edge.bundle import Bundle
from edge.decision import Decider
from edge.records import SAMPLE_RATE, AudioBlock, Embedding, Float32, Utterance, Voiceprint
from edge.scoring import Calibration, Scorer
from edge.segment import Segmenter
from edge.settings import Decide, Segment

UTTERANCE_SECONDS: Final = 3.0
_BLOCK: Final = SAMPLE_RATE // 10
_QUIET_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class StageCosts:
    """CPU milliseconds per second of audio, medians. ``idle_cpu_percent``: gate alone on a quiet room, of one core."""

    frontend: float
    encoder: float
    decision: float
    gate: float
    idle_cpu_percent: float

    @property
    def total(self) -> float:
        """Front-end, network and decision."""
        return self.frontend + self.encoder + self.decision


def stage_costs(bundle: Bundle, speech: Float32, *, runs: int = 25) -> StageCosts:
    """Measure with ``speech`` float32 ``(n,)``, of which the first three seconds are used."""
    samples = np.ascontiguousarray(speech[: int(UTTERANCE_SECONDS * SAMPLE_RATE)], np.float32)
    seconds = len(samples) / SAMPLE_RATE
    utterance = Utterance(samples, 0, len(samples), seconds, 25.0, -25.0, -6.0, 0.0, "silence")
    embedding = bundle.analyse(samples)
    people = _people(embedding)
    decider = Decider(Decide(), Scorer(Calibration.from_json(bundle.calibration), bundle.cohort))
    rows = []
    for _ in range(runs + 3):
        stream = bundle.stream()
        stream.push(samples)
        stream.finish()
        begun = time.thread_time()
        decider.decide(utterance, embedding, people)
        decision = 1000 * (time.thread_time() - begun)
        decider.reset()
        rows.append((stream.frontend_ms, stream.encoder_ms, decision, _gate_ms(samples)))
    frontend, encoder, decision, gate = (float(v) / seconds for v in np.median(np.array(rows[3:]), axis=0))
    return StageCosts(frontend, encoder, decision, gate, _idle_percent())


def _people(embedding: Embedding) -> list[Voiceprint]:
    """Four people, one of them the speaker: an ordinary household."""
    rng = np.random.default_rng(0)
    vectors = [embedding.vector]
    for _ in range(3):
        other = rng.standard_normal(len(embedding.vector)).astype(np.float32)
        vectors.append(other / np.float32(np.linalg.norm(other)))
    return [Voiceprint(f"p{i:04x}", str(i), v, 20.0, 5, 0.8, embedding.encoder) for i, v in enumerate(vectors)]


def _gate_ms(samples: Float32) -> float:
    segmenter = Segmenter(Segment())
    begun = time.thread_time()
    for start in range(0, len(samples), _BLOCK):
        segmenter.push(AudioBlock(samples[start : start + _BLOCK], start))
    return 1000 * (time.thread_time() - begun)


def _idle_percent() -> float:
    """CPU of the gate on a minute of a quiet room (white noise at -55 dBFS), in percent of real time."""
    rng = np.random.default_rng(1)
    quiet = (10 ** (-55 / 20) * rng.standard_normal(_QUIET_SECONDS * SAMPLE_RATE)).astype(np.float32)
    return 100 * _gate_ms(quiet) / 1000 / _QUIET_SECONDS


def speech_for(path: str) -> Float32:
    """Samples of a recording for the measurements."""
    return read_samples(path)


_REFERENCE: Final = """
import json, sys, time
import numpy as np
import python_speech_features as psf
from edge.features import FrontEnd
from edge.records import FeatureSpec
raw = json.loads(sys.argv[1])
spec = FeatureSpec(**{**raw, "mean": tuple(raw["mean"]), "scale": tuple(raw["scale"])})
samples = (np.random.default_rng(0).standard_normal(48000) * 0.05).astype(np.float32)
common = dict(nfilt=spec.n_mels, nfft=spec.n_fft, lowfreq=spec.f_min, highfreq=spec.f_max,
              preemph=spec.preemphasis, winfunc=np.hamming)
scaled = samples * 32768.0
if spec.n_ceps:
    theirs = lambda: psf.mfcc(scaled, numcep=spec.n_ceps, ceplifter=spec.lifter, appendEnergy=False, **common)
else:
    theirs = lambda: np.log(np.maximum(psf.fbank(scaled, **common)[0], spec.log_floor))
front_end = FrontEnd(spec)
ours = lambda: front_end.features(samples)
def cost(work, times):
    begun = time.thread_time()
    for _ in range(times):
        work()
    return (time.thread_time() - begun) / times
cost(theirs, 2), cost(ours, 2)
pairs = np.array([(cost(theirs, 6), cost(ours, 12)) for _ in range(15)]) * 1000 / 3
print(json.dumps({"reference": float(np.median(pairs[:, 0])), "ours": float(np.median(pairs[:, 1])),
                  "speedup": float(np.median(pairs[:, 0] / pairs[:, 1]))}))
"""


def against_reference(bundle: Bundle) -> dict[str, Any]:
    """Our front-end and python_speech_features side by side, alternating, in a process of their own.

    Gives ``reference`` and ``ours`` (CPU-ms per second of audio) and ``speedup`` (median of the ratios), or
    ``missing``: why there is no comparison. A process of its own, because the reference needs scipy and this one must
    not load it.
    """
    spec = json.dumps(bundle.spec.to_json())
    environment = dict(os.environ) | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", _REFERENCE, spec], capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        absent = "No module named" in done.stderr
        return {"missing": "python_speech_features or scipy is not installed" if absent else done.stderr.strip()[-200:]}
    result: dict[str, Any] = json.loads(done.stdout)
    return result
