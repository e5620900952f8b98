"""Where fuzzing leaves its files: one folder, which goes at the end.

Must hold: also what a target keeps for the next case goes then, and what a case leaves whose process was ended.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def cleared() -> Iterator[None]:
    """Every temporary file of this process and its children lies in a folder that goes with this."""
    # A short name: paths of sockets below it have no more than 107 bytes.
    with tempfile.TemporaryDirectory(prefix="earmark-fuzz-", ignore_cleanup_errors=True) as folder:
        before, tempfile.tempdir = tempfile.tempdir, folder
        try:
            yield
        finally:
            tempfile.tempdir = before
