"""Tests here leave nothing in the folder for temporary files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz.place import cleared


@pytest.fixture(autouse=True, scope="package")
def tidy() -> Iterator[None]:
    with cleared():
        yield
