"""Speech for the tests of the household bench."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.household_bench.made import corpus


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small folder of made-up voices with its manifest."""
    return corpus(tmp_path_factory.mktemp("household"))
