"""Heads in bundles and packs on bundles: what is verified when they are opened, and what they say then."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edge
from edge.bundle import installed_bundles, installed_packs, open_bundle, open_pack, pack, seal
from edge.errors import BundleError
from edge.settings import Models
from tests.edge import small_bundles
from tests.edge.made_labels import EMOTION, FOUR, GENDER, arrays, make_pack
from tests.edge.small_bundles import CHANNELS, sound

WIDTH = 2 * CHANNELS


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle, one of another encoder, and a pack for the first."""
    folder = tmp_path_factory.mktemp("packs")
    small_bundles.make(folder / "small")
    small_bundles.make(folder / "stats", "statistics", name="stats")
    make_pack(folder / "made-up", folder / "small", WIDTH)
    return folder


def put(place: Path, *packs: str | Path, bundle: str = "small") -> Any:
    return open_bundle(bundle, Models(packs=tuple(str(one) for one in packs)), directories=[place])


def with_heads(folder: Path, heads: dict[str, Any]) -> Path:
    """A bundle with heads of its own."""
    folder.mkdir()
    np.savez(folder / "gender.npz", **arrays(WIDTH, 2, 7))
    return small_bundles.make(folder, heads=heads)


def test_a_pack_gives_a_bundle_its_heads(place: Path) -> None:
    bare, full = put(place), put(place, "made-up")
    assert (bare.heads, full.heads) == ((), ("gender", "emotion"))
    assert full.packs[0].title == "made-up-1.2"
    gender, emotion = full.gender(sound(4)), full.emotion(sound(4))
    assert list(gender) == ["female", "male"]
    assert list(emotion) == list(FOUR)
    assert sum(gender.values()) == pytest.approx(1) == sum(emotion.values())
    assert full.options("gender") == ("female", "male", "unsure")
    assert full.options("emotion") == ("neutral", "happy", "sad", "angry", "unsure")
    assert (bare.gender(sound(1)), bare.answer("gender", sound(1)), bare.options("gender")) == (None, None, ())
    assert bare.encoder == full.encoder, "voiceprints are not bound to labels"
    np.testing.assert_array_equal(bare.embed(sound(2)), full.embed(sound(2)))


def test_the_head_on_the_statistics_is_the_bundles_answer(place: Path) -> None:
    """What training and evaluation of heads go through."""
    bundle, samples = put(place, "made-up"), sound(7)
    found = bundle.statistics(samples)
    assert found.pooled.shape == (3, WIDTH)
    assert found.pooled.dtype == found.weights.dtype == np.float32
    assert (found.weights > 0).all() and (found.weights <= 300).all(), "frames times probability of speech"
    labels = bundle.packs[0].heads[0]["emotion"]
    assert labels.probabilities(found.pooled, found.weights) == bundle.emotion(samples)


def test_without_a_speech_head_the_weights_are_frames(tmp_path: Path) -> None:
    bundle = open_bundle(small_bundles.make(tmp_path, speech=False))
    weights = bundle.statistics(sound(4)).weights.tolist()
    assert weights[0] == 300
    assert weights[1] == pytest.approx(100, abs=3)


def test_an_answer_may_be_doubt(tmp_path: Path) -> None:
    wary = {"gender": GENDER | {"unsure_below": 1.0, "min_speech_seconds": 2, "min_snr_db": 3}}
    bundle = open_bundle(with_heads(tmp_path / "small", wary))
    assert bundle.answer("gender", sound(3)).reason == "low_probability"
    assert bundle.answer("gender", sound(1)).reason == "too_short", "no more speech than sound"
    assert bundle.answer("gender", sound(3), speech_seconds=1.0).reason == "too_short"
    assert bundle.answer("gender", sound(3), snr_db=1.0).reason == "too_noisy"
    sure = bundle.answer("gender", sound(3)).probabilities
    assert sure == bundle.gender(sound(3)), "the probabilities themselves never abstain"


def test_a_stream_tells_what_the_whole_tells(place: Path) -> None:
    bundle, samples = put(place, "made-up"), sound(5.3)
    stream = bundle.stream()
    for start in range(0, len(samples), 777):
        stream.push(samples[start : start + 777])
    stream.finish()
    assert stream.probabilities("gender") == bundle.gender(samples)
    assert stream.answer("gender") == bundle.answer("gender", samples)


