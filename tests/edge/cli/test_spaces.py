"""Two bundles of one embedding space: people enrolled with the one are known to the other."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import comparable, known_spaces, open_bundle, pack, read_card, seal
from edge.errors import BundleError
from edge.people import PeopleStore
from tests.edge.cli import voice_bundle
from tests.edge.cli.conftest import ASSETS, Done

SPACE = "voices-38/1"
ADA = [ASSETS / f"ada-enrol-{number}.ogg" for number in range(1, 4)]
BEN = [ASSETS / f"ben-enrol-{number}.ogg" for number in range(1, 4)]
MORE = ASSETS / "ada-enrol-5.ogg"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``heavy`` and ``light`` of one space, of which the light one hears a little worse; ``apart`` of another."""
    folder = tmp_path_factory.mktemp("spaces") / "bundles"
    heavy = voice_bundle.make(folder / "heavy", name="heavy", space=SPACE)
    voice_bundle.relative(heavy, folder / "light", 0, name="light")
    voice_bundle.relative(heavy, folder / "apart", 1, name="apart", space="voices-38/2")
    return folder


@pytest.fixture
def household(earmark, made: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """``earmark`` where ``heavy`` enrols and ``light`` listens."""
    monkeypatch.setenv("EARMARK_BUNDLES", str(made))
    monkeypatch.setenv("EARMARK_MODELS__BUNDLE", "light")
    monkeypatch.setenv("EARMARK_ENROLMENT__BUNDLE", "heavy")
    return earmark


def test_the_large_bundle_enrols_and_the_small_one_listens(household, made) -> None:
    done = household("enroll", "Ada", *ADA)
    assert done.code == 0 and "The voice is learnt with heavy; light listens." in done.err
    shown = household("people", "show", "Ada", "--json").json
    assert (shown["encoders"], shown["spaces"]) == ([open_bundle(made / "heavy").encoder], [SPACE])
    assert list(shown["likeness"]) == [SPACE]
    verdict = household("verify", "Ada", ASSETS / "clip-1-ada.ogg", "--json")
    assert (verdict.code, verdict.json["model"]) == (0, "light-1")
    assert household("verify", "Ada", ASSETS / "clip-5-stranger.ogg").code == 1
    told = household("identify", ASSETS / "clip-2-ada.ogg")
    assert told.code == 0 and "Not compared" not in told.err


def test_a_change_within_the_space_needs_no_new_enrolment_and_a_clip_counts_once(
    household, monkeypatch, tmp_path
) -> None:
    monkeypatch.delenv("EARMARK_ENROLMENT__BUNDLE")
    assert household("enroll", "Ada", *ADA, "--bundle", "heavy").code == 0
    assert household("verify", "Ada", ASSETS / "clip-1-ada.ogg").code == 0
    again = household("enroll", "Ada", "--add", ADA[0], MORE, "--json").json
    assert [clip["reason"] for clip in again["clips"]] == ["duplicate", None]
    assert again["progress"]["clips"] == 4, "clips of both encoders make up one enrolment"
    shown = household("people", "show", "Ada", "--json").json
    assert (len(shown["encoders"]), list(shown["likeness"])) == (2, [SPACE])
    for bundle in ("heavy", "light"):
        (tmp_path / "state" / "repeats.sqlite").unlink()  # or the clip is refused as heard before
        assert household("verify", "Ada", ASSETS / "clip-1-ada.ogg", "--bundle", bundle).code == 0


def test_another_space_is_never_compared_and_the_remedy_is_named(household) -> None:
    household("enroll", "Ada", *ADA)
    told = household("verify", "Ada", ASSETS / "clip-1-ada.ogg", "--bundle", "apart")
    assert told.code == 5
    assert "Ada was enrolled with another model than apart" in told.err and "Enrol again" in told.err
    assert "Not compared, since enrolled with another model: Ada." in (
        household("identify", ASSETS / "clip-1-ada.ogg", "--bundle", "apart").err
    )


def test_an_enrolment_that_nobody_could_compare_is_refused_with_both_names(household, monkeypatch) -> None:
    monkeypatch.setenv("EARMARK_MODELS__BUNDLE", "apart")
    told = household("enroll", "Ada", *ADA)
    assert told.code == 2 and told.err.count("\n") == 1
    assert "enrolment.bundle (heavy: space voices-38/1)" in told.err
    assert "models.bundle (apart: space voices-38/2)" in told.err
    check = household("doctor", "--only", "bundle", "--json").json["checks"][0]
    assert check["status"] == "fail" and "Leave enrolment.bundle empty" in check["remedy"]
    assert household("enroll", "Ada", *ADA, "--bundle", "apart").code == 0, "--bundle wins over both"
    monkeypatch.setenv("EARMARK_ENROLMENT__BUNDLE", "nosuch")
    told = household("enroll", "Ben", *ADA)
    assert told.code == 5 and "heavy, light" in told.err


def test_people_enrolled_before_spaces_are_known_in_the_space_of_their_bundle(household, tmp_path) -> None:
    household("enroll", "Ada", *ADA)
    with PeopleStore(tmp_path / "state") as store:
        (ada,) = store.records()
        store.remove("Ada")
        store.add_records([replace(ada, exemplars=[replace(clip, space="") for clip in ada.exemplars])])
    assert household("verify", "Ada", ASSETS / "clip-1-ada.ogg").code == 0
    people = household("doctor", "--only", "people", "--json").json["checks"][0]
    assert people["facts"] == {"enrolled": 1, "outdated": [], "learnt_with": {"Ada": ["heavy"]}}


def test_the_doctor_says_who_was_learnt_with_another_bundle_of_the_space_and_how_to_renew_it(
    household, monkeypatch, made, tmp_path
) -> None:
    def people() -> dict:
        (found,) = household("doctor", "--only", "people", "--json").json["checks"]
        return found

    household("enroll", "Ada", *ADA)
    told = people()
    assert (told["status"], told["facts"]["learnt_with"]) == ("warn", {"Ada": ["heavy"]})
    assert "Ada with heavy while light listens" in told["sentence"]
    again = 'earmark people remove "Ada"; earmark enroll "Ada" --mic --bundle light'
    assert told["remedy"] == f"Leave enrolment.bundle empty, and: {again}"
    monkeypatch.delenv("EARMARK_ENROLMENT__BUNDLE")
    assert people()["remedy"] == again
    household("enroll", "Ben", *BEN)
    assert people()["facts"] == {"enrolled": 2, "outdated": [], "learnt_with": {"Ada": ["heavy"]}}
    monkeypatch.setenv("EARMARK_BUNDLES", str(shutil.copytree(made / "light", tmp_path / "alone" / "light").parent))
    assert "Ada with another model of its space while light" in people()["sentence"]
    household("people", "remove", "Ada", "--yes")
    household("enroll", "Ada", *ADA)
    told = people()
    assert (told["status"], told["remedy"], told["facts"]["learnt_with"]) == ("ok", "", {})


def test_the_doctor_says_that_a_change_within_the_space_keeps_the_voiceprints(household) -> None:
    facts = household("doctor", "--only", "bundles", "--json").json["checks"][0]["facts"]
    assert {row["name"]: row["space"] for row in facts["bundles"] if row["name"] in ("heavy", "light", "apart")} == {
        "heavy": SPACE,
        "light": SPACE,
        "apart": "voices-38/2",
    }


def test_what_cards_say_about_encoders(made, tmp_path) -> None:
    heavy, light, apart = (read_card(made / name) for name in ("heavy", "light", "apart"))
    assert comparable(heavy, light) and not comparable(light, apart)
    assert heavy.encoder != light.encoder
    card = json.loads((made / "heavy" / "card.json").read_text())
    bare = shutil.copytree(made / "heavy", tmp_path / "some" / "bare")
    seal(bare, {key: value for key, value in card.items() if key != "space"})
    assert comparable(read_card(bare), heavy), "the same encoder, whatever its card says about spaces"
    assert not comparable(read_card(bare), light)
    pack(made / "light", tmp_path / "some" / "packed.earmark")
    assert read_card(tmp_path / "some" / "packed.earmark").space == SPACE
    (tmp_path / "some" / "broken").mkdir()
    (tmp_path / "some" / "broken" / "card.json").write_text("{")
    told = known_spaces([made, tmp_path / "some"])
    assert {one: told.get(one) for one in (heavy.encoder, light.encoder, apart.encoder)} == {
        heavy.encoder: SPACE,
        light.encoder: SPACE,
        apart.encoder: "voices-38/2",
    }
    seal(shutil.copytree(bare, tmp_path / "some" / "liar"), card | {"space": "voices-38/9"})
    assert heavy.encoder not in known_spaces([made, tmp_path / "some"]), "a contradiction says nothing"


@pytest.mark.parametrize("space", ["voices", "voices-24/1", "Voices-38/1", "voices-38", "", 7, ["voices-38/1"]])
def test_a_space_without_the_dimensions_of_the_encoder_is_refused(space, tmp_path) -> None:
    with pytest.raises(BundleError, match=r"space must read NAME-38/VERSION"):
        open_bundle(voice_bundle.make(tmp_path / "odd", space=space))


def test_embeddings_name_their_space(made) -> None:
    bundle = open_bundle(made / "light")
    embedding = bundle.analyse(np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32))
    assert (embedding.encoder, embedding.space) == (bundle.encoder, SPACE)
