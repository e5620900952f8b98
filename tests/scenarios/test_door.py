"""The example of a door: a newcomer runs it as it is, and nothing but a plain yes opens."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOOR = ROOT / "examples" / "door.sh"


def door(*arguments: str, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    known = {name: value for name, value in os.environ.items() if not name.startswith(("EARMARK_", "RELAY"))}
    return subprocess.run(
        [DOOR, *arguments], input=typed, capture_output=True, text=True, timeout=240, check=False,
        env=known | environment, cwd=ROOT,
    )  # fmt: skip


def test_the_demonstration_opens_twice_and_says_why_not_otherwise() -> None:
    done = door(EARMARK=f"{sys.executable} -m edge.cli")
    told = done.stdout
    assert (done.returncode, done.stderr) == (0, "")
    assert told.count("[relay] open") == told.count("[relay] shut") == told.count("voice matches Ada") == 2
    codes = [line.split("exit code ")[1].rstrip(")") for line in told.splitlines() if "exit code" in line]
    assert codes == ["7", "1", "1", "1", "1", "4"]
    assert "the same sound was heard before" in told and "Ada is locked out for" in told
    assert "wrong code; nobody is listened to" in told
    assert "5 failed attempts forgotten" in told and "12 entries, as written." in told


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    """An ``earmark`` that answers with the exit code in $ANSWER, and notes how it was called; and a code."""
    program = tmp_path / "earmark"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/called\nexit "$ANSWER"\n')
    program.chmod(0o755)
    (tmp_path / "code").write_text("4711\n")
    return tmp_path


@pytest.mark.parametrize("answer", ["0", "1", "2", "3", "4", "5", "7", "130", "139"])
def test_only_the_exit_code_zero_moves_the_relay(answers, answer) -> None:
    environment = {"EARMARK": str(answers / "earmark"), "CODE_FILE": str(answers / "code"), "OPEN_SECONDS": "0"}
    done = door("listen", "Ada", typed="4711\n", ANSWER=answer, **environment)
    assert ("[relay] open" in done.stdout) == (answer == "0")
    assert done.returncode == int(answer)
    assert (answers / "called").read_text() == "verify Ada --quiet\n"


@pytest.mark.parametrize("typed", ["", "\n", "4712\n", "471\n", "47111\n"])
def test_without_the_code_nobody_is_listened_to(answers, typed) -> None:
    environment = {"EARMARK": str(answers / "earmark"), "CODE_FILE": str(answers / "code"), "OPEN_SECONDS": "0"}
    done = door("listen", "Ada", typed=typed, ANSWER="0", **environment)
    assert done.returncode == 1 and "[relay]" not in done.stdout
    assert not (answers / "called").exists()


@pytest.mark.parametrize("typed", ["", "\n"])
@pytest.mark.parametrize("written", [None, "", "\n"], ids=["no file", "an empty file", "an empty line"])
def test_where_there_is_no_code_not_even_the_empty_one_opens(answers, typed, written) -> None:
    """After a power cut the file may well be empty."""
    (answers / "code").unlink()
    if written is not None:
        (answers / "code").write_text(written)
    environment = {"EARMARK": str(answers / "earmark"), "CODE_FILE": str(answers / "code"), "OPEN_SECONDS": "0"}
    done = door("listen", "Ada", typed=typed, ANSWER="0", **environment)
    assert done.returncode == 1 and "[relay]" not in done.stdout
    assert not (answers / "called").exists()
