"""A record of attempts that cannot be trusted refuses everybody, and says what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.auth import audit, files
from edge.auth.clock import BootClock
from edge.auth.record import Record
from edge.errors import EXIT_ENVIRONMENT, AttemptsError, EarmarkError, StorageError
from tests.edge.auth.conftest import attempt, fail


def damage(folder, how: str) -> None:
    path = folder / "attempts.sqlite"
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:5000])
    elif how == "garbage":
        path.write_bytes(b"\x07" * 8192)
    elif how == "another program's":
        path.unlink()
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE notes (text)")
        db.close()
    elif how == "newer":
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version = 99")
        db.close()
    else:
        with sqlite3.connect(path) as db:
            db.execute("DELETE FROM head")
        db.close()


HOW = ["missing", "empty", "cut", "garbage", "another program's", "newer", "without head"]


@pytest.mark.parametrize("how", HOW)
def test_a_record_that_makes_no_sense_refuses_everybody_with_a_remedy(counters, folder, how) -> None:
    counter = counters()
    fail(counter, 3)
    counter.close()
    damage(folder, how)
    with pytest.raises(EarmarkError) as caught:
        counters()
    error = caught.value
    assert error.exit_code == EXIT_ENVIRONMENT
    assert isinstance(error, AttemptsError) and "attempts.sqlite" in error.cause and error.remedy


def test_a_folder_that_was_used_by_nobody_is_no_damage(counters) -> None:
    attempt(counters(), verdict="match")


@pytest.mark.parametrize("how", ["missing", "garbage"])
def test_its_owner_can_begin_a_new_record_and_the_log_goes_on(counters, folder, clock, how) -> None:
    counter = counters()
    fail(counter, 3)
    counter.close()
    damage(folder, how)
    aside = Record.anew(folder, clock)
    assert (aside is not None and aside.exists()) == (how == "garbage")
    fail(counters(), 1)
    report = audit.check(folder, clock)
    assert (report.faults, report.first, report.last) == ((), 1, 6)
    events = [entry.values["event"] for entry in audit.entries(folder)]
    assert events == ["record_made", "attempt", "attempt", "attempt", "record_made_anew", "attempt"]


def test_a_sound_record_is_not_replaced(counters, folder, clock) -> None:
    fail(counters(), 5)
    with pytest.raises(AttemptsError, match="is sound"):
        Record.anew(folder, clock)
    assert counters().failures("p0001") == 5


def test_of_two_who_replace_it_at_once_the_second_finds_a_sound_one(
    counters, folder, clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    counters().close()
    damage(folder, "garbage")
    real, replaced = files.locked, []

    def replace() -> None:
        try:
            Record.anew(folder, clock)
            replaced.append(True)
        except AttemptsError as error:
            assert "is sound" in error.cause
            replaced.append(False)

    @contextmanager
    def locked(place: Path) -> Iterator[None]:
        """When the first has let go of the lock for the first time, the second comes, and then somebody who fails."""
        try:
            with real(place):
                yield
        finally:
            monkeypatch.setattr(files, "locked", real)
            if not replaced:
                replace()
                fail(counters(), 4)

    monkeypatch.setattr(files, "locked", locked)
    replace()
    assert sorted(replaced) == [False, True]
    assert counters().failures("p0001") == 4


def test_a_folder_that_cannot_be_written_refuses(folder, clock) -> None:
    (folder / "attempts.lock").mkdir()
    with pytest.raises(StorageError, match=r"attempts\.lock"):
        Record(folder, clock)


def test_this_machine_tells_its_boots_apart() -> None:
    one, other = BootClock().moment(), BootClock().moment()
    assert one.boot == other.boot and len(one.boot) == 36
    assert 0 < one.seconds <= other.seconds


def test_a_machine_that_cannot_tell_its_boots_apart_is_refused(folder, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("edge.auth.clock._BOOT_ID", tmp_path / "nothing")
    with pytest.raises(StorageError, match="which boot"):
        Record(folder, BootClock())