def test_a_pack_takes_precedence_over_the_bundle(place: Path, tmp_path: Path) -> None:
    own = with_heads(tmp_path / "small", {"gender": GENDER})
    plain, packed = open_bundle(own), put(place, "made-up", bundle=str(own))
    assert plain.heads == ("gender",)
    assert packed.gender(sound(2)) == put(place, "made-up").gender(sound(2)) != plain.gender(sound(2))


def test_two_packs_that_tell_the_same_are_refused(place: Path, tmp_path: Path) -> None:
    other = make_pack(tmp_path / "other", place / "small", WIDTH, {"emotion": EMOTION}, name="other")
    with pytest.raises(BundleError, match="made-up and other both tell emotion"):
        put(place, "made-up", other)
    apart = make_pack(tmp_path / "apart", place / "small", WIDTH, {"gender": GENDER}, name="apart")
    assert put(place, other, apart).heads == ("gender", "emotion")


def test_another_encoder_is_refused_with_the_reason(place: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError) as caught:
        put(place, "made-up", bundle="stats")
    assert caught.value.cause == (
        "the pack made-up does not fit the bundle stats: the encoder is another network (the pack was made for small)"
    )
    assert "models.packs" in caught.value.remedy
    spec = small_bundles.card()["features"] | {"log_floor": 0.2}
    card = json.loads((place / "small" / "card.json").read_text()) | {"features": spec}
    (tmp_path / "card.json").write_text(json.dumps(card))
    for file in card["files"]:
        (tmp_path / file).write_bytes((place / "small" / file).read_bytes())
    with pytest.raises(BundleError, match="features are computed in another way"):
        put(place, "made-up", bundle=str(tmp_path))


def test_one_pack_may_fit_several_encoders(place: Path, tmp_path: Path) -> None:
    folder = make_pack(tmp_path / "both", place / "small", WIDTH, {"gender": GENDER})
    np.savez(folder / "stats.npz", **arrays(26, 2, 9))
    card = json.loads((folder / "card.json").read_text())
    more = put(place, bundle="stats").trunk.to_json() | {"heads": {"gender": GENDER | {"file": "stats.npz"}}}
    seal(folder, card | {"trunks": [*card["trunks"], more]})
    assert [put(place, folder, bundle=name).heads for name in ("small", "stats")] == [("gender",)] * 2


def test_compensating_the_embedding_leaves_the_pack_in_force(place: Path, tmp_path: Path) -> None:
    """Only the frame features count, not the head that makes embeddings of them."""
    folder = small_bundles.make(tmp_path / "small")
    np.savez(folder / "head.npz", **{name: -value for name, value in small_bundles.arrays(speech=False).items()})
    seal(folder, small_bundles.card())
    changed = put(place, "made-up", bundle=str(folder))
    assert changed.encoder != put(place).encoder
    assert changed.heads == ("gender", "emotion")


def test_packs_lie_beside_bundles_and_are_none(place: Path, tmp_path: Path) -> None:
    pack(place / "made-up", tmp_path / "zipped.earmark")
    assert "made-up" not in installed_bundles([place])
    assert set(installed_packs([place, tmp_path])) - set(installed_packs([])) == {"made-up", "zipped"}
    assert put(place, tmp_path / "zipped.earmark").heads == ("gender", "emotion")
    with pytest.raises(BundleError, match="made-up is a pack of label heads") as caught:
        put(place, bundle="made-up")
    assert "models.packs: [made-up]" in caught.value.remedy
    with pytest.raises(BundleError, match="there is no pack 'made-ap'") as caught:
        put(place, "made-ap")
    assert "Did you mean made-up?" in caught.value.remedy
    with pytest.raises(BundleError, match="kind must be labels for a pack"):
        put(place, "small")


def test_the_library_face_takes_packs(place: Path) -> None:
    bundle = edge.open_bundle(place / "small", packs=[place / "made-up"])
    assert bundle.gender(sound(1)) == put(place, "made-up").gender(sound(1))


def test_a_changed_file_of_a_pack_is_named(place: Path, tmp_path: Path) -> None:
    folder = make_pack(tmp_path / "made-up", place / "small", WIDTH)
    (folder / "gender.npz").write_bytes((folder / "emotion.npz").read_bytes())
    with pytest.raises(BundleError, match=r"gender\.npz of the bundle .* is not the one that its card names"):
        open_pack(folder)


def test_faults_of_a_pack_are_found_for_encoders_that_are_not_there(place: Path, tmp_path: Path) -> None:
    folder = make_pack(tmp_path / "made-up", place / "small", WIDTH)
    np.savez(folder / "gender.npz", kernel=np.zeros((WIDTH, 3), np.float32), bias=np.zeros(3, np.float32))
    seal(folder, json.loads((folder / "card.json").read_text()))
    with pytest.raises(BundleError, match=r"the pack .*made-up: the bundle's head has kernel of shape \(24, 3\)"):
        open_pack(folder)


