"""The keyed rotation of voiceprints: an orthogonal matrix that only the holder of the seed can make again.

Takes a seed and a number of dimensions; gives the matrix. Must hold: lengths and cosines stay as they are (to 1e-12);
matrices of two seeds have nothing to do with each other; the same seed gives the same matrix on every machine (to
1e-11: the last bits are the linear algebra library's).

A matrix of independent normal numbers is made of the seed and factorised into Q and R; Q with the signs of R's diagonal
is uniformly distributed over all rotations and reflections (F. Mezzadri, "How to generate random matrices from the
classical compact groups", Notices of the AMS 54(5), 2007). The numbers come from SHAKE-256 (FIPS 202) by the transform
of G. Box and M. Muller, and not from numpy's generators, whose streams may change from version to version.
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

_STEPS: Final = 2.0**-53


def rotation(seed: bytes, dimensions: int) -> Float64:
    """The orthogonal matrix float64 ``(dimensions, dimensions)`` of ``seed``; ``vectors @ matrix`` turns rows."""
    factor, upper = np.linalg.qr(_normal(seed, dimensions * dimensions).reshape(dimensions, dimensions))
    matrix: Float64 = factor * np.where(np.diagonal(upper) < 0, -1.0, 1.0)
    return matrix


def _normal(seed: bytes, count: int) -> Float64:
    """``count`` independent numbers of the standard normal distribution."""
    pairs = -(-count // 2)
    stream = hashlib.shake_256(b"earmark rotation 1\0" + seed).digest(16 * pairs)
    # 53 bits each, in (0, 1]: the logarithm of 0 does not exist.
    uniform = ((np.frombuffer(stream, "<u8") >> np.uint64(11)).astype(np.float64) + 1.0) * _STEPS
    radius, angle = np.sqrt(-2.0 * np.log(uniform[:pairs])), 2.0 * np.pi * uniform[pairs:]
    numbers: Float64 = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]
    return numbers
