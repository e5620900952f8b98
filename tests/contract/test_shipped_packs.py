"""Packs of label heads that come with the project: they fit the shipped bundles, and say what they are."""

from __future__ import annotations

import configparser
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

import edge

ROOT = Path(__file__).parents[2]
GENDER = ROOT / "edge" / "bundles" / "gender"
EMOTION = ROOT / "deploy" / "packs" / "emotion-ravdess"
LARGEST = 150_000


def clip(name: str = "ada") -> np.ndarray:
    samples, rate = soundfile.read(ROOT / "edge" / "demo" / "assets" / f"{name}-enrol-1.ogg", dtype="float32")
    assert rate == 16_000
    return samples[:48_000]


@pytest.mark.parametrize("bundle", ["accurate", "compact"])
def test_the_shipped_packs_fit_the_shipped_bundles(bundle):
    opened = edge.open_bundle(bundle, packs=[GENDER, EMOTION])
    samples = clip()
    assert sum(opened.gender(samples).values()) == pytest.approx(1)
    assert set(opened.emotion(samples)) == {"neutral", "happy", "sad", "angry", "unsure"}


@pytest.mark.parametrize(("name", "label"), [("ada", "female"), ("ben", "male")])
def test_voices_of_the_demo_are_told_as_their_corpus_labels_them(name, label):
    opened = edge.open_bundle("accurate", packs=["gender"])
    assert opened.answer("gender", clip(name)).label == label


@pytest.mark.parametrize("pack", [GENDER, EMOTION], ids=lambda path: path.name)
def test_heads_are_small_and_their_figures_are_of_people_left_out(pack):
    card = json.loads((pack / "card.json").read_text())
    assert all(path.stat().st_size < LARGEST for path in pack.glob("*.npz"))
    for rows in card["figures"].values():
        assert all(row["left_out"] in {"sets", "speakers", "speaker"} and row["speakers"] > 5 for row in rows)
    assert card["must_not_be_used_for"]
    assert all({"what", "licence", "source"} <= set(one) for one in card["attribution"])


def test_what_is_for_non_commercial_use_is_not_in_the_package():
    assert json.loads((EMOTION / "card.json").read_text())["licence"].startswith("CC-BY-NC-SA")
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert "packs" not in config["options.package_data"]["deploy"]
    for card in (ROOT / "edge" / "bundles").glob("*/card.json"):
        assert "-NC" not in card.read_text()
