"""A first run in a process of its own, which may crash, hang or ask for too much memory in place of this one.

Takes something to do. Gives: what went wrong, in words. Must hold: nothing that it does reaches this process; it ends
in time. The interpreters are written in C++: tflite-runtime 2.14 believes every number in a model, and of files in
which something was changed, about one in a hundred makes it crash though its structure is sound.
"""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

MOST_BYTES: Final = 512 << 20
"""What it may allocate; the largest bundle that Earmark comes with needs about 40 MB."""
MOST_SECONDS: Final = 20.0
"""Within the 30 s after which a supervisor takes a daemon that reloads for dead."""
_LOOK_SECONDS: Final = 0.005
_MEMORY, _OTHER = 3, 0


def fault_of(act: Callable[[], object]) -> str:
    """Do ``act`` in a child of this process: ``crashes``, ``needs too much memory``, ``takes too long``, or nothing
    where it comes to an end, be it with an exception, which it will raise here as well.
    """
    if "tensorflow" in sys.modules:  # whose threads do not survive a fork; it is not on the device
        return ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads: the child takes no lock of theirs
        pid = os.fork()
    if not pid:
        _child(act)
    deadline = time.monotonic() + MOST_SECONDS
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            break
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return "takes too long"
        time.sleep(_LOOK_SECONDS)
    if os.WIFSIGNALED(status):
        return "crashes"
    return "needs too much memory" if os.WEXITSTATUS(status) == _MEMORY else ""


def _child(act: Callable[[], object]) -> NoReturn:
    code = _OTHER
    try:
        faulthandler.disable()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with suppress(OSError, ValueError):  # where /proc is not mounted, or a lower limit holds
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
            limit = pages * resource.getpagesize() + MOST_BYTES
            resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
        act()
    except MemoryError:
        code = _MEMORY
    except BaseException:
        code = _OTHER
    finally:
        os._exit(code)
