"""The lab: three devices with people enrolled; and an ssh that leads to this very machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.fleet.hosts import Lab, enrolled

NAMES = ("attic", "cellar", "kitchen")
SSH = """#!/bin/sh
for last; do :; done
cd && exec sh -c "$last"
"""


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


@pytest.fixture
def own_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every host is this machine, with a home that has a space in its name; gives a folder for sockets."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "ssh"
    program.write_text(SSH)
    program.chmod(0o755)
    home = tmp_path / "a home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return tmp_path
