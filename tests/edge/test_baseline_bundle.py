"""The bundle ``baseline`` as it ships."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

import edge
from edge.bundle import installed_bundles
from edge.scoring import Calibration

ASSETS = Path(edge.__file__).parent / "demo" / "assets"


@pytest.fixture(scope="module")
def baseline():
    return edge.open_bundle("baseline")


def clips(pattern):
    return [soundfile.read(path, dtype="float32")[0] for path in sorted(ASSETS.glob(pattern))]


def test_it_is_installed(baseline):
    path = installed_bundles([])["baseline"]
    assert path == Path(edge.__file__).parent / "bundles" / "baseline"
    assert sum(file.stat().st_size for file in path.iterdir()) < 200_000
    assert (baseline.name, baseline.network) == ("baseline", None)


def test_its_card_names_licence_and_source_of_everything(baseline):
    assert baseline.card["licence"] == "CC-BY-4.0"
    assert {"librispeech", "speechcommands"} <= {row["set"] for row in baseline.card["training_data"]}
    assert all(row["licence"] and row["source"] for row in baseline.card["attribution"])
    assert "/" not in json.dumps(baseline.card["training_data"])


def test_its_calibration_can_be_used(baseline):
    assert Calibration.from_json(baseline.calibration).to_json()["weights"] == baseline.calibration["weights"]


def test_it_knows_the_demos_voices_apart(baseline):
    """On the demo's clips each person's mean is nearer to the same person's clips than to strangers', on average."""
    people = {
        name: np.mean([baseline.embed(clip) for clip in clips(f"{name}-enrol-*.ogg")], axis=0)
        for name in ("ada", "ben")
    }
    strangers = [baseline.embed(clip) for clip in clips("clip-*-stranger.ogg")]
    assert len(strangers) == 4
    for name, mean in people.items():
        own = np.mean([mean @ baseline.embed(clip) for clip in clips(f"clip-*-{name}.ogg")])
        assert own > np.mean([mean @ stranger for stranger in strangers]) + 0.1


def test_its_cohort_is_of_unit_vectors_that_differ(baseline):
    assert baseline.cohort.shape == (baseline.card["cohort"]["speakers"], baseline.dim)
    assert np.abs(baseline.cohort @ baseline.cohort.T).mean() < 0.6
