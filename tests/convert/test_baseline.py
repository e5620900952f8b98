"""The baseline bundle: made of training speakers only, the same bytes each time, deaf to loudness."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from convert.baseline import SPEC, build, standardise
from edge.bundle import open_bundle
from edge.errors import UsageError
from tests.edge.small_bundles import sound
from training.corpus import COLUMNS


def corpus(folder: Path, splits=("train", "train", "train", "dev")) -> Path:
    """One synthetic voice per entry of ``splits``, three clips each."""
    rows = ["\t".join(COLUMNS)]
    for number, split in enumerate(splits):
        for take, seconds in enumerate((0.4, 1.0, 4.0)):
            path = f"s{number}/{take}.wav"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / path, sound(seconds, seed=number) * (1 + take / 4), 16000)
            values = {
                "path": path,
                "split": split,
                "set": f"set{number % 2}",
                "speaker": f"s{number}",
                "seconds": f"{seconds}",
                "licence": "CC0-1.0",
                "source": "a synthesiser",
            }
            rows.append("\t".join(values.get(name, "") for name in COLUMNS))
    (folder / "manifest.tsv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    speech = corpus(tmp_path_factory.mktemp("speech"))
    out = tmp_path_factory.mktemp("bundles") / "baseline"
    build(speech, out)
    return speech, out


def test_it_opens_and_says_what_it_was_made_from(made):
    bundle = open_bundle(made[1])
    assert bundle.runtime == "numpy (no network)"
    assert bundle.spec == SPEC
    assert bundle.dim == 2 * SPEC.coefficients - 1
    assert [row["set"] for row in bundle.card["training_data"]] == ["set0", "set1"]
    assert sum(row["speakers"] for row in bundle.card["training_data"]) == 3
    assert {row["licence"] for row in bundle.card["attribution"]} == {"CC0-1.0"}


def test_each_training_speaker_has_a_row_in_the_cohort_and_no_other_has(made):
    speech, out = made
    bundle = open_bundle(out)
    assert bundle.cohort.shape == (3, bundle.dim)
    heard = np.stack([bundle.embed(sound(4, seed=number)) for number in range(4)])
    nearest = (heard[:3] @ bundle.cohort.T).argmax(axis=1)
    assert nearest.tolist() == [0, 2, 1], "rows are in the order of sets, then of speakers"
    without = corpus(speech.parent / "without", ("train",) * 3)
    build(without, out.parent / "without")
    assert (out.parent / "without" / "cohort.npy").read_bytes() == (out / "cohort.npy").read_bytes()


def test_the_same_corpus_gives_the_same_bytes(made, tmp_path):
    speech, out = made
    build(speech, tmp_path / "again")
    for file in out.iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def test_a_louder_recording_has_the_same_embedding(made):
    bundle = open_bundle(made[1])
    samples = sound(3, seed=1)
    assert np.dot(bundle.embed(0.9 * samples), bundle.embed(0.3 * samples)) > 0.999


def test_values_are_standardised_over_speakers_not_over_clips():
    """One speaker with a thousand windows weighs as much as one with two."""
    rng = np.random.default_rng(2)
    many, few = rng.normal(5, 1, (1000, 6)).astype(np.float32), rng.normal(-5, 1, (2, 6)).astype(np.float32)
    head = standardise([many, few])
    rows = [rows @ head.kernel + head.bias for rows in (many, few)]
    centre = np.mean([row.mean(axis=0) for row in rows], axis=0)
    square = np.mean([np.square(row).mean(axis=0) for row in rows], axis=0)
    np.testing.assert_allclose(centre, 0, atol=1e-4)
    np.testing.assert_allclose(square, 1, atol=1e-3)
    assert head.kernel.shape == (6, 5)
    assert not head.kernel[0].any(), "the mean of c0 is the loudness"


def test_too_few_speakers_are_refused(tmp_path):
    with pytest.raises(UsageError, match="fewer than two labelled training speakers"):
        build(corpus(tmp_path / "speech", ("train", "dev")), tmp_path / "out")
