"""Runs cases in children that may not take much memory or time, and that may crash.

Takes a target, a seed and numbers of cases; gives ``Trouble`` and figures. Must hold: a crash, a hang or a blow-up of
one case is told with its number, and the cases after it are run all the same.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import mmap
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.fuzz.target import Finding, Target

MOST_BYTES: Final = 512 << 20
"""What a case may allocate beyond what was there: a bundle may hold 96 MB, and its arrays are copied."""
MOST_SECONDS: Final = 10.0
"""Of one case, by the clock of the processor; the machine may be busy with other things."""
_PATIENCE: Final = 6.0
"""How many times as long by the clock on the wall."""


@dataclass(frozen=True)
class Trouble:
    """``where``: the innermost line of Earmark, by which equal troubles are told."""

    target: str
    number: int
    what: str
    where: str
    trace: str = ""


@dataclass
class Figures:
    """Of one target. ``grown_bytes``: by how much the memory in use grew at most. ``slowest_seconds``: of CPU."""

    cases: int = 0
    grown_bytes: int = 0
    slowest_seconds: float = 0.0
    slowest_case: int = -1
    troubles: list[Trouble] = field(default_factory=list)


class _Slow(BaseException):
    """Not an ``Exception``, so that nobody mistakes it for the fault of a file."""


def run(target: Target, seeds: Sequence[bytes], seed: int, first: int, count: int) -> Figures:
    """Run the cases ``first`` to ``first + count - 1``."""
    figures = Figures()
    number = first
    while number < first + count:
        number = _child(target, seeds, seed, number, first + count, figures)
    figures.cases = count
    return figures


def _child(target: Target, seeds: Sequence[bytes], seed: int, first: int, end: int, figures: Figures) -> int:
    """Run cases in one child; gives the first that was not run."""
    at = mmap.mmap(-1, 8)
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of threads, which do nothing here
        pid = os.fork()
    if not pid:
        os.close(reading)
        _in_child(target, seeds, seed, range(first, end), at, writing)
    os.close(writing)
    told = _listen(reading, pid, at)
    os.close(reading)
    _, status = os.waitpid(pid, 0)
    last = int.from_bytes(at[:8], "little")
    finished = False
    for line in told.decode().splitlines():
        value = json.loads(line)
        if "end" in value:
            finished = True
            figures.grown_bytes = max(figures.grown_bytes, value["grown"])
            if value["slowest"] > figures.slowest_seconds:
                figures.slowest_seconds, figures.slowest_case = value["slowest"], value["slowest_case"]
        else:
            figures.troubles.append(Trouble(target.name, **value))
    if finished:
        return end
    how = f"signal {signal.Signals(os.WTERMSIG(status)).name}" if os.WIFSIGNALED(status) else f"exit {status >> 8}"
    figures.troubles.append(Trouble(target.name, last, f"the process ended by {how}", f"{target.name}: {how}"))
    return last + 1


def _listen(reading: int, pid: int, at: mmap.mmap) -> bytes:
    """Everything that the child tells; one that gets stuck is ended."""
    told, seen, since = b"", b"", time.monotonic()
    while True:
        ready, _, _ = select.select([reading], [], [], 1.0)
        if ready:
            data = os.read(reading, 65_536)
            if not data:
                return told
            told += data
        if at[:8] != seen:
            seen, since = at[:8], time.monotonic()
        elif time.monotonic() - since > MOST_SECONDS * _PATIENCE * 1.5:
            os.kill(pid, signal.SIGKILL)
            since = time.monotonic()


def _in_child(target: Target, seeds: Sequence[bytes], seed: int, numbers: range, at: mmap.mmap, writing: int) -> None:
    code = 1
    try:
        _limit_memory()
        faulthandler.disable()
        _quieten()
        signal.signal(signal.SIGPROF, _too_slow)
        signal.signal(signal.SIGALRM, _too_slow)
        start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        slowest, slowest_case = 0.0, -1
        for number in numbers:
            at[:8] = number.to_bytes(8, "little")
            began = time.process_time()
            trouble = attempt(target, target.case(seeds, seed, number))
            spent = time.process_time() - began
            if spent > slowest:
                slowest, slowest_case = spent, number
            if trouble:
                _tell(writing, {"number": number, **trouble})
        grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start)
        _tell(writing, {"end": True, "grown": grown, "slowest": round(slowest, 3), "slowest_case": slowest_case})
        code = 0
    finally:
        os._exit(code)


def attempt(target: Target, data: bytes) -> dict[str, str] | None:
    """Run one case here and now; gives what was wrong."""
    place = Path(tempfile.mkdtemp(prefix="earmark-fuzz-"))
    signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
    signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS * _PATIENCE)
    try:
        target.run(data, place)
    except (Exception, _Slow) as error:
        return {
            "what": f"{type(error).__name__}: {str(error)[:300]}",
            "where": f"{type(error).__name__} at {_place(error)}"
            if not isinstance(error, Finding)
            else str(error)[:60],
            "trace": "".join(traceback.format_exception(error))[-4000:],
        }
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        shutil.rmtree(place, ignore_errors=True)
        gc.collect(0)
    return None


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/tests/fuzz/" not in frame.filename and "/edge/" in frame.filename] or frames
    return f"{'/'.join(Path(own[-1].filename).parts[-3:])}:{own[-1].lineno} {own[-1].name}"


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + MOST_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _quieten() -> None:
    """Whatever a C library writes to the standard error belongs to no test."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _too_slow(_number: int, _frame: object) -> None:
    raise _Slow(f"more than {MOST_SECONDS:g} s")


def _tell(writing: int, value: dict[str, object]) -> None:
    left = json.dumps(value).encode() + b"\n"
    while left:
        left = left[os.write(writing, left) :]
