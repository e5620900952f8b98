"""Every pass leaves the float output as it was, and does what it is for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convert.campplus import prepare
from convert.errors import ConversionError
from convert.graph import (
    Add,
    Affine,
    Concat,
    Conv,
    Depthwise,
    Graph,
    Input,
    Relu,
    Reshape,
    SegmentMean,
    Sigmoid,
)
from convert.observe import channel_peaks
from convert.passes.channels import PINNED, channel_classes
from convert.passes.context import chunked_context, mixing
from convert.passes.equalise import channel_factors, equalise
from convert.passes.fold import fold
from convert.passes.preactivation import depthwise_preactivations

pytestmark = pytest.mark.training


def kinds(graph, kind):
    return [node for node in graph.nodes if isinstance(node, kind)]


def close(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.fixture(scope="module")
def ready(graph):
    return prepare(graph)


@pytest.fixture(scope="module")
def peaks(ready, windows):
    return channel_peaks(ready, windows)


def test_a_graph_turned_back_into_keras_computes_the_same(graph, run, expected):
    close(run(Graph(graph.nodes)), expected)


def test_fold_leaves_only_normalisation_that_stands_before_an_activation(graph, run, expected):
    folded = fold(graph)
    close(run(folded), expected)
    names = folded.by_name()
    assert 0 < len(kinds(folded, Affine)) < len(kinds(graph, Affine))
    readers = folded.consumers()
    for node in [*kinds(folded, Affine), *kinds(folded, Relu)]:
        assert not isinstance(names[node.inputs[0]], Conv) or len(readers[node.inputs[0]]) > 1


def test_fold_keeps_a_convolution_apart_that_somebody_else_reads_too():
    one = np.ones((1, 1, 2, 2), np.float32)
    nodes = (
        Input("in", (), (4, 1, 2)),
        Conv("conv", ("in",), (4, 1, 2), one, np.zeros(2, np.float32)),
        Affine("norm", ("conv",), (4, 1, 2), np.full(2, 2, np.float32), np.zeros(2, np.float32)),
        Add("sum", ("conv", "norm"), (4, 1, 2)),
    )
    assert [type(node) for node in fold(Graph(nodes)).nodes] == [Input, Conv, Affine, Add]


def test_preactivations_become_depthwise_convolutions_with_their_activation(graph, run, expected):
    rewritten = depthwise_preactivations(fold(graph))
    close(run(rewritten), expected)
    assert not kinds(rewritten, Affine)
    assert kinds(rewritten, Depthwise)
    assert all(node.activation == "relu" for node in kinds(rewritten, Depthwise))


def test_context_gates_are_computed_once_per_chunk(graph, run, expected):
    rewritten = chunked_context(fold(graph))
    close(run(rewritten), expected)
    assert not kinds(rewritten, SegmentMean)
    assert {node.shape[0] for node in kinds(rewritten, Sigmoid)} == {3}  # 150 frames in chunks of 50


@given(frames=st.integers(1, 60), segment=st.integers(1, 60))
def test_mixing_chunks_gives_the_context_of_every_frame(frames, segment):
    x = np.random.default_rng(frames * 61 + segment).normal(size=frames)
    chunk, weights, owner = mixing(frames, segment)
    contexts = weights @ x.reshape(-1, chunk).mean(axis=1)
    found = np.repeat(contexts[list(owner)], chunk)
    starts = np.arange(frames) // segment * segment
    np.testing.assert_allclose(found, [x.mean() + x[a : a + segment].mean() for a in starts], atol=1e-5)


def test_a_context_that_is_read_by_others_too_is_refused(graph):
    last = graph.output
    context = kinds(graph, SegmentMean)[0]
    extra = Reshape("extra", (context.name,), (context.shape[0], context.shape[2]))
    with pytest.raises(ConversionError, match="read by more than its gate"):
        chunked_context(Graph((*graph.nodes[:-1], extra, last)))


def test_channels_that_an_addition_joins_share_a_class_and_gates_are_pinned(ready):
    classes = channel_classes(ready)
    for node in kinds(ready, Add):
        for name in node.inputs:
            np.testing.assert_array_equal(classes[name], classes[node.name])
    for node in kinds(ready, Sigmoid):
        assert (classes[node.name] == PINNED).all()
    for node in kinds(ready, Concat):
        if node.axis == -1:
            np.testing.assert_array_equal(classes[node.name], np.concatenate([classes[name] for name in node.inputs]))


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 1000))
def test_any_peaks_leave_the_output_unchanged(seed, ready, run, expected):
    rng = np.random.default_rng(seed)
    peaks = {node.name: rng.uniform(0.01, 20, node.shape[-1]).astype(np.float32) for node in ready.nodes}
    equalised, factors = equalise(ready, peaks, share=0.5)
    assert np.ptp(np.log(factors)) > 0.1
    close([one * factors for one in run(equalised)], expected)


def test_equalised_stacks_have_channels_of_one_size(ready, peaks, windows):
    equalised, _ = equalise(ready, peaks)
    after = channel_peaks(equalised, windows)
    names = [node.name for node in kinds(ready, Concat) if node.axis == -1]

    def unevenness(values):
        return np.mean([np.log(values[name].max() / np.maximum(values[name], 1e-3).min()) for name in names])

    assert unevenness(after) < 0.5 * unevenness(peaks)


def test_the_input_keeps_its_scale(ready, peaks):
    factors = channel_factors(ready, peaks)
    np.testing.assert_array_equal(factors[ready.nodes[0].name], 1.0)
