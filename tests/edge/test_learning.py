"""Storing somebody: the voiceprint and the fingerprints of what was heard are there together, or neither is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge.errors import StorageError, UnknownPersonError
from edge.forgetting import forget
from edge.learning import Learning
from edge.people import PeopleStore
from edge.records import Exemplar, Person, Result
from edge.settings import Settings
from edge.spoof import Repeats
from tests.edge.voices import CALIBRATION, ENCODER, Voice, scorer, utterance

ALICE = Voice(1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PeopleStore]:
    with PeopleStore(tmp_path) as opened:
        yield opened


@pytest.fixture
def after_the_first(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """``after_the_first(act)``: what happens when one of several fingerprints has been kept."""
    real = Repeats.remember

    def arrange(act: Callable[[], object]) -> None:
        def remember(repeats: Repeats, *samples, **about) -> None:
            real(repeats, *samples, **about)
            monkeypatch.setattr(Repeats, "remember", real)
            act()

        monkeypatch.setattr(Repeats, "remember", remember)

    return arrange


def learnt(store: PeopleStore, folder: Path, person: Person | None = None) -> tuple[Learning, tuple[Exemplar, ...]]:
    """An enrolment that has heard enough, of somebody new or of ``person``."""
    bundle = SimpleNamespace(encoder=ENCODER, space="", calibration=CALIBRATION.to_json(), cohort=scorer().cohort)
    learning = Learning(bundle, store, folder, "" if person else "Ada", person=person)
    for seed in range(5):
        heard = utterance(seconds=4.0, seed=seed + (10 if person else 0))
        learning.offer(Result(heard, ALICE.embedding(), None), source=f"clip{seed}", microphone="mic:test")
    return learning, learning.finish()


def remove(folder: Path) -> None:
    """As ``earmark people remove`` does."""
    with PeopleStore(folder) as store:
        assert forget(Settings(), folder, store.remove("Ada")).problems == ()


def fingerprints(folder: Path) -> int:
    with Repeats(folder) as repeats:
        return len(repeats)


def test_every_clip_is_remembered_for_whoever_is_stored(store, tmp_path) -> None:
    learning, exemplars = learnt(store, tmp_path)
    with learning:
        assert learning.store(exemplars).id == store.find("Ada").id
    assert fingerprints(tmp_path) == 5


@pytest.mark.parametrize("adding", [False, True], ids=["somebody new", "more clips"])
def test_whoever_is_removed_while_they_are_stored_leaves_no_fingerprint(
    store, tmp_path, after_the_first, adding
) -> None:
    person = None
    if adding:
        first, exemplars = learnt(store, tmp_path)
        with first:
            person = first.store(exemplars)
    learning, exemplars = learnt(store, tmp_path, person)
    after_the_first(lambda: remove(tmp_path))
    with learning, pytest.raises(UnknownPersonError, match="Ada was removed while"):
        learning.store(exemplars)
    assert store.people() == ()
    assert fingerprints(tmp_path) == 0


@pytest.mark.parametrize("removed", [False, True], ids=["there", "removed"])
def test_somebody_new_whose_fingerprints_cannot_all_be_kept_is_not_stored(
    store, tmp_path, after_the_first, removed
) -> None:
    learning, exemplars = learnt(store, tmp_path)

    def fill_the_disk() -> None:
        if removed:
            remove(tmp_path)
        raise StorageError("the disk is full", "Make room.")

    after_the_first(fill_the_disk)
    with learning, pytest.raises(StorageError, match="the disk is full"):
        learning.store(exemplars)
    assert store.people() == ()
    assert fingerprints(tmp_path) == 0
