"""What goes through ``ssh`` arrives as it was, with an ``ssh`` that hands its last word to a shell, as sshd does."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.fleet.asking import ask
from deploy.fleet.faults import HostError
from deploy.fleet.inventory import Host
from deploy.fleet.ssh import Shell, sha256_of
from deploy.install.sources import from_wheel


@pytest.fixture
def shell(own_ssh: Path) -> Shell:
    return Shell(Host("attic", "attic", sudo=False), own_ssh)


SUDO = """#!/bin/sh
echo "sudo: unable to resolve host attic: Name or service not known" >&2
[ -z "$REFUSING" ] || { echo "sudo: a password is required" >&2; exit 1; }
shift 2
command -v "$1" >/dev/null || { echo "sudo: $1: command not found" >&2; exit 1; }
exec "$@"
"""
"""What sudo 1.9.13 says, on a device whose name is not in its /etc/hosts."""


@pytest.fixture
def careful(own_ssh: Path) -> Shell:
    """An account that needs sudo."""
    (own_ssh / "bin" / "sudo").write_text(SUDO)
    (own_ssh / "bin" / "sudo").chmod(0o755)
    return Shell(Host("attic", "attic", earmark=str(own_ssh / "earmark")), own_ssh)


def test_what_a_command_says_through_sudo_is_not_taken_for_a_refusal(careful: Shell) -> None:
    assert careful.run(["sh", "-c", "echo no; exit 1"]).out == "no\n"
    assert careful.run(["printf", "%s", "two words"]).out == "two words"


def test_a_device_without_earmark_is_one_where_sudo_finds_none(careful: Shell) -> None:
    """Else a kit would never come to it: it would count as one that cannot be reached."""
    report = ask(careful)
    assert (report.reachable, report.installed) == (True, False)


def test_a_sudo_that_wants_a_password_is_said_so(careful: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFUSING", "1")
    with pytest.raises(HostError, match="does not let us be root: sudo: a password is required"):
        careful.run(["true"])


@pytest.mark.parametrize("word", ["two words", "$HOME", "`id`", "a'b", 'a"b', "a;b", "*", "-n", "\\", "line\nline", ""])
def test_a_word_arrives_as_it_was(shell: Shell, word: str) -> None:
    assert shell.run(["printf", "[%s]", word]).out == f"[{word}]"


def test_a_file_arrives_under_its_own_name_and_is_gone_afterwards(shell: Shell, tmp_path: Path) -> None:
    """The installer there knows a wheel by its name."""
    wheel = tmp_path / "earmark-0.2.0-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    there = Path(shell.put(wheel, sha256_of(wheel)))
    assert there.read_bytes() == b"a wheel"
    assert there.is_relative_to(shell.home())
    assert from_wheel(there, "").version == "0.2.0"
    assert there.stat().st_mode & 0o077 == 0
    wheel.write_bytes(b"another one")
    other = Path(shell.put(wheel, sha256_of(wheel)))
    assert (there.read_bytes(), other.read_bytes()) == (b"a wheel", b"another one")
    for one in (there, other):
        shell.forget(str(one))
    assert not [path for path in Path(shell.home()).rglob("*") if path.is_file() or path.name == there.parent.name]


def test_a_file_that_is_there_but_damaged_is_sent_again(shell: Shell, tmp_path: Path) -> None:
    """As after a power cut there."""
    kit = tmp_path / "kit.pyz"
    kit.write_bytes(b"a kit")
    Path(shell.put(kit, sha256_of(kit))).write_bytes(b"a k")
    assert Path(shell.put(kit, sha256_of(kit))).read_bytes() == b"a kit"


def test_a_file_that_is_not_what_was_announced_is_not_given_out(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "kit.pyz").write_bytes(b"a kit")
    with pytest.raises(HostError, match="changed"):
        shell.put(tmp_path / "kit.pyz", "0" * 64)
