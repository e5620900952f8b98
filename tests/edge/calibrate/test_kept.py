"""A correction counts only with what it was learned from; whatever else is in its file counts as nothing."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge.calibrate.kept import FILE_NAME, Household, forget, household, keep, signature
from edge.correction import UNCORRECTED, Correction
from edge.decision import Decider
from edge.errors import StorageError
from edge.people import PeopleStore
from edge.records import Person
from edge.settings import Decide
from tests.edge.calibrate.made_up import person
from tests.edge.voices import CALIBRATION, ENCODER, Voice, scorer, utterance

CORRECTION = Correction(-0.4, 1.1, 0.003)
PEOPLE = (person(1, "Ada"), person(2, "Ben"))


def bundle(**changes: Any) -> Any:
    """As much of a bundle as a correction is bound to."""
    cohort = np.eye(64, dtype=np.float32)
    plain = {"encoder": ENCODER, "calibration": CALIBRATION.to_json(), "cohort": cohort}
    return SimpleNamespace(**(plain | changes))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    keep(tmp_path, bundle(), PEOPLE, CORRECTION, {"clips": 10})
    yield tmp_path


def test_what_was_kept_is_given_back(folder: Path) -> None:
    found = household(folder, bundle(), PEOPLE)
    assert (found.correction, found.stale, dict(found.report)) == (CORRECTION, "", {"clips": 10})
    assert [found.origin(far) for far in (0.01, 0.003, 0.001)] == ["household", "household", "bundle"]
    assert stat.S_IMODE((folder / FILE_NAME).stat().st_mode) == 0o600


def test_nothing_kept_is_the_bundle_s_own(tmp_path: Path) -> None:
    found = household(tmp_path, bundle(), PEOPLE)
    assert found == Household()
    assert (found.kept, found.origin(0.01), found.correction) == (False, "bundle", UNCORRECTED)
    assert signature(tmp_path) is None


def test_a_new_name_and_another_order_change_nothing(folder: Path) -> None:
    people = (PEOPLE[1], replace(PEOPLE[0], name="Ada L."))
    assert household(folder, bundle(), people).correction == CORRECTION


CHANGED = {
    "somebody new": (bundle(), (*PEOPLE, person(3, "Cem")), "people"),
    "somebody gone": (bundle(), PEOPLE[:1], "people"),
    "another clip": (bundle(), (replace(PEOPLE[0], exemplars=PEOPLE[0].exemplars[1:]), PEOPLE[1]), "people"),
    "nobody": (bundle(), (), "people"),
    "another encoder": (bundle(encoder="fedcba9876543210"), PEOPLE, "model"),
    "another cohort": (bundle(cohort=np.zeros((0, 64), np.float32)), PEOPLE, "calibrated anew"),
    "other weights": (
        bundle(calibration=replace(CALIBRATION, weights={"cosine": 2.0}).to_json()),
        PEOPLE,
        "calibrated",
    ),
}


@pytest.mark.parametrize(("now", "people", "why"), CHANGED.values(), ids=CHANGED)
def test_it_is_stale_with(folder: Path, now: Any, people: tuple[Person, ...], why: str) -> None:
    found = household(folder, now, people)
    assert (found.correction, found.origin(0.01), found.kept) == (UNCORRECTED, "bundle", True)
    assert why in found.stale


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"schema": 1}', '{"schema": 1, "correction": {"shift": 0}}']
)
def test_a_damaged_file_is_left_aside(folder: Path, content: str) -> None:
    (folder / FILE_NAME).write_text(content)
    found = household(folder, bundle(), PEOPLE)
    assert found.correction == UNCORRECTED
    assert "cannot be read" in found.stale


@pytest.mark.parametrize("wrong", ["-1.0", "0.0", "NaN", '"x"'])
def test_a_slope_that_cannot_be_is_left_aside(folder: Path, wrong: str) -> None:
    path = folder / FILE_NAME
    path.write_text(path.read_text().replace("1.1", wrong))
    assert household(folder, bundle(), PEOPLE).correction == UNCORRECTED


def test_a_file_of_a_later_version_is_left_aside(folder: Path) -> None:
    path = folder / FILE_NAME
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 2'))
    assert "another version" in household(folder, bundle(), PEOPLE).stale


def test_its_signature_changes_with_every_calibration(folder: Path) -> None:
    before = signature(folder)
    keep(folder, bundle(), PEOPLE, UNCORRECTED, {"clips": 10})
    assert signature(folder) not in (before, None)
    assert (forget(folder), forget(folder), signature(folder)) == (True, False, None)


def test_a_folder_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"household\.json cannot be written"):
        keep(tmp_path / "gone", bundle(), PEOPLE, CORRECTION, {})


def test_removing_somebody_makes_it_stale(tmp_path: Path) -> None:
    with PeopleStore(tmp_path) as store:
        for one in PEOPLE:
            store.add(one.name, one.exemplars)
        keep(tmp_path, bundle(), store.people(ENCODER), CORRECTION, {"clips": 10})
        assert household(tmp_path, bundle(), store.people(ENCODER)).correction == CORRECTION
        store.rename("Ada", "Ada L.")
        assert household(tmp_path, bundle(), store.people(ENCODER)).correction == CORRECTION
        store.remove("Ben")
        assert household(tmp_path, bundle(), store.people(ENCODER)).correction == UNCORRECTED


@pytest.mark.parametrize(("profile", "corrected"), [("relaxed", True), ("balanced", True), ("strict", False)])
def test_decisions_use_it_where_it_reaches(profile: Any, corrected: bool) -> None:
    """The score of a decision is the bundle's, corrected once; at a profile that it does not reach, the bundle's."""
    ada, heard = Voice(1).voiceprint("Ada"), Voice(1).embedding()
    plain = scorer()
    decisions = [
        Decider(Decide(profile=profile), one).decide(utterance(), heard, [ada])
        for one in (plain, replace(plain, correction=CORRECTION))
    ]
    own, found = (decision.best.llr for decision in decisions if decision.best)
    assert found == pytest.approx(-0.4 + 1.1 * own if corrected else own)
