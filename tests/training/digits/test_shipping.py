"""A network becomes a folder that the edge opens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra [train]")

from convert.digits import int8_file
from edge.challenge import Challenge, Recogniser
from edge.challenge.frames import SPEC
from training.digits import shipping
from training.digits.network import WINDOW_FRAMES, build
from training.digits.recipe import DigitsRecipe
from training.digits.words import WordList

pytestmark = pytest.mark.training

WORDS = ("low", "mid", "high", "top")


def test_a_fresh_network_is_converted_opened_and_asked(tmp_path: Path) -> None:
    recipe = DigitsRecipe("tones", "xx", WORDS, channels=16)
    model = build(len(WORDS), None, recipe.channels)
    windows = np.random.default_rng(1).normal(0, 1, (4, WINDOW_FRAMES, SPEC.n_mels)).astype(np.float32)
    shipping.write(tmp_path, recipe, WordList.of(WORDS), int8_file(model, windows), {})
    assert not shipping.written(tmp_path)
    shipping.settle(tmp_path, 2.0)
    assert shipping.written(tmp_path)

    recogniser = Recogniser(tmp_path)
    assert recogniser.words == WORDS and recogniser.card.accept_log_odds == 2.0
    logs = recogniser.log_probabilities(np.zeros(16000, np.float32))
    assert logs.shape == (33, 5) and np.exp(logs).sum(axis=1) == pytest.approx(1.0)
    # The file computes what the model does, to int8's precision.
    wanted = np.asarray(model(windows[:1, :, :, None], training=False))[0, :, 0]
    told = recogniser.network(windows[0].reshape(recogniser.network.input_shape)).reshape(wanted.shape)
    assert np.corrcoef(wanted.ravel(), told.ravel())[0, 1] > 0.98
    assert len(Challenge.draw(4, folder=tmp_path, language="xx").digits) == 4


def test_a_step_sees_no_further_than_its_context() -> None:
    model = build(4, None, 16)
    rng = np.random.default_rng(1)
    for layer in model.layers:  # as if it had learnt something
        layer.set_weights([values + np.abs(rng.normal(0, 0.1, values.shape)) for values in layer.get_weights()])
    frames = np.ones((1, WINDOW_FRAMES, SPEC.n_mels, 1), np.float32)
    changed = frames.copy()
    middle = WINDOW_FRAMES // 2
    changed[0, middle] += 1.0
    moved = np.abs(np.asarray(model(changed) - model(frames)))[0].max(axis=(1, 2))
    steps = np.flatnonzero(moved > 1e-6)
    assert middle / 3 - steps[0] <= 17 and steps[-1] - middle / 3 <= 17
