"""The outbox while others have the same file open: its own process once more, and commands."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edge.errors import StorageError
from edge.outbox import Outbox, erasure
from edge.outbox.database import OutboxCounters, peek
from tests.edge.test_outbox import event

COUNT = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
print(db.execute("SELECT COUNT(*) FROM messages").fetchone()[0])
db.close()
"""


def counted_elsewhere(path: Path) -> int:
    """As a command does that looks into the outbox of a daemon."""
    asked = [sys.executable, "-c", COUNT, str(path)]
    return int(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)


def test_what_is_appended_after_a_reload_and_a_command_is_on_the_disk(tmp_path: Path) -> None:
    """A daemon that reloads has the outbox open twice for a moment. Did it lose its locks by that, the command would
    take itself for the last user and delete the log, to which the daemon goes on appending.
    """
    path = tmp_path / "outbox.sqlite"
    before = Outbox(path)
    before.append(event(1))
    with Outbox(path) as outbox:
        before.close()
        assert counted_elsewhere(path) == 1
        outbox.append(event(2))
        assert counted_elsewhere(path) == 2


LOOKS: list[tuple[Callable[[Path], Any], Any]] = [
    (peek, OutboxCounters(0, 0, 0, 0)),
    (lambda path: erasure.drop_events(path, {"Ada"}), 0),
    (lambda path: erasure.mentioned(path, "p0001", {"Ada"}), False),
    (erasure.scrub, True),
]


@pytest.mark.parametrize("made", ["file", "log"])
@pytest.mark.parametrize(("look", "nothing"), LOOKS, ids=["peek", "drop", "mentioned", "scrub"])
def test_an_outbox_that_is_just_being_made_is_empty(
    tmp_path: Path, look: Callable[[Path], Any], nothing: object, made: str
) -> None:
    """As a command finds it between two steps of a daemon that starts for the first time."""
    path = tmp_path / "outbox.sqlite"
    path.touch(0o600)
    with closing(sqlite3.connect(path)) as daemon:
        if made == "log":
            daemon.execute("PRAGMA journal_mode = WAL")
        assert look(path) == nothing
    with Outbox(path) as outbox:
        outbox.append(event(1))
        assert peek(path).pending == 1


@pytest.mark.parametrize(("look", "nothing"), LOOKS, ids=["peek", "drop", "mentioned", "scrub"])
@pytest.mark.parametrize("made", ["CREATE TABLE t (a)", "PRAGMA user_version = 1", "PRAGMA application_id = 7"])
def test_a_file_without_our_tables_that_was_begun_by_another_is_damaged(
    tmp_path: Path, look: Callable[[Path], Any], nothing: object, made: str
) -> None:
    path = tmp_path / "outbox.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(made)
    with pytest.raises(StorageError, match="other tables"):
        look(path)
