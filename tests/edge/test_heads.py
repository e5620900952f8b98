"""The dense layers on the network: what compensation does to an embedding."""

from __future__ import annotations

import numpy as np
import pytest

from edge.bundle.heads import Head, compensated, unit

DIM = 6


def arrays(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "kernel": rng.normal(size=(8, DIM)).astype(np.float32),
        "bias": rng.normal(size=DIM).astype(np.float32),
    }


def test_a_compensation_that_changes_nothing_changes_nothing():
    rng = np.random.default_rng(1)
    plain = arrays(rng)
    idle = plain | {"centre": np.zeros(DIM, np.float32), "transform": np.eye(DIM, dtype=np.float32)}
    pooled = rng.normal(size=8).astype(np.float32)
    heads = [Head.from_arrays(found, 4, DIM) for found in (plain, idle)]
    np.testing.assert_allclose(heads[0].embed(pooled), heads[1].embed(pooled), rtol=1e-6)


def test_compensation_works_on_the_unit_embedding_and_gives_one():
    rng = np.random.default_rng(2)
    plain = arrays(rng)
    centre, transform = rng.normal(size=DIM).astype(np.float32), rng.normal(size=(DIM, DIM)).astype(np.float32)
    pooled = rng.normal(size=8).astype(np.float32)
    found = Head.from_arrays(plain | {"centre": centre, "transform": transform}, 4, DIM).embed(pooled)
    before = (pooled @ plain["kernel"] + plain["bias"]).astype(np.float64)
    expected = (before / np.linalg.norm(before) - centre) @ transform
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-6)
    assert np.linalg.norm(found) == pytest.approx(1.0, abs=1e-6)


def test_a_louder_pooled_vector_is_compensated_alike():
    rng = np.random.default_rng(3)
    centre, transform = rng.normal(size=DIM).astype(np.float32), rng.normal(size=(DIM, DIM)).astype(np.float32)
    vector = rng.normal(size=DIM).astype(np.float32)
    np.testing.assert_allclose(
        compensated(unit(vector), centre, transform), compensated(unit(7 * vector), centre, transform), atol=1e-6
    )
