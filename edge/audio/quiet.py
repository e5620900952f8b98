"""Keeps C libraries from writing to the terminal.

Takes: a stretch of code. Gives: the same, while whatever is written to file descriptor 2 goes to the debug log. Must
hold: descriptor 2 is put back whatever happens, also with several threads; what other threads write during these
milliseconds is not lost either, it goes to the debug log too.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_log = logging.getLogger(__name__)
_lock = threading.RLock()


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Redirect descriptor 2 around calls into PortAudio (ALSA and JACK complain) and libsndfile (mpg123 does).

    Does nothing where descriptor 2 is closed.
    """
    with _lock:
        try:
            saved = os.dup(2)
        except OSError:
            yield
            return
        if sys.stderr is not None:
            sys.stderr.flush()
        noise = _scratch()
        os.dup2(noise, 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            os.lseek(noise, 0, os.SEEK_SET)
            with os.fdopen(noise, "rb") as written:
                for line in written.read().decode(errors="replace").splitlines():
                    _log.debug("suppressed: %s", line)


def _scratch() -> int:
    """A file in memory: a service may have no folder to write to."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("earmark-stderr")
    return os.open(os.devnull, os.O_RDWR)
