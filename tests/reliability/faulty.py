"""``earmark run`` on a machine with something wrong: a card that misbehaves, or a processor that is too slow.

Takes: the command line of ``earmark``; FAULTY_PROC, a folder in place of /proc/asound; FAULTY_SLOW, a file
with a number, how many seconds a second of sound costs beside what it costs anyway. Gives: what ``earmark`` gives. Must
hold: nothing else differs from the program as it is installed.
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path

from edge.audio import capture, held
from edge.cli import main
from edge.pipeline import Pipeline
from edge.records import SAMPLE_RATE, AudioBlock, Result


def hide_cards(proc: Path) -> None:
    """The kernel's word on sound cards is what stands in ``proc``."""
    capture.held_microphones = partial(held.held_microphones, proc)  # type: ignore[attr-defined]


def slow_down(number: Path) -> None:
    """The pipeline takes ``number`` seconds more for a second of sound, read anew at each block."""
    real = Pipeline.push

    def push(self: Pipeline, block: AudioBlock) -> list[Result]:
        time.sleep(float(number.read_text() or 0) * len(block.samples) / SAMPLE_RATE)
        return real(self, block)

    Pipeline.push = push  # type: ignore[method-assign]


if __name__ == "__main__":
    if folder := os.environ.get("FAULTY_PROC"):
        hide_cards(Path(folder))
    if file := os.environ.get("FAULTY_SLOW"):
        slow_down(Path(file))
    sys.exit(main())
