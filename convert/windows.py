"""One network window of features from a clip, as the edge would make it.

Takes samples and a ``FeatureSpec``; gives float32 (window_frames, coefficients), normalised. Must hold: features and
normalisation come from ``edge.features``; a short clip is repeated to fill the window, as in ``docs/architecture.md``.
"""

from __future__ import annotations

import numpy as np

from convert.graph import Float32
from edge.features import FrontEnd, normalise
from edge.records import FeatureSpec

WINDOW_FRAMES = 300
"""Three seconds: the length that the networks are built for."""


def fill(frames: Float32, length: int = WINDOW_FRAMES) -> Float32:
    """The first ``length`` frames, repeated from the start where there are fewer."""
    return np.asarray(frames[np.arange(length) % len(frames)] if len(frames) < length else frames[:length], np.float32)


def window(spec: FeatureSpec, samples: Float32, length: int = WINDOW_FRAMES) -> Float32:
    """The first window of a clip, ready for the network."""
    return normalise(spec, fill(FrontEnd(spec).features(samples), length))
