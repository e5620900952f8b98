"""Waiting for a lock on a file that another thread or process has.

Takes an open file; gives whether the lock was had in time. Must hold: whoever waits takes little time from the one who
is waited for, however many wait.
"""

from __future__ import annotations

import fcntl
import random
import time
from typing import Final

_FIRST_PAUSE_SECONDS: Final = 0.01
_LONGEST_PAUSE_SECONDS: Final = 0.2


def lock_within(handle: int, seconds: float) -> bool:
    """Lock the file for this handle alone, until it is closed; False where another one still had it after ``seconds``.

    Raises ``OSError``, among others where the file system knows no locks.
    """
    deadline, pause = time.monotonic() + seconds, _FIRST_PAUSE_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            # Many who look again and again take the time from the one who has it; those who wait equally long come
            # back all together.
            time.sleep(random.uniform(0.5, 1.0) * pause)
            pause = min(_LONGEST_PAUSE_SECONDS, 1.5 * pause)
        else:
            return True
