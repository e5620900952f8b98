"""Somebody who talks without end, into a pipe."""

from __future__ import annotations

import os
import threading
import time

import numpy as np

from edge.audio import read_samples
from edge.demo.stage import ASSETS

_CHUNK = 3200


class Speech(threading.Thread):
    """Three people in turn, as 16-bit samples at 16 kHz, ``pace`` times real time. Where ``pipe`` is non-blocking, what
    nobody listens to is lost, as at a microphone.
    """

    def __init__(self, pipe: int, pace: float = 1.0) -> None:
        super().__init__(daemon=True)
        parts = []
        for name in ("clip-1-ada.ogg", "clip-3-ben.ogg", "clip-2-ada.ogg", "clip-5-stranger.ogg"):
            parts += [read_samples(ASSETS / name), np.zeros(12_000, np.float32)]
        self._bytes = (np.concatenate(parts) * 32767).astype("<i2").tobytes()
        self._pipe = pipe
        self._pace = pace
        self._over = threading.Event()

    def run(self) -> None:
        began, sent = time.monotonic(), 0
        while not self._over.is_set():
            at = sent % len(self._bytes)
            piece = self._bytes[at : at + _CHUNK]
            try:
                os.write(self._pipe, piece)
            except BlockingIOError:
                pass
            except OSError:  # nobody will listen any more
                return
            sent += len(piece)
            time.sleep(max(0.0, began + sent / 32_000 / self._pace - time.monotonic()))

    def hush(self) -> None:
        """End, within a tenth of a second."""
        self._over.set()
