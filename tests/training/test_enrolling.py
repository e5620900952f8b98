"""Enrolling with another bundle of the space, and with several views of each utterance."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import open_bundle
from edge.scoring import mean_direction
from tests.edge.cli import voice_bundle
from tests.edge.cli.voice_bundle import ASSETS
from training import commands, evaluate
from training.augment import Augmenter, AugmentRecipe, Materials, generator
from training.corpus import Recording
from training.embeddings import Embedder
from training.enrolling import Account, Views, make_augmenter
from training.report import det, histogram
from training.trials import Audio, TrialList, parse_side, read_list

SPACE = "voices-38/1"


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``heavy`` and ``light`` of one space, ``apart`` of another."""
    folder = tmp_path_factory.mktemp("enrolling")
    heavy = voice_bundle.make(folder / "heavy", name="heavy", space=SPACE)
    voice_bundle.relative(heavy, folder / "light", 0, name="light")
    voice_bundle.relative(heavy, folder / "apart", 1, name="apart", space="voices-38/2")
    return folder


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ada and Ben against both and a stranger; one clip is on both sides of the list."""
    rows = ["target\tenrol_speaker\tenrol\ttest_speaker\ttest\tnoise"]
    people = {"ada": "ada-enrol-1.ogg@0+2;ada-enrol-2.ogg@0+2", "ben": "clip-3-ben.ogg"}
    tests = {
        "ada": ("clip-1-ada.ogg", ""),
        "ben": ("clip-3-ben.ogg", ""),
        "five": ("clip-5-stranger.ogg", "stream.ogg@30.5:5"),
    }
    for person, enrol in people.items():
        rows += [
            f"{int(person == who)}\t{person}\t{enrol}\t{who}\t{clip}\t{noise}" for who, (clip, noise) in tests.items()
        ]
    path = tmp_path_factory.mktemp("lists") / "words.tsv"
    path.write_text("\n".join(rows) + "\n")
    return path


def run(bundle: Path, words: Path, *more: str) -> int:
    return commands.evaluate(["--bundle", str(bundle), "--speech", str(ASSETS), *more, str(words)])


def centre(bundle: Path, text: str) -> np.ndarray:
    opened, audio = open_bundle(bundle), Audio(ASSETS)
    return mean_direction(np.stack([opened.embed(samples) for samples in audio.utterances(parse_side(text))]))


def test_enrolments_come_from_the_one_bundle_and_tests_from_the_other(bundles, words) -> None:
    """Cosines are those of embedding each side by hand, and the measured bundle's calibration makes them ratios."""
    listed, audio = read_list(words), Audio(ASSETS)
    heavy, light = open_bundle(bundles / "heavy"), open_bundle(bundles / "light")
    told: list[tuple[int, int]] = []
    mixed = evaluate.score_list(
        listed, Embedder(light, audio), commands._scorer(light), enroller=Embedder(heavy, audio),
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    enrolled = centre(bundles / "heavy", "ada-enrol-1.ogg@0+2;ada-enrol-2.ogg@0+2")
    assert mixed.cosine[0] == pytest.approx(enrolled @ centre(bundles / "light", "clip-1-ada.ogg"), abs=1e-5)
    same_clip = centre(bundles / "heavy", "clip-3-ben.ogg") @ centre(bundles / "light", "clip-3-ben.ogg")
    assert mixed.cosine[4] == pytest.approx(same_clip, abs=1e-5) and same_clip < 0.99999
    assert mixed.llr == pytest.approx(20 * mixed.cosine - 9, abs=1e-3)
    assert told[-1] == (5, 5)
    plain = evaluate.score_list(listed, Embedder(light, audio), commands._scorer(light))
    assert not np.array_equal(plain.cosine, mixed.cosine)
    assert np.array_equal(plain.test_seconds, mixed.test_seconds)


def test_views_are_averaged_with_the_utterance_and_belong_to_seed_and_samples(bundles) -> None:
    light, audio = open_bundle(bundles / "light"), Audio(ASSETS)
    augmenter = Augmenter(Materials.of(), AugmentRecipe(place_kept=0.0))
    side, twin = parse_side("clip-1-ada.ogg;clip-2-ada.ogg"), parse_side("clip-2-ada.ogg")
    embedder = Embedder(light, audio)

    def views(number: int, seed: int = 1) -> Views:
        return Views(embedder, audio, augmenter, views=number, seed=seed)

    heard = views(3).hear_all([side, side])[side]
    (samples, _) = audio.utterances(side)
    name = hashlib.sha256(samples.tobytes()).hexdigest()
    degraded = [augmenter.degrade(samples, generator(1, f"{name}#view{n}")) for n in (1, 2, 3)]
    wanted = mean_direction(np.stack([light.embed(one) for one in (samples, *degraded)]))
    assert heard.embeddings[0].vector == pytest.approx(wanted, abs=1e-6)
    plain = embedder.hear(side)
    assert heard.circumstances == plain.circumstances, "speech is counted once"
    alone = views(3).hear_all([twin])[twin].embeddings[0].vector
    assert np.array_equal(alone, heard.embeddings[1].vector), "whatever stands beside it"
    assert not np.allclose(views(3, seed=2).hear_all([side])[side].vector, heard.vector, atol=1e-4)
    assert np.allclose(views(0).hear_all([side])[side].vector, plain.vector, atol=1e-6)


def test_an_enrolment_never_knows_the_noise_of_a_test(words, tmp_path) -> None:
    rows = [
        Recording(name, "noise", "esc", "", "", "", "", 1.0, "", "") for name in ("stream.ogg", "clip-5-stranger.ogg")
    ]
    augmenter = make_augmenter(ASSETS, rows, [read_list(words)])
    assert [augmenter.materials.noises.name(i) for i in range(len(augmenter.materials.noises))] == [
        "clip-5-stranger.ogg"
    ]
    assert len(make_augmenter(ASSETS, rows, [TrialList("none", ())]).materials.noises) == 2


def test_a_report_names_who_enrolled_and_how(bundles, words, tmp_path, capsys) -> None:
    more = ("--enrol-bundle", str(bundles / "heavy"), "--enrol-views", "2", "--enrol-seed", "7")
    assert run(bundles / "light", words, *more, "--json", str(tmp_path / "a.json")) == 0
    shown = capsys.readouterr().out
    assert (
        "Enrolled with heavy 1 (space voices-38/1), each utterance averaged with 2 degraded views of it (seed 7)."
        in shown
    )
    told = json.loads((tmp_path / "a.json").read_text())["words"]
    assert told["enrolment"] == {
        "bundle": "heavy", "version": "1", "encoder": open_bundle(bundles / "heavy").encoder, "space": SPACE,
        "views": 2, "seed": 7,
    }  # fmt: skip


def test_the_page_names_who_enrolled(bundles, words, tmp_path, monkeypatch) -> None:
    """Without its pictures, which take their time and are drawn elsewhere."""
    monkeypatch.setattr(det, "draw", lambda *_: b"")
    monkeypatch.setattr(histogram, "draw", lambda *_: b"")
    assert run(bundles / "light", words, "--enrol-bundle", str(bundles / "heavy"), "--report", str(tmp_path / "r")) == 0
    page = (tmp_path / "r" / "index.html").read_text()
    assert "<dt>enrolled with</dt><dd>heavy 1 (space voices-38/1)</dd>" in page


@pytest.mark.parametrize(
    ("more", "code", "words_shown"),
    [
        (("--enrol-bundle", "apart"), 2, "(space voices-38/1) and apart (space voices-38/2) cannot be compared"),
        (("--enrol-bundle", "baseline"), 2, "baseline (a space of its own) cannot be compared"),
        (("--enrol-bundle", "nosuch"), 5, "nosuch"),
        (("--enrol-views", "-1"), 2, "--enrol-views is -1"),
        (("--enrol-views", "51"), 2, "from 0 to 50"),
        (("--enrol-views", "1", "--card"), 2, "A card holds what its bundle does alone"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(bundles, words, capsys, monkeypatch, more, code, words_shown) -> None:
    monkeypatch.setenv("EARMARK_BUNDLES", str(bundles))
    before = (bundles / "light" / "card.json").read_bytes()
    assert run(bundles / "light", words, *more) == code
    shown = capsys.readouterr().err
    assert words_shown in shown and shown.count("\n") == 1
    assert (bundles / "light" / "card.json").read_bytes() == before


def test_an_account_without_a_space_names_the_encoder() -> None:
    assert Account("mine", "3", "feed", "", 1, 5).text() == (
        "mine 3 (encoder feed), each utterance averaged with 1 degraded view of it (seed 5)"
    )
    assert Account("mine", "3", "feed", "s-2/1", 0, 5).text() == "mine 3 (space s-2/1)"
