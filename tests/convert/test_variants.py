"""The float32 and the dynamic-range file, and what each conversion may lose."""

import json

import numpy as np
import pytest

from convert import eer, parity
from convert.alone import Runtime, embed_alone, score_alone
from convert.compact import compact
from convert.eer import ListErrors, Rate, read_lists
from convert.errors import ConversionError
from convert.float_tflite import dynamic_tflite, float_tflite
from convert.graph import Conv, Depthwise, Graph, Input, Reshape
from convert.parity import Parity
from convert.variants import Converted
from edge.errors import BundleError, UsageError
from edge.records import FeatureSpec
from edge.runtime import Network
from tests.convert.tiny import BANDS, FRAMES

pytestmark = pytest.mark.training

SPEC = FeatureSpec(n_mels=BANDS, n_ceps=0, n_fft=512)
WIDE = 1024


@pytest.fixture(scope="module")
def wide():
    """Two convolutions with so many weights that the converter makes them int8; both files, with a head."""
    rng = np.random.default_rng(0)
    kernel = rng.normal(0, 0.25, (1, 1, BANDS, WIDE)).astype(np.float32)
    each = rng.uniform(0.5, 2, (1, 1, WIDE)).astype(np.float32)
    zero = np.zeros(WIDE, np.float32)
    nodes = (
        Input("window", (), (FRAMES, BANDS, 1)),
        Reshape("flat", ("window",), (FRAMES, 1, BANDS)),
        Conv("spread", ("flat",), (FRAMES, 1, WIDE), kernel, zero, activation="relu"),
        Depthwise("scale", ("spread",), (FRAMES, 1, WIDE), each, zero - 0.5, "relu"),
        Reshape("features", ("scale",), (FRAMES, WIDE)),
    )
    head = rng.normal(0, 1, (2 * WIDE, 8)).astype(np.float32), np.zeros(8, np.float32)
    graph = Graph(nodes)
    return {
        "float32": Converted("float32", float_tflite(graph), *head, SPEC),
        "dynamic": Converted("dynamic", compact(dynamic_tflite(graph)), *head, SPEC),
    }


@pytest.fixture(scope="module")
def utterances():
    rng = np.random.default_rng(1)
    return [rng.normal(0, 0.1, n).astype(np.float32) for n in (9_000, 40_000)]


def test_a_dynamic_range_file_has_int8_weights_and_stays_near_float_on_every_runtime(wide, engines, utterances):
    assert len(wide["dynamic"].model) < 0.6 * len(wide["float32"].model)
    exact = wide["float32"].encoder("litert")
    for engine in engines:
        for name, least in (("float32", 0.99999), ("dynamic", 0.99)):
            found, cpu = embed_alone(wide[name], engine, utterances)
            assert cpu > 0
            cosines = [one @ exact.embed(samples) for one, samples in zip(found, utterances, strict=True)]
            assert min(cosines) > least, (name, engine)
    assert min(cosines) < 1 - 1e-7  # the last one was int8 at work


def test_the_edge_refuses_a_file_with_float_input(wide):
    with pytest.raises(BundleError, match="not int8"):
        Network(wide["dynamic"].model)


def test_a_name_stands_for_file_head_and_front_end(wide):
    file = wide["float32"]
    others = [
        wide["dynamic"],
        Converted("dynamic", file.model, file.kernel, file.bias, SPEC),
        Converted("float32", file.model, file.kernel * 2, file.bias, SPEC),
        Converted("float32", file.model, file.kernel, file.bias, FeatureSpec(n_mels=BANDS, n_ceps=0)),
    ]
    assert len({file.name, *(other.name for other in others)}) == 5
    assert file.name == Converted("float32", file.model, file.kernel, file.bias, SPEC).name


def test_what_fails_in_the_other_process_is_told_in_its_words(wide, engines, tmp_path):
    broken = Converted("int8", b"no model at all....", wide["float32"].kernel, wide["float32"].bias, SPEC)
    with pytest.raises(ConversionError, match=r"int8 on .*: the model is not a TFLite file"):
        score_alone(broken, engines[0], [], tmp_path, tmp_path / "cache", print)


def test_a_lossy_file_is_an_error_that_names_variant_runtime_and_loss():
    fine = Parity("int8", "one", 1.0, 1.0, (0.99, 0.98))
    parity.check([fine])
    with pytest.raises(ConversionError, match=r"dynamic file lost too much on two: mean cosine to float 0\.9700"):
        parity.check([fine, Parity("dynamic", "two", 1.0, 1.0, (0.95, 0.99))])
    with pytest.raises(ConversionError):
        parity.check([Parity("int8", "three", 1.0, 1.0, (float("nan"),))])
    parity.check([Parity("dynamic", "two", 1.0, 1.0, (0.95, 0.99))], least=0.9)


