"""The second output for label heads: what it says, and that it costs the first one nothing."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra [train]")

from convert.campplus import convert_trunk
from convert.errors import ConversionError
from convert.keras_graph import from_keras
from convert.recipe import RECIPES, read_recipe
from convert.taps import with_middle
from edge.runtime import Network
from tests.convert.tiny import FRAMES, tiny_weights
from training.teachers.campp import campp_head, campp_trunk
from training.teachers.pace import Pace, paced

pytestmark = pytest.mark.training


def without_middle(model):
    """The file with its first output alone."""
    import flatbuffers
    from tensorflow.lite.tools import flatbuffer_utils

    content = flatbuffer_utils.convert_bytearray_to_object(bytearray(model))
    content.subgraphs[0].outputs = content.subgraphs[0].outputs[:1]
    builder = flatbuffers.Builder(len(model))
    builder.Finish(content.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def follows(found, wanted):
    """Whether channels move as they do in float; their scale is that of the equalised network."""
    live = wanted.std(axis=0) > 0.05
    assert live.sum() > 2
    return [np.corrcoef(found[:, place], wanted[:, place])[0, 1] for place in np.flatnonzero(live)]


def test_the_first_output_stays_and_the_second_is_the_second_transition(trunk, windows):
    import keras

    both = Network(trunk.int8_model)
    plain = Network(without_middle(trunk.int8_model))
    model = campp_trunk(tiny_weights(), FRAMES)
    middle = keras.Model(model.input, model.get_layer("xvector_transit2_linear").output)
    assert [output.shape for output in both.outputs] == [plain.output_shape, (1, 150, 1, 6)]
    for window in windows[:3]:
        first, second = both.all_outputs(window)
        np.testing.assert_array_equal(first, plain(window))
        np.testing.assert_array_equal(first, both(window))
        wanted = np.asarray(middle(window[None, ..., None], training=False)).reshape(150, 6)
        assert min(follows(second.reshape(150, 6), wanted)) > 0.9, "the same channels, in another scale"


def test_a_network_that_takes_every_second_frame_has_one_too(windows):
    weights = paced(tiny_weights(), Pace(2, 2))
    recipe = read_recipe(RECIPES / "campplus.json")
    graph = from_keras(campp_trunk(weights, FRAMES))
    made = convert_trunk(graph, campp_head(weights), windows, recipe, lambda _line: None)
    assert Network(made.int8_model).outputs[1].shape == (1, 75, 1, 6)


def test_a_file_that_has_it_already_or_is_made_otherwise_is_refused(trunk):
    with pytest.raises(ConversionError, match="2 outputs already"):
        with_middle(trunk.int8_model)
