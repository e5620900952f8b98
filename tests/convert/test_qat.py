"""Fine-tuning for int8: what is rounded in training is what the int8 file rounds."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("tensorflow", reason="needs the extra [train]")

import keras
from keras import ops

from convert.campplus import quantised, rewrite, scaled_head
from convert.errors import ConversionError
from convert.float_tflite import float_tflite
from convert.graph import Concat, Conv, Graph, Input, Relu, Sigmoid
from convert.interpreter import float_interpreter
from convert.keras_graph import to_keras
from convert.qat.fake import FakeQuantise, QuantisedConvolution, fake_quantise
from convert.qat.file import Tuned, read_tuned, write_tuned
from convert.qat.network import Quantised
from convert.qat.plan import groups, read_plan
from convert.qat.recipe import QuantiseRecipe
from convert.recipe import RECIPES, read_recipe
from edge.errors import UsageError
from edge.runtime import Network, QuantParams, dequantise
from edge.runtime import quantise as round_to_int8
from tests.convert.tiny import FRAMES, tiny_weights
from training.teachers.campp import campp_head

pytestmark = pytest.mark.training

SCALES = st.floats(2**-13, 8, width=32)
ZERO_POINTS = st.integers(-128, 127)


def gradients(function, *values):
    """Of the sum of ``function``, by the backend's own means."""
    import tensorflow as tf

    tensors = [tf.constant(value, tf.float32) for value in values]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        total = tf.reduce_sum(function(*tensors))
    return [gradient.numpy() for gradient in tape.gradient(total, tensors)]


@settings(deadline=None, max_examples=50)
@given(scale=SCALES, zero_point=ZERO_POINTS, values=st.lists(st.floats(-3000, 3000, width=32), min_size=1, max_size=20))
def test_rounding_is_that_of_the_edge(scale, zero_point, values):
    params = QuantParams(scale, zero_point)
    ties = (np.arange(-130, 130, dtype=np.float32) + np.float32(0.5)) * np.float32(scale)
    x = np.concatenate([np.array(values, np.float32), ties, [np.float32(3e38), np.float32(-3e38)]])
    found = ops.convert_to_numpy(fake_quantise(ops.convert_to_tensor(x), scale, -128 - zero_point, 127 - zero_point))
    np.testing.assert_array_equal(found, dequantise(round_to_int8(x, params), params))


def test_rounding_is_that_of_the_edge_also_when_a_graph_is_compiled():
    params = QuantParams(0.0371, 17)
    window = keras.layers.Input((512,))
    model = keras.Model(window, FakeQuantise(params)(window))
    x = (np.arange(1024, dtype=np.float32).reshape(2, 512) - 500) * np.float32(0.0371) / 2
    for compiled in (False, True):
        model.compile(jit_compile=compiled)
        np.testing.assert_array_equal(model.predict_on_batch(x), dequantise(round_to_int8(x, params), params))


def test_the_gradient_passes_inside_the_range_and_ends_at_its_limits():
    x = np.array([-9.0, -6.41, -6.39, 0.3, 0.02, 6.34, 6.36, 50.0], np.float32)
    (gradient,) = gradients(lambda values: 3 * fake_quantise(values, 0.05, -128, 127), x)
    np.testing.assert_allclose(gradient, [0, 0, 3, 3, 3, 3, 0, 0])


def test_the_gradient_to_a_scale_is_the_error_of_rounding_or_the_limit():
    x = np.array([-9.0, 0.33, 50.0], np.float32)
    for place, expected in enumerate([-128, round(0.33 / 0.05) - 0.33 / 0.05, 127]):
        _, gradient = gradients(lambda values, scale: fake_quantise(values, scale, -128, 127), x[[place]], 0.05)
        assert gradient == pytest.approx(expected, abs=1e-4)


def convolution(kernel, bias, input_scale):
    """A 1 x 1 convolution behind the rounding of its input."""
    node = Conv("conv", ("x",), (1, 1, kernel.shape[-1]), kernel, bias)
    return QuantisedConvolution(node, FakeQuantise(QuantParams(input_scale, 0)), FakeQuantise(QuantParams(0.03, 0)))


def test_weights_are_rounded_for_each_channel_alone_and_an_empty_one_stays_empty():
    kernel = np.random.default_rng(0).normal(size=(1, 1, 6, 5)).astype(np.float32)
    kernel *= np.array([1, 10, 0, 1e-3, 5], np.float32)
    layer = convolution(kernel, np.zeros(5, np.float32), 1.0)
    found = np.array(layer(np.eye(6, dtype=np.float32)[:, None, None]))[:, 0, 0]
    largest = np.abs(kernel).max(axis=(0, 1, 2))
    steps = np.divide(found, largest / 127, out=np.zeros_like(found), where=largest > 0)
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)
    assert np.abs(steps).max() == pytest.approx(127)
    assert (np.abs(found - kernel[0, 0]) <= largest / 254 * 1.001).all()
    assert not found[:, 2].any()


