"""A file is replaced as a whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from edge.whole_file import replace_whole


def test_a_failure_leaves_the_former_content_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    replace_whole(path, b"former")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        replace_whole(path, b"new")
    assert path.read_bytes() == b"former"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_run_left_that_was_cut_off_is_in_nobodys_way(tmp_path: Path) -> None:
    path, left = tmp_path / "file", tmp_path / "file.new"
    left.write_bytes(b"half of it, and longer than the whole")
    left.chmod(0o644)
    replace_whole(path, b"new")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    other, path = tmp_path / "other", tmp_path / "file"
    other.write_bytes(b"theirs")
    for link in (path, tmp_path / "file.new"):
        link.symlink_to(other)
    replace_whole(path, b"new", 0o644)
    assert (path.read_bytes(), path.is_symlink(), other.read_bytes()) == (b"new", False, b"theirs")
