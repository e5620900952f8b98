"""A network that takes fewer frames in its blocks is the same network where it may be, and says what it costs."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra [train]")

from keras import layers

from convert.campplus import prepare
from convert.keras_graph import from_keras, to_keras
from edge.errors import UsageError
from tests.convert.tiny import BANDS, FRAMES, tiny_weights, tiny_windows
from training.models.campp import embedder, tensors
from training.slim.channels import groups
from training.slim.compose import everything
from training.slim.cost import cost
from training.slim.cut import cut
from training.slim.importance import channel_means
from training.slim.mend import mend
from training.slim.recipe import Stage
from training.teachers.campp import campp_trunk
from training.teachers.checkpoint import read_checkpoint, save_tensors
from training.teachers.pace import Pace, marks, pace_of, paced

pytestmark = pytest.mark.training

PACES = [Pace(front=1, tail=2), Pace(front=2, tail=1), Pace(front=2, tail=2)]


def silent(_line: str) -> None:
    """Nobody reads it."""


def trunk(weights, windows):
    return np.asarray(campp_trunk(weights, FRAMES, None)(windows[..., None], training=False))


def constant_gates(weights):
    """The same with gates that don't look at the context: nothing is left that averages over time."""
    return {
        name: np.zeros_like(value) if name.endswith("cam_layer.linear2.weight") else value
        for name, value in weights.items()
    }


def test_without_context_the_slower_tail_computes_every_second_frame_of_the_original():
    weights, windows = constant_gates(tiny_weights()), tiny_windows(3)
    slow = trunk(paced(weights, Pace(tail=2)), windows)
    np.testing.assert_allclose(slow, trunk(weights, windows)[:, ::2], atol=1e-5)


@pytest.mark.parametrize("pace", PACES)
def test_the_marks_go_with_the_tensors(pace, tmp_path):
    weights = paced(tiny_weights(), pace)
    save_tensors(tmp_path / "w.npz", weights)
    assert pace_of(read_checkpoint(tmp_path / "w.npz")) == pace
    given_back = tensors(embedder(weights, FRAMES), weights)
    assert given_back.keys() == weights.keys()
    assert pace_of(given_back) == pace
    means = channel_means(embedder(weights, FRAMES), groups(weights), tiny_windows(2))
    assert pace_of(cut(weights, everything(groups(weights)), means)) == pace


def test_the_original_has_no_marks_and_its_own_pace():
    assert not marks(tiny_weights())
    assert pace_of(tiny_weights()) == Pace()


@pytest.mark.parametrize("pace", PACES)
def test_cost_counts_what_the_layers_of_the_converted_network_do(pace):
    weights = paced(tiny_weights(), pace)
    macs = 0
    for layer in to_keras(prepare(from_keras(campp_trunk(weights, FRAMES)))).layers:
        if isinstance(layer, layers.Conv2D) and not isinstance(layer, layers.DepthwiseConv2D):
            macs += np.asarray(layer.kernel).size * layer.output.shape[1] * layer.output.shape[2]
    assert cost({group.name: group.width for group in groups(weights)}, FRAMES, BANDS, pace).macs == macs


@pytest.mark.parametrize("pace", PACES)
def test_the_rewrites_of_conversion_leave_the_output_unchanged(pace):
    weights, windows = paced(tiny_weights(), pace), tiny_windows(2)
    rewritten = to_keras(prepare(from_keras(campp_trunk(weights, FRAMES))))
    for window, wanted in zip(windows, trunk(weights, windows), strict=True):
        np.testing.assert_allclose(np.asarray(rewritten(window[None, ..., None]))[0], wanted, atol=1e-4)


@pytest.mark.parametrize("pace", PACES)
def test_mending_brings_a_slower_network_nearer_to_the_original(pace):
    weights, windows, others = tiny_weights(), tiny_windows(24), tiny_windows(8, seed=5)
    slow = paced(weights, pace)
    mended = mend(weights, slow, everything(groups(weights)), windows, say=silent)
    assert pace_of(mended) == pace
    wanted, before, after = (
        np.asarray(embedder(found, FRAMES)(others[..., None], training=False)) for found in (weights, slow, mended)
    )
    assert (after * wanted).sum(axis=1).mean() > (before * wanted).sum(axis=1).mean()


def test_a_pace_that_does_not_exist_is_refused():
    with pytest.raises(UsageError, match="3 frames at a time in front"):
        Pace(front=3)
    with pytest.raises(UsageError, match="can't go back"):
        paced(paced(tiny_weights(), Pace(2, 2)), Pace(1, 2))


def test_a_stage_names_its_pace():
    stage = Stage.from_json({"budget": {"macs": 5}, "pace": {"front": 2}})
    assert stage.pace == Pace(front=2)
    with pytest.raises(UsageError, match="A pace has no 'middle'"):
        Stage.from_json({"budget": {"macs": 5}, "pace": {"middle": 2}})
