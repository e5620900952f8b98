"""Many at once, and ended in the middle: real processes on the real clock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edge.auth import audit
from edge.auth.clock import BootClock, ManualBootClock
from edge.auth.gate import Counter
from edge.errors import LockedOut

ROOT = Path(__file__).parents[3]

STORM = """
import os, sys
from pathlib import Path
from edge.auth.clock import BootClock
from edge.auth.gate import Counter
from edge.errors import LockedOut
folder, verdict = Path(sys.argv[1]), sys.argv[2]
Counter(folder, BootClock()).close()
gate, go = os.pipe()
children = []
for _ in range(50):
    child = os.fork()
    if child == 0:
        os.close(go)
        os.read(gate, 1)  # all begin when the parent hangs up
        counter = Counter(folder, BootClock())
        try:
            taken = counter.begin("p0001", {}, called="Ada")
        except LockedOut:
            os._exit(4)
        if verdict:
            counter.end(taken.number, "p0001", "attempt", verdict, {})
        os._exit(0)
    children.append(child)
os.close(go)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
print(codes.count(0), codes.count(4))
"""

KILLED = """
import os, signal, sys
from pathlib import Path
from edge.auth import files
from edge.auth.clock import BootClock
from edge.auth.gate import Counter
folder, when = Path(sys.argv[1]), sys.argv[2]
counter = Counter(folder, BootClock())
taken = counter.begin("p0001", {}, called="Ada")
def die(path, text):
    if when == "half a line":
        with open(path, "ab") as file:
            file.write(text[: len(text) // 2])
    os.kill(os.getpid(), signal.SIGKILL)
if when != "listening":
    files.append = die
    counter.end(taken.number, "p0001", "attempt", "failed", {"outcome": "no_match"})
os.kill(os.getpid(), signal.SIGKILL)
"""


def script(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", text, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("verdict", ["", "failed"])
def test_of_fifty_processes_at_once_five_are_heard(folder, verdict) -> None:
    done = script(STORM, str(folder), verdict)
    assert done.stdout.split() == ["5", "45"], done.stderr
    report = audit.check(folder)
    assert not report.faults


def test_of_fifty_threads_at_once_one_is_heard_when_the_delay_is_over(folder) -> None:
    clock = ManualBootClock()
    counter = Counter(folder, clock)
    for _ in range(5):
        counter.begin("p0001", {}, called="Ada")
    clock.advance(30)
    heard, line = [], threading.Barrier(50)

    def one() -> None:
        line.wait()
        try:
            heard.append(counter.begin("p0001", {}, called="Ada"))
        except LockedOut:
            return

    threads = [threading.Thread(target=one) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counter.close()
    assert len(heard) == 1


def test_an_attempt_that_was_killed_while_listening_has_failed(folder) -> None:
    for _ in range(2):
        assert script(KILLED, str(folder), "listening").returncode == -signal.SIGKILL
    counter = Counter(folder, ManualBootClock(boot="the next boot"))
    assert counter.failures("p0001") == 2
    counter.begin("p0002", {}, called="Ben")
    counter.close()
    gone = [entry.values for entry in audit.entries(folder) if entry.values.get("outcome") == "abandoned"]
    assert [(one["person"], one["reason"]) for one in gone] == [("p0001", "cut_off")] * 2


@pytest.mark.parametrize("when", ["no line", "half a line"])
def test_power_lost_between_the_count_and_its_line_loses_neither(folder, when) -> None:
    assert script(KILLED, str(folder), when).returncode == -signal.SIGKILL
    counter = Counter(folder, BootClock())
    assert counter.failures("p0001") == 1
    counter.close()
    report = audit.check(folder)
    assert (report.faults, report.entries) == ((), 2)
    assert [entry.values.get("outcome") for entry in audit.entries(folder)] == [None, "no_match"]


def test_every_file_is_the_owners_only(folder) -> None:
    previous = os.umask(0)
    try:
        counter = Counter(folder, BootClock())
        counter.begin("p0001", {}, called="Ada")
        modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
        counter.close()
    finally:
        os.umask(previous)
    assert {"attempts.sqlite", "attempts.lock", "audit.jsonl"} <= set(modes)
    assert set(modes.values()) == {0o600}
