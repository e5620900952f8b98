"""The outbox while others have the same file open: its own process once more, and commands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from edge.outbox import Outbox
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