def test_what_learns_is_of_the_same_size_in_every_channel_and_exactly_what_was_given():
    rng = np.random.default_rng(4)
    kernel = rng.normal(size=(1, 1, 6, 5)).astype(np.float32) * np.array([1, 900, 1e-5, 1e-3, 7], np.float32)
    bias = rng.normal(size=5).astype(np.float32)
    layer = convolution(kernel, bias, 1.0)
    learning = np.abs(np.array(layer.trainable_variables[0])).max(axis=(0, 1, 2))
    assert learning.min() > 0.7
    assert learning.max() < 1.5
    np.testing.assert_array_equal(layer.arrays[0], kernel)
    np.testing.assert_array_equal(layer.arrays[1], bias)


def test_a_bias_is_a_number_of_steps_of_input_times_weights():
    layer = convolution(np.array([[[[1.27, -2.54]]]], np.float32), np.array([0.1234, 0.1234], np.float32), 0.5)
    found = np.array(layer(np.zeros((1, 1, 1, 1), np.float32))).ravel()
    np.testing.assert_allclose(found, [round(0.1234 / 0.005) * 0.005, round(0.1234 / 0.01) * 0.01], rtol=1e-5)


@pytest.fixture(scope="module")
def choices():
    return read_recipe(RECIPES / "campplus.json")


@pytest.fixture(scope="module")
def made(graph, windows, choices):
    """The tiny teacher rewritten, its int8 file, and the factors of its output."""
    rewritten, factors = rewrite(graph, windows, choices, lambda line: None)
    return rewritten, quantised(float_tflite(rewritten), windows, choices, lambda line: None), factors


@pytest.fixture(scope="module")
def student(made):
    rewritten, model, factors = made
    return Quantised(rewritten, read_plan(model, rewritten), scaled_head(campp_head(tiny_weights()), factors))


def frame_features(student, windows):
    model = student.build(FRAMES)
    trunk = keras.Model(model.input, model.get_layer("frame_features").output)
    return np.array(trunk(windows[..., None], training=False))


def agree(student, model, windows):
    """Whether simulation and file say the same: to two steps on nearly all windows, to half a step on average.

    A value on the border of two steps goes either way, and takes others with it.
    """
    network = Network(model)
    real = np.concatenate([network(window[None, :, :, None]) for window in windows])
    apart = np.abs(frame_features(student, windows) - real) / network.output_quant.scale
    return apart.mean() < 0.5 and (apart.max(axis=(1, 2)) < 2.01).mean() > 0.6


def test_what_is_trained_computes_what_the_int8_file_computes(student, made, windows):
    assert agree(student, made[1], windows)


def test_the_float_network_does_not(made, student, windows):
    """Otherwise the test above would say nothing."""
    exact = to_keras(made[0])
    found = np.concatenate([exact(window[None, :, :, None]) for window in windows[:4]])
    step = student.plan[student.graph.output.name].scale
    assert np.abs(found - frame_features(student, windows[:4])).mean() > 1.0 * step


def test_each_node_turns_what_the_file_s_node_gets_into_what_that_gives(student, made, windows):
    """With plain kernels, whose inner values can be read: never more than a step apart, and rarely that."""
    interpreter = float_interpreter(made[1], keep_all=True)
    entry = interpreter.get_input_details()[0]["index"]
    interpreter.set_tensor(entry, round_to_int8(windows[:1, ..., None], student.plan["window"]))
    interpreter.invoke()
    places = {d["name"]: d["index"] for d in interpreter.get_tensor_details()}
    model, known, values, apart = student.build(FRAMES), groups(student.graph, student.plan), {}, []
    for node in student.graph.nodes:
        found = None
        if not isinstance(node, Input):
            inputs = [values[name] for name in node.inputs]
            found = model.get_layer(node.name)(inputs[0] if len(inputs) == 1 else inputs)
        if node.name in student.plan:
            params = student.plan[node.name]
            real = interpreter.get_tensor(places[tensor_name(made[1], student.graph, node.name)])
            if found is not None:
                rounded = np.array(model.get_layer(f"{known[node.name]}_int8")(found)) / params.scale
                apart.append(np.abs(rounded - (real.reshape(rounded.shape) - np.float32(params.zero_point))))
            found = dequantise(real, params).reshape((1, *node.shape))
        values[node.name] = found
    assert max(one.max() for one in apart) < 1.01
    assert np.mean([(one > 0.5).mean() for one in apart]) < 0.03


