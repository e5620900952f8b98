"""CAM++ in Keras is the CAM++ of its authors."""

import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra [train]")

from edge.errors import UsageError
from tests.convert.tiny import BANDS, FRAMES, tiny_weights, tiny_windows
from training.teachers.campp import SegmentContext, campp_head, campp_trunk
from training.teachers.checkpoint import read_checkpoint

pytestmark = pytest.mark.training


def test_widths_and_depth_follow_from_the_tensors():
    trunk = campp_trunk(tiny_weights(), FRAMES)
    assert trunk.input_shape == (1, FRAMES, BANDS, 1)
    assert trunk.output_shape == (1, FRAMES // 2, 5)
    head = campp_head(tiny_weights())
    assert head.kernel.shape == (10, 6)
    embedding = head.embed(trunk(tiny_windows(1)[..., None], training=False).numpy()[0])
    assert embedding.shape == (6,)
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-6)


def test_context_is_the_mean_over_all_and_over_the_segment():
    x = np.random.default_rng(0).normal(size=(1, 7, 1, 3)).astype(np.float32)
    found = np.asarray(SegmentContext(3)(x))[0, :, 0]
    for frame in range(7):
        start = frame // 3 * 3
        expected = x[0, :, 0].mean(0) + x[0, start : start + 3, 0].mean(0)
        np.testing.assert_allclose(found[frame], expected, atol=1e-6)


def test_a_missing_tensor_is_named():
    weights = tiny_weights()
    del weights["xvector.block2.tdnnd1.nonlinear2.batchnorm.bias"]
    with pytest.raises(UsageError, match=r"xvector\.block2\.tdnnd1\.nonlinear2\.batchnorm\.bias"):
        campp_trunk(weights, FRAMES)


def test_a_tensor_of_the_wrong_shape_is_refused():
    weights = tiny_weights()
    weights["head.bn2.weight"] = np.ones(5, np.float32)
    with pytest.raises(UsageError, match="does not fit"):
        campp_trunk(weights, FRAMES)


@pytest.fixture
def oracle():
    """Windows and embeddings of the authors' own code, made by ``make_campp_oracle.py`` beside this file."""
    names = ("EARMARK_CAMPP_CHECKPOINT", "EARMARK_CAMPP_ORACLE")
    if any(name not in os.environ for name in names):
        pytest.skip(f"set {names[0]} and {names[1]} to compare with the original")
    checkpoint, answers = (Path(os.environ[name]) for name in names)
    with np.load(answers) as found:
        return read_checkpoint(checkpoint), found["windows"], found["embeddings"]


def test_embeddings_equal_the_original(oracle):
    weights, windows, embeddings = oracle
    trunk, head = campp_trunk(weights), campp_head(weights)
    for window, embedding in zip(windows, embeddings, strict=True):
        found = head.embed(trunk(window[None, :, :, None], training=False).numpy()[0])
        assert found @ embedding / np.linalg.norm(embedding) >= 0.9999
