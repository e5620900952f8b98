"""How much CPU the front-end takes beside python_speech_features. No test: a clock proves nothing on a busy machine.

    OPENBLAS_NUM_THREADS=1 python tests/edge/measure_features.py

Takes nothing; gives a table. ``paired_cost`` is what a benchmark calls: user CPU time of both, alternating, so
that whatever else the machine does falls on both alike.
"""

from __future__ import annotations

import resource
from collections.abc import Callable

import numpy as np
import python_speech_features as psf

from edge.features import FrontEnd
from edge.records import FeatureSpec, Float32

WINDOWS = {"hamming": np.hamming, "hann": np.hanning, "rectangular": np.ones}


def user_seconds(work: Callable[[], object], times: int) -> float:
    """User CPU seconds of one call of ``work``, the mean over ``times`` calls."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    for _ in range(times):
        work()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_utime - before) / times


def reference(spec: FeatureSpec, samples: Float32) -> object:
    """What a project without Earmark would call."""
    common = {
        "nfilt": spec.n_mels,
        "nfft": spec.n_fft,
        "lowfreq": spec.f_min,
        "highfreq": spec.f_max,
        "preemph": spec.preemphasis,
        "winfunc": WINDOWS[spec.window],
    }
    if spec.n_ceps:
        return psf.mfcc(samples * 32768.0, numcep=spec.n_ceps, ceplifter=spec.lifter, appendEnergy=False, **common)
    return np.log(np.maximum(psf.fbank(samples * 32768.0, **common)[0], spec.log_floor))


def paired_cost(spec: FeatureSpec, *, seconds: float = 3.0, runs: int = 15) -> tuple[float, float, float]:
    """CPU milliseconds per second of audio: (python_speech_features, ours, median of the ratios run by run)."""
    samples = (np.random.default_rng(0).standard_normal(int(seconds * 16000)) * 0.05).astype(np.float32)
    front_end = FrontEnd(spec)
    pairs = np.array(
        [
            (user_seconds(lambda: reference(spec, samples), 8), user_seconds(lambda: front_end.features(samples), 24))
            for _ in range(runs)
        ]
    )
    theirs, ours = np.median(pairs, axis=0) * 1000 / seconds
    return float(theirs), float(ours), float(np.median(pairs[:, 0] / pairs[:, 1]))


if __name__ == "__main__":
    print(f"numpy {np.__version__}, CPU-ms per second of audio, 3 s utterances, median of 15 alternating runs")
    for name, spec in (
        ("log-mel 80, n_fft 640", FeatureSpec(n_ceps=0)),
        ("MFCC 80 of 80, n_fft 640", FeatureSpec()),
        ("MFCC 13 of 26, n_fft 512", FeatureSpec(n_fft=512, n_mels=26, n_ceps=13, f_min=0.0, lifter=22)),
        ("MFCC 40 of 40, n_fft 512", FeatureSpec(n_fft=512, n_mels=40, n_ceps=40, f_min=0.0)),
    ):
        theirs, ours, ratio = paired_cost(spec)
        print(f"{name:28} python_speech_features {theirs:.2f}  earmark {ours:.2f}  {ratio:.1f} times faster")