def tensor_name(model, graph, name):
    """Of a node's output in a file."""
    from convert.qat import plan

    subgraph = plan._subgraph(model)
    return subgraph.tensors[plan._last(plan._owners(subgraph, graph), graph)[name]].name.decode()


def test_other_weights_and_scales_become_a_file_that_computes_the_same(student, made, windows, tmp_path):
    learning = Quantised(student.graph, student.plan, student.head, rate=1.0)
    model, rng = learning.build(FRAMES), np.random.default_rng(1)
    changes = [variable for variable in model.trainable_variables if variable.name == "change"]
    for variable in changes:
        variable.assign(rng.uniform(-0.1, 0.3))
    tensors = learning.tensors(model)
    for name, value in tensors.items():
        if not name.endswith("scale"):
            tensors[name] = value * rng.normal(1, 0.05, value.shape).astype(np.float32)
    after = learning.with_tensors(tensors)
    moved = sum(after.plan[name].scale != params.scale for name, params in student.plan.items())
    assert len(changes) > 20
    assert moved > 0.8 * len(student.plan)
    gates = [node.name for node in student.graph.nodes if isinstance(node, Sigmoid)]
    assert all(after.plan[name] == QuantParams(1 / 256, -128) for name in gates)

    write_tuned(tmp_path / "tuned.npz", Tuned(after.graph, after.plan, made[2], "abc"))
    kept = read_tuned(tmp_path / "tuned.npz")
    assert (kept.started_from, kept.plan) == ("abc", after.plan)
    np.testing.assert_array_equal(kept.factors, made[2])
    assert agree(after, kept.int8_model(), windows)


def test_tensors_that_share_a_scale_share_the_layer_that_rounds(student):
    group = groups(student.graph, student.plan)
    stacks = [node for node in student.graph.nodes if isinstance(node, Concat) and node.axis == -1]
    assert stacks
    for node in stacks:
        assert {group[name] for name in (node.name, *node.inputs)} == {group[node.name]}
    layers = [layer for layer in student.build(FRAMES).layers if isinstance(layer, FakeQuantise)]
    assert len(layers) == len(set(group.values())) < len(student.plan)


def test_every_activation_of_the_file_is_in_the_plan(student, made):
    fused = [node for node in student.graph.nodes if node.name not in student.plan]
    readers = student.graph.consumers()
    assert all(isinstance(reader, Relu) for node in fused for reader in readers[node.name])
    other = Graph(made[0].nodes[:1])
    with pytest.raises(ConversionError, match="no node"):
        read_plan(made[1], other)


def test_a_file_that_does_not_keep_to_the_plan_is_refused(student, made):
    name = student.graph.nodes[1].name
    params = student.plan[name]
    broken = student.plan | {name: QuantParams(params.scale * 1.5, params.zero_point)}
    reader = student.graph.consumers()[name][0].name
    assert reader.endswith("pad"), "a node that must share the scale"
    with pytest.raises(ConversionError, match="was fine-tuned with"):
        Tuned(student.graph, broken, made[2], "").int8_model()


def test_windows_of_another_length_are_refused(student):
    with pytest.raises(UsageError, match="300 frames, not 200"):
        student.build(200)


def test_another_file_is_no_fine_tuned_network(tmp_path):
    np.savez(tmp_path / "other.npz", kernel=np.zeros(3))
    with pytest.raises(UsageError, match="no network fine-tuned"):
        read_tuned(tmp_path / "other.npz")


DISTIL = {"name": "x", "steps": 3}


@pytest.mark.parametrize(
    "values",
    [
        {"name": "x", "distil": DISTIL, "rang": 1},
        {"name": "x"},
        {"name": "x", "distil": DISTIL | {"window_frames": 200}},
        {"name": "x", "distil": DISTIL | {"stepps": 200}},
        {"name": "x", "distil": DISTIL, "ranges": "wide"},
        {"name": "x", "distil": DISTIL, "range_rate": -1.0},
        {"name": "x", "distil": DISTIL, "windows": 1},
        {"name": "x", "distil": DISTIL, "clips": 20},
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(values):
    with pytest.raises(UsageError):
        QuantiseRecipe.from_json(values)


def test_the_shipped_recipe_survives_its_json():
    recipe = QuantiseRecipe.from_json(json.loads((RECIPES / "quantise-aware.json").read_text()))
    assert recipe.distil.window_frames == 300
    assert QuantiseRecipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
