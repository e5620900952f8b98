"""The short form of ``make fuzz``: a few cases of every target, in children with limits."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.fuzz import cage
from tests.fuzz.mutate import mutate, mutate_json
from tests.fuzz.target import Finding, Target, judge, only_earmark_errors

ROOT = Path(__file__).parents[2]
MOST_MB = 300
"""That any case may take; bundles of up to 96 MB are read into memory, and copied."""


@pytest.mark.timeout(1800)  # seconds where nobody else is at work
def test_nothing_is_found_in_a_few_cases_of_each_target(tmp_path: Path) -> None:
    """In a process of its own, whose children have no threads of other tests."""
    command = [sys.executable, "-m", "tests.fuzz", "--cases", "18", "--json", "--keep", str(tmp_path / "found")]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("EARMARK_")}
    with TemporaryDirectory(prefix="f-") as place:
        environ["TMPDIR"] = place
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
        assert not list(Path(place).iterdir()), "what was made for a while has gone"
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert len(rows) > 30
    assert all(row["cases"] >= 3 and row["found"] == 0 for row in rows)
    assert max(row["grown_mb"] for row in rows) < MOST_MB


def _figures(run) -> cage.Figures:
    return cage.run(Target("made-up", lambda _: [b"x"], run), [b"x"], 1, 0, 3)


def test_the_cage_tells_an_exception_a_finding_and_who_it_was() -> None:
    def run(data: bytes, place: Path) -> None:
        assert place.is_dir()
        if data == b"x":
            raise KeyError("odd")

    (trouble,) = _figures(run).troubles
    assert (trouble.number, trouble.what) == (0, "KeyError: 'odd'")


def test_the_cage_survives_a_crash_and_goes_on_after_it() -> None:
    def run(data: bytes, _: Path) -> None:
        if data == b"x":
            os.kill(os.getpid(), 11)
        raise ValueError

    first, *others = _figures(run).troubles
    assert "SIGSEGV" in first.what
    assert [one.number for one in others] == [1, 2]


def test_the_cage_bounds_memory() -> None:
    def run(_data: bytes, _place: Path) -> None:
        bytearray(2 << 30)

    assert [one.what.partition(":")[0] for one in _figures(run).troubles] == ["MemoryError"] * 3


@pytest.mark.parametrize(
    "sentence",
    ["x" * 5000, "Traceback (most recent call last)", "Earmark made a mistake (KeyError)", "a\x1b[2J", "a\nb"],
)
def test_what_nobody_should_read_is_a_finding(sentence: str) -> None:
    with pytest.raises(Finding):
        judge(sentence)


def test_errors_of_others_are_not_taken_for_ours() -> None:
    with pytest.raises(KeyError), only_earmark_errors():
        raise KeyError("odd")


def test_a_case_is_the_same_wherever_it_is_made() -> None:
    seeds = [b'{"a": [1, 2, {"b": null}], "c": "text"}', b"[1]"]
    for change in (mutate, mutate_json):
        target = Target("t", lambda _: seeds, lambda data, place: None, change)
        made = [target.case(seeds, 7, number) for number in range(60)]
        assert made == [target.case(seeds, 7, number) for number in range(60)]
        assert len(set(made)) > 40
    assert mutate(b"abc", random.Random(3)) == mutate(b"abc", random.Random(3))
