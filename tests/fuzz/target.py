"""What is fuzzed: a name, real bytes to begin with, and a use of bytes from which only ``EarmarkError`` may come.

Takes functions; gives ``Target``s. Must hold: case ``number`` of a target is the same bytes on every machine.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.cli import main
from edge.errors import EarmarkError, SettingsError
from tests.fuzz.mutate import garbage, mutate

LONGEST_SENTENCE: Final = 4000
CODES: Final = frozenset({0, 1, 2, 3, 4, 5, 7})


class Finding(AssertionError):
    """What must not happen, other than an exception that says so itself."""


@dataclass(frozen=True)
class Target:
    """``run(data, place)`` uses ``data``; ``place`` is an empty folder. ``seeds`` are made once, in a folder of their
    own.
    """

    name: str
    seeds: Callable[[Path], Sequence[bytes]]
    run: Callable[[bytes, Path], None]
    change: Callable[[bytes, random.Random], bytes] = mutate
    cost: int = 1
    """How many times as long as others one case takes, about: of a fixed number of cases, it gets so many fewer."""

    def case(self, seeds: Sequence[bytes], seed: int, number: int) -> bytes:
        """The bytes of one case. The first cases are the seeds themselves, which must do no harm either."""
        if number < len(seeds):
            return seeds[number]
        rng = random.Random(f"{seed}/{self.name}/{number}")
        return garbage(rng) if rng.random() < 0.02 else self.change(rng.choice(seeds), rng)


@contextlib.contextmanager
def only_earmark_errors() -> Iterator[None]:
    """An ``EarmarkError`` of one decent sentence may come out, and nothing else."""
    try:
        yield
    except EarmarkError as error:
        judge(error.sentence(), lines=isinstance(error, SettingsError))


def judge(sentence: str, *, lines: bool = False) -> None:
    """Raise ``Finding`` for a sentence that nobody should have to read, or that a terminal would obey."""
    if len(sentence) > LONGEST_SENTENCE:
        raise Finding(f"a sentence of {len(sentence)} characters: {sentence[:200]!r}")
    if "Traceback" in sentence or "made a mistake" in sentence or "Warning: " in sentence:
        raise Finding(f"no sentence for a person: {sentence[:500]!r}")
    odd = {c for c in sentence if unicodedata.category(c) in {"Cc", "Cs"} and not (lines and c == "\n")}
    if odd:
        raise Finding(f"control characters {sorted(map(ord, odd))} in {sentence[:300]!r}")


def command(*words: object, environ: dict[str, str] | None = None, stdin: bytes = b"") -> int:
    """Run ``earmark WORDS`` in this process, and judge what it prints; gives its exit code."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    before = dict(os.environ)
    os.environ.update(environ or {})
    stdin_file = io.TextIOWrapper(io.BytesIO(stdin))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _stdin(stdin_file):
            code = main([str(word) for word in words])
    finally:
        os.environ.clear()
        os.environ.update(before)
    said, complained = (stream.buffer.getvalue().decode() for stream in (out, err))  # type: ignore[attr-defined]
    if code not in CODES:
        raise Finding(f"exit code {code}: {complained[:300]}")
    if code in {2, 5} and not (complained or said).strip():
        raise Finding(f"exit code {code} without a word")
    for text in (said, complained):
        for line in text.split("\n"):
            if not (line.startswith("{") and _is_json(line, must_be="--json" in words)):
                judge(line)
    return code


def _is_json(line: str, *, must_be: bool) -> bool:
    """For programs: as long as it must be, with its own way to quote. For people, a brace is a sign like any other."""
    try:
        json.loads(line)
    except ValueError:
        if must_be:
            raise
        return False
    return True


@contextlib.contextmanager
def _stdin(stream: io.TextIOWrapper) -> Iterator[None]:
    import sys

    before, sys.stdin = sys.stdin, stream
    try:
        yield
    finally:
        sys.stdin = before
