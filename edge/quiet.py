"""Keeps C libraries from writing to the terminal.

Takes: a stretch of code. Gives: the same, while what is written to file descriptor 2 is caught. Must hold: descriptor 2
is put back whatever happens, also with several threads; what is not known to be chatter is not lost. Logs have a
descriptor of their own (``private_stderr``), because a line that another thread logs in these milliseconds must not
wait, and must not count as chatter.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, TextIO

_log = logging.getLogger(__name__)
_lock = threading.RLock()
"""One for all: two that redirect at the same time would put each other's file back."""

_STDERR: Final = 2
_private: TextIO | None = None


@contextmanager
def quiet_stderr(chatter: bytes | None = None) -> Iterator[None]:
    """Redirect descriptor 2 around calls into a C library.

    ``chatter``: how the lines begin that go to the debug log; None for all of them (ALSA and JACK have endless forms).
    Other lines arrive on descriptor 2 at the end. Does nothing where descriptor 2 is closed.
    """
    with _lock:
        try:
            saved = os.dup(_STDERR)
        except OSError:
            yield
            return
        _flush()
        caught = _scratch()
        os.dup2(caught, _STDERR)
        try:
            yield
        finally:
            _flush()
            os.dup2(saved, _STDERR)
            os.lseek(caught, 0, os.SEEK_SET)
            with os.fdopen(caught, "rb") as written:
                lines = written.read().splitlines(keepends=True)
            try:
                _sort_out(lines, chatter, saved)
            finally:
                os.close(saved)


def private_stderr() -> TextIO:
    """The standard error under a descriptor that ``quiet_stderr`` never touches; made at the first call.

    Gives ``sys.stderr`` itself where that is not descriptor 2, or is closed.
    """
    global _private  # noqa: PLW0603 - one per process, like the standard error itself
    if _private is None:
        try:
            if sys.stderr.fileno() != _STDERR:
                return sys.stderr
            with _lock:
                _private = os.fdopen(os.dup(_STDERR), "w", buffering=1, errors="backslashreplace")
        except (OSError, ValueError, AttributeError):
            return sys.stderr
    return _private


def _flush() -> None:
    # What Python still holds belongs to the file that is there now.
    # A stream that is closed or whose reader is gone must not keep descriptor 2 from being put back.
    with suppress(AttributeError, OSError, ValueError):
        sys.stderr.flush()


def _sort_out(lines: list[bytes], chatter: bytes | None, saved: int) -> None:
    for line in lines:
        if chatter is None or line.startswith(chatter):
            _log.debug("suppressed: %s", line.decode(errors="replace").rstrip())
        else:
            os.write(saved, line)


def _renew() -> None:
    """A child has descriptors of its own, and none of the threads of which one may have held the lock."""
    global _lock  # noqa: PLW0603 - as above
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_renew)


def _scratch() -> int:
    """A file in memory: a service may have no folder to write to."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("earmark-stderr")
    return os.open(os.devnull, os.O_RDWR)
