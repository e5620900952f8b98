"""Ctrl-C, a closed SSH session and a polite kill, all alike; and a stretch in which they wait.

Takes nothing. Gives ``KeyboardInterrupt`` for each of them. Must hold: on the way back to the version before, nothing
interrupts any more.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_ALL: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[None]:
    """All of them end the work like Ctrl-C."""
    before = {number: signal.signal(number, _interrupt) for number in _ALL}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """None of them does anything until the end."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _ALL}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
