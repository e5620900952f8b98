"""The int8 file: ranges, quantisation, size, and agreement with float."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convert.alone import embed_alone
from convert.compact import compact
from convert.errors import ConversionError
from convert.quantise import quantise
from convert.ranges import BINS, STEPS, Histogram, activation_ranges, best_range, extremes
from convert.variants import Converted
from edge.records import FeatureSpec
from edge.runtime import Network
from tests.convert.tiny import BANDS, tiny_weights
from training.teachers.campp import campp_head

pytestmark = pytest.mark.training


def squared_error(histogram, low, high):
    centres = histogram.low + (np.arange(BINS) + 0.5) * (histogram.high - histogram.low) / BINS
    step = (high - low) / STEPS
    found = np.clip(np.round((centres - low) / step), 0, STEPS) * step + low
    return float(np.average((found - centres) ** 2, weights=histogram.counts))


def histogram_of(values):
    low, high = min(0.0, values.min()), max(0.0, values.max()) + 1e-9
    return Histogram(low, high, np.histogram(values, BINS, (low, high))[0].astype(float))


def test_a_few_outliers_do_not_get_the_range():
    values = np.concatenate([np.random.default_rng(0).normal(size=1_000_000), [60.0, -45.0]])
    histogram = histogram_of(values)
    low, high = best_range(histogram)
    assert -25 < low < -2 < 2 < high < 25
    assert squared_error(histogram, low, high) < 0.4 * squared_error(histogram, values.min(), values.max())


@settings(deadline=None)
@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=200))
def test_the_range_contains_zero_and_is_never_worse_than_the_extremes(values):
    histogram = histogram_of(np.array(values))
    low, high = best_range(histogram)
    assert low <= 0 <= high
    assert low < high
    full = squared_error(histogram, histogram.low, max(histogram.high, histogram.low + 1e-3))
    # The choice is made on the expected error of rounding, step^2 / 12; a few values can be luckier than that.
    assert squared_error(histogram, low, high) <= full + ((histogram.high - histogram.low) / STEPS) ** 2


def test_the_extremes_cover_every_value():
    values = np.random.default_rng(0).normal(size=1000) * 7
    low, high = extremes(histogram_of(values))
    assert low == pytest.approx(values.min(), rel=2e-3)
    assert high == pytest.approx(values.max(), rel=2e-3)


def test_int8_frame_features_point_where_the_float_ones_do(trunk, run, graph, windows):
    network = Network(trunk.int8_model)
    head = campp_head(tiny_weights())
    factors = trunk.kernel[:5, 0] / head.kernel[:5, 0]
    for window, expected in zip(windows, run(graph), strict=False):
        found = network(window[None, :, :, None])[0] * factors
        cosine = (found * expected).sum() / np.linalg.norm(found) / np.linalg.norm(expected)
        assert cosine > 0.99


def test_a_float_file_without_ranges_is_not_passed_off_as_int8(trunk):
    with pytest.raises((ConversionError, RuntimeError, ValueError)):
        quantise(trunk.float_model, {})


def test_ranges_cover_input_and_output_of_every_operation(trunk, windows):
    ranges = activation_ranges(trunk.float_model, windows[:2])
    assert len(ranges) > 50
    assert all(low <= 0 <= high for low, high in ranges.values())


def test_compacting_keeps_every_bit_and_drops_bytes(trunk, windows):
    ranges = activation_ranges(trunk.float_model, windows[:4])
    loose = quantise(trunk.float_model, ranges)
    small = compact(loose)
    assert len(small) < 0.95 * len(loose)
    values = np.random.default_rng(0).integers(-128, 127, Network(loose).input_shape).astype(np.int8)
    np.testing.assert_array_equal(Network(loose).run_int8(values), Network(small).run_int8(values))


@pytest.mark.parametrize("kind", ["litert", "tflite"])
def test_every_runtime_knows_all_operations_and_embeds_alike(trunk, engines, kind):
    """tflite-runtime 2.14 is older than the converter: an operation of a newer version doesn't load in it."""
    engine = next((engine for engine in engines if engine.kind == kind), None)
    if engine is None:
        pytest.skip(f"{kind} is not installed")
    spec = FeatureSpec(n_mels=BANDS, n_ceps=0, n_fft=512)
    rng = np.random.default_rng(0)
    utterances = [rng.normal(0, 0.1, n).astype(np.float32) for n in (9_000, 40_000)]
    file = Converted("int8", trunk.int8_model, trunk.kernel, trunk.bias, spec)
    here = file.encoder("litert")
    exact = Converted("float32", trunk.float_model, trunk.kernel, trunk.bias, spec).encoder("litert")
    found, cpu = embed_alone(file, engine, utterances)
    assert cpu > 0
    for one, samples in zip(found, utterances, strict=True):
        assert one @ here.embed(samples) > 0.98
        assert one @ exact.embed(samples) > 0.95
    assert len(here.statistics(utterances[0])) == 1
