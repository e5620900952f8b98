"""One Ctrl-C is enough.

Takes nothing, gives a context for a whole command. Must hold: a Ctrl-C that Python would drop still ends the command;
every other exception that Python drops is reported as before.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_SOON_SECONDS: Final = 0.05


@contextmanager
def every_interrupt_counts() -> Iterator[None]:
    """Press Ctrl-C again where it came during a finaliser or a weak reference's callback, whose exceptions are lost."""
    before = sys.unraisablehook
    main = threading.main_thread().ident or 0

    def again(lost: sys.UnraisableHookArgs) -> None:
        if issubclass(lost.exc_type, KeyboardInterrupt):
            # Not here: this hook's own exceptions are lost as well.
            repeat = threading.Timer(_SOON_SECONDS, signal.pthread_kill, (main, signal.SIGINT))
            repeat.daemon = True
            repeat.start()
        else:
            before(lost)

    sys.unraisablehook = again
    try:
        yield
    finally:
        sys.unraisablehook = before
