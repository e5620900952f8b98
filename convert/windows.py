"""One network window of features from a clip, as the edge would make it.

Takes samples and a ``FeatureSpec``; gives float32 (window_frames, coefficients), normalised. Must hold: features and
normalisation come from ``edge.features``; a short clip is repeated to fill the window, as in ``docs/architecture.md``.
"""

from __future__ import annotations

from convert.graph import Float32
from edge.features import FrontEnd, normalise
from edge.records import FeatureSpec
from training.windows import WINDOW_FRAMES, fill

__all__ = ["WINDOW_FRAMES", "fill", "window"]


def window(spec: FeatureSpec, samples: Float32, length: int = WINDOW_FRAMES) -> Float32:
    """The first window of a clip, ready for the network."""
    return normalise(spec, fill(FrontEnd(spec).features(samples), length))
