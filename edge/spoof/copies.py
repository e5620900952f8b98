"""Copies among the recordings that are given at one time; nothing is kept afterwards.

Takes samples, gives whether they, or a stretch of them, were added before. Must hold: judges as ``Repeats`` does.
"""

from __future__ import annotations

import secrets

from edge.records import Float32
from edge.spoof.fingerprint import Bits, kept, trace
from edge.spoof.matching import find


class Copies:
    """A memory of recordings."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._prints: list[Bits] = []

    def add(self, samples: Float32) -> None:
        """Remember ``samples`` (float32 ``(n,)``, 16 kHz)."""
        self._prints.append(kept(trace(samples, self._secret)))

    def seen(self, samples: Float32) -> bool:
        """Whether a copy of ``samples`` was added."""
        return find(samples, self._secret, self._prints) is not None
