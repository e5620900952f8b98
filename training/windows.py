"""What happens to a stretch of frames that is shorter than a network's window.

Takes frames; gives as many as were asked for. Must hold: a short clip is repeated to fill the window, as in
``docs/architecture.md``, wherever features are cut into windows.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from edge.records import Float32

WINDOW_FRAMES: Final = 300
"""Three seconds: the length that the networks are built for."""


def fill(frames: Float32, length: int = WINDOW_FRAMES) -> Float32:
    """The first ``length`` frames, repeated from the start where there are fewer."""
    return np.asarray(frames[np.arange(length) % len(frames)] if len(frames) < length else frames[:length], np.float32)
