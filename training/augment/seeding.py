"""Random numbers that belong to a clip, not to the order of work.

Takes a seed and a key, gives a numpy ``Generator``. Must hold: the same pair gives the same numbers in every process
and on every machine, so that a clip gets the same augmentation whichever worker meets it, and when.
"""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, key: str) -> np.random.Generator:
    """Give the generator of ``key`` (for example ``train/a.ogg#view2``) under ``seed``, from a SHA-256 of both."""
    digest = hashlib.sha256(f"{seed}\0{key}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))