def trunk(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda card: {"trunks": [card["trunks"][0] | changes]}


def gender(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda card: trunk(heads={"gender": card["trunks"][0]["heads"]["gender"] | changes})(card)


def emotion(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda card: trunk(heads={"emotion": card["trunks"][0]["heads"]["emotion"] | changes})(card)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda card: {"schema": 2}, "has schema 2"),
        (lambda card: {"licence": ""}, "licence must be a text"),
        (lambda card: {"training_data": []}, "training_data must be a text"),
        (lambda card: {"limits": None}, "limits must be a text"),
        (lambda card: {"figures": None}, "figures must be an object"),
        (lambda card: {"must_not_be_used_for": []}, "must_not_be_used_for must be a text"),
        (lambda card: {"trunks": []}, "trunks must list the encoders"),
        (lambda card: {"trunks": [7]}, "trunks[0] must be an object"),
        (lambda card: {"trunks": 2 * card["trunks"]}, "trunks[1] is the encoder of another entry once more"),
        (trunk(bundle=""), "trunks[0].bundle must name the bundle"),
        (trunk(encoder="abc"), "trunks[0].encoder must be a SHA-256"),
        (trunk(features="abc"), "trunks[0].features must be the fingerprint"),
        (trunk(window_frames=0), "trunks[0].window_frames must be a whole number from 2"),
        (trunk(heads={}), "trunks[0].heads must have gender or emotion"),
        (trunk(heads=None), "trunks[0].heads must have gender or emotion"),
        (trunk(heads={"age": {}}), "trunks[0].heads.age is not known"),
        (trunk(channels=12), "trunks[0].channels is not known to this program"),
        (gender(file="../x"), "heads.gender.file must be one of the names under files"),
        (gender(labels=["female"]), "at least two different labels"),
        (gender(labels=["female", "male", "male"]), "names a label twice"),
        (gender(labels=["f", "m"]), "heads.gender must publish female and male, not f, m"),
        (gender(publish={"female": ["female"], "male": []}), "must map each published label to a list"),
        (gender(publish={"female": ["female", "male"], "unsure": []}), "must map each published label to a list"),
        (gender(publish=["female", "male"]), "must map each published label"),
        (gender(unsure_below=1.5), "heads.gender.unsure_below must be a number from 0 to 1, not '1.5'"),
        (gender(unsure_below=True), "heads.gender.unsure_below must be a number"),
        (gender(min_speech_seconds=-1), "heads.gender.min_speech_seconds must be a number from 0 to 60"),
        (gender(min_snr_db="5"), "heads.gender.min_snr_db must be a number"),
        (gender(unsure_bellow=0.5), "heads.gender.unsure_bellow is not known to this program"),
        (emotion(publish=FOUR | {"happy": ["joy"]}), "has 'joy', which is not among the labels"),
        (emotion(publish=FOUR | {"sad": ["sad", "happy"]}), "has 'happy' twice"),
        (emotion(publish=FOUR | {"unsure": ["fearful"]}), "leaves out 'disgust'"),
        (emotion(publish={"Any": EMOTION["labels"]}), "publishes 'Any'; a label is lower-case"),
        (emotion(publish={"any": EMOTION["labels"]}), "at least two labels besides unsure"),
    ],
)
def test_a_card_of_a_pack_that_will_not_do_names_the_key(place: Path, tmp_path: Path, change, words: str) -> None:
    card = json.loads((place / "made-up" / "card.json").read_text())
    (tmp_path / "card.json").write_text(json.dumps(card | change(card)))
    with pytest.raises(BundleError) as caught:
        open_pack(tmp_path)
    assert words in caught.value.sentence()
    assert caught.value.remedy


def test_a_child_may_be_heard_and_not_be_told(place: Path, tmp_path: Path) -> None:
    """A class that is published as no label makes doubt of its own."""
    head = {"file": "gender.npz", "labels": ["child", "female", "male"],
            "publish": {"female": ["female"], "male": ["male"], "unsure": ["child"]}}  # fmt: skip
    folder = make_pack(tmp_path / "three", place / "small", WIDTH, {"gender": head})
    bundle = put(place, folder)
    assert list(bundle.gender(sound(2))) == ["female", "male", "unsure"]
    assert bundle.options("gender") == ("female", "male", "unsure")
