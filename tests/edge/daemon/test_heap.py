"""Where a block of memory comes to lie, in a fresh process."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_PROGRAM = """
import ctypes, sys
import numpy as np
from edge.daemon.heap import give_back_large_blocks

if sys.argv[1] == "set":
    give_back_large_blocks()
for length in (1 << 20, 1 << 19):  # a megabyte is freed: smaller blocks would share the heap from now on
    block = np.ones(length, np.uint8)
    del block
block = np.ones(1 << 19, np.uint8)
heap = next(line for line in open("/proc/self/maps") if line.endswith("[heap]\\n")).split()[0].split("-")
print(int(heap[0], 16) <= block.ctypes.data < int(heap[1], 16))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has that setting")
@pytest.mark.parametrize(("setting", "in_the_heap"), [("set", "False"), ("left", "True")])
def test_a_large_block_is_never_put_among_small_ones(setting: str, in_the_heap: str) -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM, setting], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == in_the_heap
