"""The keyed rotation: cosines stay, vectors go anywhere, and only the key leads back."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.vault import Key, Vault, rotation

seeds = st.binary(min_size=1, max_size=40)
dimensions = st.integers(1, 96)


def vault(secret: bytes = b"k" * 32, salt: bytes = b"s" * 16) -> Vault:
    return Vault(Key(secret, Path("key"), True), salt)


def unit(rng: np.random.Generator, *shape: int):
    found = rng.normal(size=shape).astype(np.float32)
    return found / np.linalg.norm(found, axis=-1, keepdims=True)


@settings(max_examples=40, deadline=None)
@given(seeds, dimensions, st.integers(0, 2**32 - 1))
def test_lengths_and_cosines_stay_as_they_are(seed, dim, number):
    matrix = rotation(seed, dim)
    assert np.abs(matrix @ matrix.T - np.eye(dim)).max() < 1e-12
    left, right = np.random.default_rng(number).normal(size=(2, 5, dim))
    cosines = [
        (a @ b.T) / np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))
        for a, b in ((left, right), (left @ matrix, right @ matrix))
    ]
    assert np.abs(cosines[0] - cosines[1]).max() < 1e-12


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), dimensions)
def test_a_vector_comes_back_to_the_bit(number, dim):
    """The turned vector is kept in float64, so that nothing of float32 is lost, however often the key changes."""
    vector = np.random.default_rng(number).normal(size=dim).astype(np.float32)
    found = vector
    for change in range(3):
        one = vault(salt=bytes([change]) * 16)
        found = one.back(one.turn(found))
    assert found.dtype == np.float32
    assert np.array_equal(found, vector)


def test_in_float32_too_a_cosine_moves_by_less_than_a_millionth():
    rng = np.random.default_rng(5)
    matrix = rotation(b"seed", 192).astype(np.float32)
    left, right = unit(rng, 200, 192), unit(rng, 200, 192)
    moved = np.sum(left * right, axis=1) - np.sum((left @ matrix) * (right @ matrix), axis=1)
    assert np.abs(moved).max() < 1e-6


def test_two_keys_or_two_databases_have_nothing_to_do_with_each_other():
    """Turned by two vaults, one voice is as unlike itself as any two directions are."""
    rng = np.random.default_rng(7)
    voices = unit(rng, 100, 192)
    vaults = vault(), vault(secret=b"l" * 32), vault(salt=b"t" * 16)
    turned = [np.stack([one.turn(voice) for voice in voices]) for one in vaults]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        cosines = np.sum(turned[one] * turned[other], axis=1)
        # Cosines of independent directions in 192 dimensions have the deviation 1 / sqrt(192) = 0.072.
        assert abs(cosines.mean()) < 4 * 0.072 / 10
        assert 0.05 < cosines.std() < 0.095
    assert np.abs(np.sum(turned[0] * turned[0], axis=1) - 1).max() < 1e-6


def test_every_direction_is_as_likely_as_any_other():
    """The first axis goes anywhere: over many keys its images have the mean 0 and the covariance of a sphere."""
    images = np.stack([rotation(hashlib.sha256(bytes([n])).digest(), 8)[0] for n in range(250)])
    assert np.abs(images.mean(axis=0)).max() < 5 / np.sqrt(8 * 250)
    assert np.abs(np.cov(images.T) - np.eye(8) / 8).max() < 0.06


def test_the_rotation_of_a_seed_never_changes():
    """Databases of earlier versions must open: the generator is part of their format."""
    found = rotation(b"seed", 3)
    expected = [
        [-0.5613825842220, 0.3756236716621, -0.7373984346466],
        [-0.6162891558202, -0.7844386650562, 0.0695963877178],
        [0.5523017929997, -0.4935208587810, -0.6718630004676],
    ]
    assert np.abs(found - np.array(expected)).max() < 1e-11
