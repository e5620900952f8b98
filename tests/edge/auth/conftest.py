"""Attempts in a folder of their own, at a time that the test turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.auth import pin
from edge.auth.clock import ManualBootClock
from edge.auth.gate import Counter

NOON = 1_790_000_000.0


@pytest.fixture
def clock() -> ManualBootClock:
    return ManualBootClock(now=NOON)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "state"
    place.mkdir(mode=0o700)
    return place


@pytest.fixture
def counters(folder: Path, clock: ManualBootClock) -> Iterator[Callable[..., Counter]]:
    """``counters()``: the record opened once more, as by a process that has just started."""
    opened: list[Counter] = []

    def open_one(fallback_hours: float = 0.0) -> Counter:
        opened.append(Counter(folder, clock, fallback_hours))
        return opened[-1]

    yield open_one
    for counter in opened:
        counter.close()


@pytest.fixture
def counter(counters: Callable[..., Counter]) -> Counter:
    return counters()


@pytest.fixture
def cheap_pin(monkeypatch: pytest.MonkeyPatch) -> None:
    """scrypt at a cost that no test has to wait for."""
    monkeypatch.setattr(pin, "_COST", (2**4, 8, 1))


def attempt(counter: Counter, identity: str = "p0001", verdict: str = "failed") -> None:
    """Begin and end one."""
    taken = counter.begin(identity, {"requester": "cli"}, called="Ada")
    assert counter.end(taken.number, identity, "attempt", verdict, {"outcome": verdict})


def fail(counter: Counter, times: int, identity: str = "p0001") -> None:
    for _ in range(times):
        attempt(counter, identity)
