"""Memory that was used for sound goes back to the system at once, for a process that runs for weeks.

Takes nothing, gives nothing. Must hold: a C library that knows no such setting is left as it is.
"""

from __future__ import annotations

import ctypes
from typing import Final

_M_MMAP_THRESHOLD: Final = -3
"""See mallopt(3)."""
_FROM_BYTES: Final = 128 * 1024
"""glibc's own default: a second and more of sound."""


def give_back_large_blocks() -> None:
    """Let every large block be a mapping of its own, also after the first of them was freed.

    From then on glibc would put blocks of that size among the small ones, where they leave holes: memory grows in
    steps of a megabyte, for hours, until the holes fit (mallopt(3), "dynamic mmap threshold"). Setting it ends that.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _FROM_BYTES)
