"""``earmark compensate-bundle`` on a small bundle: what changes in its folder, and what stays."""

from __future__ import annotations

import json

import numpy as np
import pytest

from convert.compensate_command import compensate_bundle
from edge.bundle.opened import open_bundle
from tests.edge import small_bundles
from tests.training import demo_corpus


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    return demo_corpus.write(tmp_path_factory.mktemp("speech"))


@pytest.fixture
def bundle(tmp_path):
    return small_bundles.make(tmp_path / "small")


def head(folder):
    with np.load(folder / "head.npz") as arrays:
        return dict(arrays)


def test_head_and_cohort_are_new_and_what_belonged_to_the_old_embeddings_goes(bundle, speech, tmp_path, capsys):
    before, plain = open_bundle(bundle), head(bundle)
    arguments = ["--bundle", str(bundle), "--speech", str(speech), "--cache", str(tmp_path / "cache")]
    assert compensate_bundle([*arguments, "--shrinkage", "0.5"]) == 0
    assert "uncompensated" in capsys.readouterr().out
    after = open_bundle(bundle)
    assert after.encoder != before.encoder
    assert after.calibration == {}
    assert after.card["compensation"]["shrinkage"] == 0.5
    np.testing.assert_allclose(np.linalg.norm(after.cohort, axis=1), 1.0, atol=5e-4)
    assert len(after.cohort) == 18
    for name, value in plain.items():
        np.testing.assert_allclose(head(bundle)[name], value, rtol=1e-3, atol=1e-6)

    # Once more: what is learnt never stands on what was learnt before.
    first = head(bundle)
    assert compensate_bundle([*arguments, "--shrinkage", "0.5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["shrinkage"] == 0.5
    np.testing.assert_array_equal(head(bundle)["transform"], first["transform"])


def test_another_bundles_compensation_can_be_taken(bundle, speech, tmp_path, capsys):
    other = small_bundles.make(tmp_path / "other")
    with_speech = ["--speech", str(speech)]
    assert compensate_bundle(["--bundle", str(other), *with_speech, "--shrinkage", "0.6", "--space", "x-24/1"]) == 0
    assert compensate_bundle(["--bundle", str(bundle), "--like", str(other), *with_speech]) == 0
    np.testing.assert_array_equal(head(bundle)["transform"], head(other)["transform"])
    np.testing.assert_array_equal(head(bundle)["centre"], head(other)["centre"])
    assert open_bundle(bundle).space == open_bundle(other).space == "x-24/1"
    # What is learnt anew is another space, and has no name until somebody gives it one.
    assert compensate_bundle(["--bundle", str(bundle), *with_speech, "--shrinkage", "0.9"]) == 0
    assert not open_bundle(bundle).space


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--shrinkage", "0"], "share of the identity"),
        (["--like", "baseline"], "has no compensation"),
        (["--like", "baseline", "--space", "x-24/1"], "Leave --space"),
        (["--shrinkage", "0.5", "--space", "wrong"], "NAME-24"),
        (["--speech", "nowhere"], "is not a folder"),
    ],
)
def test_what_cannot_be_done_is_said_and_the_bundle_stays(bundle, speech, capsys, change, words):
    files = {path.name: path.read_bytes() for path in bundle.iterdir()}
    assert compensate_bundle(["--bundle", str(bundle), "--speech", str(speech), *change]) != 0
    assert words in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == files
