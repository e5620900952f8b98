"""The lab: three devices with people enrolled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.fleet.hosts import Lab, enrolled

NAMES = ("attic", "cellar", "kitchen")


@pytest.fixture(scope="session")
def household(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with Ada and Ben; to be copied."""
    return enrolled(tmp_path_factory.mktemp("fleet"))


@pytest.fixture(scope="module")
def lab(household: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Three devices whose daemons run, and their broker."""
    made = Lab(tmp_path_factory.mktemp("lab"), NAMES, household)
    try:
        made.broker.start()
        made.cable.plug()
        made.listen()
        for host in made.hosts.values():
            host.start_daemon()
        for host in made.hosts.values():
            host.wait_until_up()
        yield made
    finally:
        made.close()
