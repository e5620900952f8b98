"""The lock of the attempts: who waits for it leaves the machine to the one who has it, and does not wait for ever."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest

from edge import file_lock
from edge.auth import files
from edge.errors import StorageError


class Waited:
    """A clock that stands still but for pauses, which it notes."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return sum(self.pauses)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


def test_who_waits_looks_rarely_and_not_in_step_with_others(folder, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = [Waited(), Waited()]
    with files.locked(folder):
        for waited in waits:
            monkeypatch.setattr(file_lock, "time", SimpleNamespace(monotonic=waited.monotonic, sleep=waited.sleep))
            with pytest.raises(StorageError, match="keeps the attempts locked"), files.locked(folder):
                pass
    for waited in waits:
        assert waited.pauses[0] <= 0.01 and max(waited.pauses) <= 0.2
        assert 30 < sum(waited.pauses) < 31
        assert len(waited.pauses) < 400
    moments = [set(itertools.accumulate(waited.pauses)) for waited in waits]
    assert not moments[0] & moments[1]


def test_the_lock_is_had_as_soon_as_it_is_free(folder, monkeypatch: pytest.MonkeyPatch) -> None:
    waited, first = Waited(), files.locked(folder)
    first.__enter__()

    def leave(seconds: float) -> None:
        waited.sleep(seconds)
        if len(waited.pauses) == 3:
            first.__exit__(None, None, None)

    monkeypatch.setattr(file_lock, "time", SimpleNamespace(monotonic=waited.monotonic, sleep=leave))
    with files.locked(folder):
        assert len(waited.pauses) == 3