def test_a_parity_row_sums_its_utterances_up():
    row = Parity("int8", "one", 7.5612, 14.0, tuple(np.linspace(0.9, 1.0, 21))).to_json()
    assert (row["cosine_min"], row["cosine_p5"], row["cosine_mean"]) == (0.9, 0.905, 0.95)
    assert (row["utterances"], len(row["cosines"])) == (21, 21)


def errors_of(float32, *int8, dynamic=50.0):
    rates = [Rate("float32", "one", float32), Rate("dynamic", "one", dynamic)]
    return ListErrors("words", 100, (*rates, *(Rate("int8", name, e) for name, e in zip("ab", int8, strict=False))))


@pytest.mark.parametrize("found", [(2.0, 2.3), (2.0, 2.3, 2.2), (5.0, 1.0, 1.1), (0.0, 0.0)])
def test_losses_up_to_the_stated_ones_pass(found):
    eer.check([errors_of(*found)])


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ((2.0, 2.31), r"words: EER 2\.31 % on a, float 2\.00 %, at most 0\.3 points"),
        ((2.0, 2.29, 2.35), r"words: EER 2\.35 % on b"),
        ((2.0, 2.0, 2.11), r"disagree on words: EER 2\.00 % on a, 2\.11 % on b, at most 0\.1 points"),
        ((float("nan"), 2.0), "lost too much on words"),
    ],
)
def test_a_greater_loss_is_an_error_that_names_list_and_figures(found, words):
    with pytest.raises(ConversionError, match=words):
        eer.check([errors_of(1.0, 1.0), errors_of(*found)])


def test_the_allowed_loss_can_be_chosen():
    eer.check([errors_of(2.0, 2.8)], max_loss=1.0)
    with pytest.raises(ConversionError, match=r"at most 0\.1 points more"):
        eer.check([errors_of(2.0, 2.2)], max_loss=0.1)


def test_one_runtime_alone_cannot_disagree():
    alone = errors_of(2.0, 2.1)
    assert alone.gap is None
    assert alone.to_json()["runtime_gap"] is None
    assert json.loads(json.dumps(alone.to_json()))["int8_loss"] == 0.1
    assert "-" in eer.table([alone]).splitlines()[1].split()


HEAD = "target\tenrol_speaker\tenrol\ttest_speaker\ttest\tnoise\n"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["1\ta\tx.wav\ta\tx.wav\t", "0\ta\tx.wav\tb\ty.wav\t"], r"y\.wav, which the trial list .*one\.tsv names"),
        (["1\ta\tx.wav\ta\tx.wav\t", "0\ta\tx.wav\tb\tx.wav\tn.wav@0:5"], r"n\.wav, which"),
        (["1\ta\tx.wav\ta\tx.wav\t"], "lacks genuine or impostor"),
    ],
)
def test_a_list_that_cannot_be_measured_is_refused_before_the_work(tmp_path, rows, words):
    (tmp_path / "x.wav").touch()
    (tmp_path / "one.tsv").write_text(HEAD + "\n".join(rows) + "\n")
    with pytest.raises(UsageError, match=words):
        read_lists([tmp_path / "one.tsv"], tmp_path)


def test_two_lists_of_one_name_are_refused(tmp_path):
    (tmp_path / "x.wav").touch()
    (tmp_path / "one.tsv").write_text(HEAD + "1\ta\tx.wav\ta\tx.wav\t\n0\ta\tx.wav\tb\tx.wav\t\n")
    with pytest.raises(UsageError, match="the name one"):
        read_lists([tmp_path / "one.tsv"] * 2, tmp_path)


def test_int8_is_scored_on_all_runtimes_and_the_rest_on_the_first(monkeypatch, wide):
    asked = []

    def scored(file, runtime, *_):
        asked.append((file.variant, runtime.name))
        return [float(len(asked))]

    monkeypatch.setattr(eer, "score_alone", scored)
    int8 = Converted("int8", b"", wide["float32"].kernel, wide["float32"].bias, SPEC)
    trials = eer.TrialList("words", ())
    both = [Runtime("litert", "new"), Runtime("tflite", "old")]
    (found,) = eer.measure([*wide.values(), int8], both, eer.Material([trials], [], None), print)
    assert asked == [("float32", "new"), ("dynamic", "new"), ("int8", "new"), ("int8", "old")]
    assert (found.float32, found.loss, found.gap) == (1.0, 3.0, 1.0)
