"""Ada and Ben, enrolled through the command line into a state folder."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from edge.cli import main
from edge.demo.stage import open_play
from edge.people import PeopleStore


def enrol(folder: Path, bundle: str) -> None:
    """Make ``folder`` a household of two people known to ``bundle``."""
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stderr(nowhere),
        contextlib.redirect_stdout(nowhere),
    ):
        for actor in open_play().actors:
            clips = map(str, actor.clips)
            place = ["--state", str(folder), "--bundle", bundle, "--quiet"]
            assert main(["enroll", actor.name, *clips, *place]) == 0


def names(folder: Path) -> dict[str, str]:
    """Id -> name."""
    with PeopleStore(folder) as store:
        return {one.id: one.name for one in store.people()}
