"""A file is replaced as a whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from pathlib import Path
from typing import BinaryIO

import pytest

from edge.whole_file import replace_whole, unfinished


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


def cut_off(path: Path) -> Path:
    """What a writer leaves that is killed once it has written."""

    def die(handle: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    before = set(path.parent.iterdir())
    child = os.fork()
    if child == 0:
        try:
            os.fsync = die
            replace_whole(path, b"half of it, and longer than the whole")
        finally:
            os._exit(1)
    os.waitpid(child, 0)
    (left,) = set(path.parent.iterdir()) - before
    return left


def test_what_a_run_left_that_was_cut_off_is_closed_to_others_and_gone_with_the_next(tmp_path: Path) -> None:
    path, another = tmp_path / "file", tmp_path / "file.new"
    another.write_bytes(b"somebody's own")
    left = cut_off(path)
    assert left.stat().st_mode & 0o777 == 0o600
    assert unfinished(left.name) == "file"
    replace_whole(path, b"new")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o600)
    assert set(tmp_path.iterdir()) == {path, another}


def test_what_was_left_of_another_file_stays_for_its_own_writer(tmp_path: Path) -> None:
    left = cut_off(tmp_path / "file.more")
    replace_whole(tmp_path / "file", b"new")
    assert left.exists()
    assert unfinished("file.new") == unfinished("file.0123456789abcdef.newer") == ""


def test_two_writers_at_once_write_the_whole_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one begins and ends while the first has written and not renamed yet."""
    path = tmp_path / "file"
    synced = os.fsync
    seen: list[bytes] = []

    def meanwhile(handle: int) -> None:
        monkeypatch.setattr(os, "fsync", synced)
        replace_whole(path, b"the second one's")
        seen.append(path.read_bytes())
        synced(handle)

    monkeypatch.setattr(os, "fsync", meanwhile)
    replace_whole(path, b"the first one's, and longer")
    assert seen == [b"the second one's"]
    assert path.read_bytes() == b"the first one's, and longer"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_whose_file_was_swept_before_it_had_the_lock_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    lock = fcntl.flock

    def late(file: BinaryIO, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        replace_whole(path, b"the second one's")
        assert list(tmp_path.iterdir()) == [path], "the first one's was taken for one that was left"
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    replace_whole(path, b"the first one's")
    assert path.read_bytes() == b"the first one's"
    assert list(tmp_path.iterdir()) == [path]


def test_where_the_file_system_knows_no_locks_a_file_is_written_and_nothing_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(file: object, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    path = tmp_path / "file"
    left = cut_off(path)
    monkeypatch.setattr(fcntl, "flock", none)
    replace_whole(path, b"new")
    assert set(tmp_path.iterdir()) == {path, left}


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    other, path = tmp_path / "other", tmp_path / "file"
    other.write_bytes(b"theirs")
    path.symlink_to(other)
    replace_whole(path, b"new", 0o644)
    assert (path.read_bytes(), path.is_symlink(), other.read_bytes()) == (b"new", False, b"theirs")
