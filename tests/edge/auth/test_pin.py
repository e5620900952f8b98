"""The PIN: never kept, never guessed for nothing, and no way around a lock-out by setting it."""

from __future__ import annotations

import pytest

from edge.auth import pin
from edge.auth.gate import WrongPin
from edge.errors import AttemptsError, LockedOut, UsageError
from tests.edge.auth.conftest import attempt, fail

GOOD, BAD = "correct horse", "wrong horse"

pytestmark = pytest.mark.usefixtures("cheap_pin")


def test_the_pin_takes_a_lock_out_back(counter) -> None:
    counter.set_pin(GOOD)
    fail(counter, 5)
    assert counter.unlock("p0001", GOOD) == 5
    fail(counter, 4)


def test_it_makes_room_in_the_hour_too(counter) -> None:
    counter.set_pin(GOOD)
    for person in range(5):
        fail(counter, 4, f"p{person}")
    with pytest.raises(LockedOut):
        counter.check("p9", called="Zoe")
    counter.unlock("p0", GOOD)
    counter.check("p9", called="Zoe")


def test_a_wrong_pin_changes_nothing_and_is_counted(counter) -> None:
    counter.set_pin(GOOD)
    fail(counter, 5)
    for _ in range(5):
        with pytest.raises(WrongPin) as caught:
            counter.unlock("p0001", BAD)
        assert caught.value.exit_code == 1
    with pytest.raises(LockedOut, match="The PIN is locked out for 30 seconds"):
        counter.unlock("p0001", GOOD)
    assert counter.failures("p0001") == 5


def test_wrong_pins_and_failed_voices_are_counted_apart(counter, clock) -> None:
    counter.set_pin(GOOD)
    for _ in range(5):
        with pytest.raises(WrongPin):
            counter.unlock("p0001", BAD)
    for person in range(5):
        fail(counter, 4, f"p{person}")
    clock.advance(30)
    counter.unlock("p0001", GOOD)


def test_without_a_pin_only_waiting_helps(counter) -> None:
    with pytest.raises(UsageError, match="No PIN has been set"):
        counter.unlock("p0001", "")


def test_the_first_pin_is_no_way_out_of_a_lock_out(counter, clock) -> None:
    fail(counter, 5)
    with pytest.raises(AttemptsError, match="cannot end that"):
        counter.set_pin(GOOD)
    clock.advance(30)
    counter.set_pin(GOOD)


def test_changing_it_takes_the_old_one(counter) -> None:
    counter.set_pin(GOOD)
    with pytest.raises(UsageError, match="a PIN already"):
        counter.set_pin("another one")
    with pytest.raises(WrongPin):
        counter.set_pin("another one", BAD)
    counter.set_pin("another one", GOOD)
    with pytest.raises(WrongPin):
        counter.unlock("p0001", GOOD)
    counter.unlock("p0001", "another one")


@pytest.mark.parametrize("plain", ["", "12345", "123456", "987654", "000000", "x" * 129])
def test_a_pin_that_is_short_or_a_single_run_is_refused(counter, plain) -> None:
    with pytest.raises(UsageError):
        counter.set_pin(plain)


def test_no_file_holds_the_pin_or_the_same_hash_twice(counter, folder) -> None:
    counter.set_pin(GOOD)
    attempt(counter, verdict="match")
    counter.close()
    assert not [path.name for path in folder.iterdir() if GOOD.encode() in path.read_bytes()]
    digests = {pin._digest(GOOD, bytes([salt] * 16), 16, 8, 1) for salt in range(4)}
    assert len(digests) == 4


def test_the_cost_of_a_guess_is_what_the_document_says(monkeypatch) -> None:
    monkeypatch.undo()
    assert pin._COST == (2**15, 8, 3)
    assert len(pin._digest(GOOD, b"salt" * 4, *pin._COST)) == 32
