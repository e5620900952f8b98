"""What goes through ``ssh`` arrives as it was, with an ``ssh`` that hands its last word to a shell, as sshd does."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.fleet.faults import HostError
from deploy.fleet.inventory import Host
from deploy.fleet.ssh import Shell, sha256_of
from deploy.install.sources import from_wheel


@pytest.fixture
def shell(own_ssh: Path) -> Shell:
    return Shell(Host("attic", "attic", sudo=False), own_ssh)


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


def test_a_file_that_is_not_what_was_announced_is_not_given_out(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "kit.pyz").write_bytes(b"a kit")
    with pytest.raises(HostError, match="changed"):
        shell.put(tmp_path / "kit.pyz", "0" * 64)
