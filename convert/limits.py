"""What a conversion may lose; beyond it the command fails and writes nothing.

Takes nothing, gives numbers. Must hold: docs/encoder.md and the help of ``earmark convert`` state the same ones.
"""

from __future__ import annotations

from typing import Final

LEAST_MEAN_COSINE: Final = 0.98
"""Of a file's embeddings to those of the float file."""

MAX_EER_LOSS: Final = 0.3
"""Points of EER that int8 may be worse than its own float on any trial list."""

MAX_RUNTIME_GAP: Final = 0.1
"""Points of EER that the runtimes may be apart on any trial list, with the same int8 file."""
