"""An opened bundle: how an utterance becomes one vector, and that a stream gives the same."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import edge
from edge.bundle import Timings, open_bundle
from edge.errors import AudioRejectedError, UsageError
from edge.features import FrontEnd
from edge.runtime import Network, installed
from edge.settings import Models
from tests.edge import small_bundles
from tests.edge.small_bundles import sound

ROOT = Path(__file__).parents[2]
KINDS = ("network", "statistics")


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("bundles")
    return {kind: small_bundles.make(base / kind, kind) for kind in KINDS}


@pytest.fixture(params=KINDS)
def bundle(request, folders):
    return open_bundle(folders[request.param])


def by_hand(folder, samples, kind):
    """The steps of docs/architecture.md, "How an utterance becomes one vector", written out once more, in float64."""
    card = small_bundles.card(kind)
    spec = small_bundles._spec(kind == "network")
    frames = FrontEnd(spec).features(samples).astype(np.float64)
    n, length = len(frames), 300
    if n < length:
        spans = [(frames[np.arange(length) % n] if kind == "network" else frames, n)]
    else:
        spans = [(frames[start : start + length], length) for start in range(0, n - length + 1, length)]
        rest = n % length
        if rest >= 50:
            spans.append((frames[-length:], rest))
    arrays = small_bundles.arrays(kind)
    network = Network(folder / "encoder.int8.tflite") if kind == "network" else None
    vectors, odds = [], []
    for window, _ in spans:
        ready = window
        if spec.normalise == "window_mean":
            ready = ready - ready.mean(axis=0)
        if spec.scale:
            ready = ready / np.asarray(spec.scale)
        out = network(ready.astype(np.float32))[0].astype(np.float64) if network else ready
        pooled = np.concatenate([out.mean(axis=0), out.std(axis=0, ddof=1)])
        vector = pooled @ arrays["kernel"] + arrays["bias"]
        vectors.append(vector / np.linalg.norm(vector))
        odds.append(pooled @ arrays["speech_kernel"] + arrays["speech_bias"])
    weights = [weight for _, weight in spans]
    mean = np.average(vectors, axis=0, weights=weights)
    speech = np.average(1 / (1 + np.exp(-np.array(odds))), weights=weights)
    assert card["encoder"]["window_frames"] == length
    return mean / np.linalg.norm(mean), len(spans), speech


@pytest.mark.parametrize(
    ("seconds", "windows"),
    [(0.5, 1), (1.7, 1), (2.99, 1), (3.02, 1), (3.3, 1), (3.6, 2), (6.02, 2), (7.3, 3), (12.0, 4)],
)
@pytest.mark.parametrize("kind", KINDS)
def test_an_utterance_becomes_one_vector_by_the_documented_steps(folders, kind, seconds, windows):
    samples = sound(seconds)
    vector, count, speech = by_hand(folders[kind], samples, kind)
    found = open_bundle(folders[kind]).analyse(samples)
    assert found.windows.shape == (windows, small_bundles.DIM) == (count, small_bundles.DIM)
    # A value on the edge between two int8 steps may fall to either side.
    assert np.dot(found.vector, vector) > (0.9999 if kind == "network" else 0.999999)
    assert found.speech_probability == pytest.approx(speech, abs=5e-3 if kind == "network" else 1e-4)


def test_vectors_have_length_one_and_circumstances(bundle):
    found = bundle.analyse(sound(7.3))
    assert found.vector.dtype == found.windows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found.windows, axis=1), 1, atol=1e-6)
    assert np.linalg.norm(found.vector) == pytest.approx(1, abs=1e-6)
    assert (found.seconds, found.encoder) == (7.3, bundle.encoder)
    assert 0 <= found.speech_probability <= 1
    np.testing.assert_array_equal(bundle.embed(sound(7.3)), found.vector)


def test_different_sounds_give_different_vectors(bundle):
    assert np.dot(bundle.embed(sound(3, 1)), bundle.embed(sound(3, 2))) < 0.9999


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_gives_what_the_whole_gives_however_it_is_cut(folders, kind, data):
    bundle = open_bundle(folders[kind])
    seconds = data.draw(st.floats(0.5, 9.0))
    samples = sound(seconds, data.draw(st.integers(0, 3)))
    cuts = data.draw(st.lists(st.integers(0, len(samples)), max_size=12).map(sorted))
    stream = bundle.stream()
    for start, end in zip([0, *cuts], [*cuts, len(samples)], strict=True):
        stream.push(samples[start:end])
    found, whole = stream.finish(), bundle.analyse(samples)
    np.testing.assert_allclose(found.vector, whole.vector, atol=1e-6)
    np.testing.assert_allclose(found.windows, whole.windows, atol=1e-6)
    assert found.seconds == whole.seconds
    assert found.speech_probability == pytest.approx(whole.speech_probability, abs=1e-6)


def test_windows_are_embedded_while_the_person_still_speaks(bundle):
    """Nothing of the encoder runs before three seconds are full; then it does, before the end."""
    samples = sound(5)
    stream = bundle.stream()
    stream.push(samples[: 2 * 16000])
    assert stream.encoder_ms == 0
    assert stream.frontend_ms > 0
    stream.push(samples[2 * 16000 : 4 * 16000])
    before_the_end = stream.encoder_ms
    assert before_the_end > 0
    stream.finish()
    assert stream.encoder_ms > before_the_end


def test_timings_add_up_over_utterances(bundle):
    timings = Timings()
    bundle.analyse(sound(3), timings)
    first = timings.frontend_ms, timings.encoder_ms
    bundle.analyse(sound(3), timings)
    assert timings.frontend_ms > first[0] > 0
    assert timings.encoder_ms > first[1] > 0


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.49])
def test_less_than_half_a_second_is_rejected_as_too_short(bundle, seconds):
    with pytest.raises(AudioRejectedError, match="too short") as caught:
        bundle.embed(sound(seconds))
    assert (caught.value.reason, caught.value.exit_code) == ("too_short", 3)
    assert len(bundle.embed(sound(0.5))) == bundle.dim


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros((8000, 2), np.float32), r"shape \(8000, 2\)"),
        (np.zeros((1, 8000), np.float32), r"shape \(1, 8000\)"),
        (np.zeros(8000, np.int16), "int16, not float32"),
        (np.full(8000, np.nan, np.float32), "not finite"),
        (np.r_[np.zeros(8000), np.inf].astype(np.float32), "not finite"),
        (np.full(8000, 12000, np.float32), "full scale is 1.0"),
        (np.zeros(8000, np.complex64), "complex64"),
        (np.zeros((), np.float32), "shape"),
    ],
)
def test_what_is_no_audio_is_a_clear_error(bundle, samples, words):
    with pytest.raises(UsageError, match=words) as caught:
        bundle.embed(samples)
    assert caught.value.remedy


def test_float64_is_as_good_as_float32(bundle):
    np.testing.assert_array_equal(bundle.embed(sound(1).astype(np.float64)), bundle.embed(sound(1)))


def test_silence_has_a_finite_vector(bundle):
    assert np.isfinite(bundle.embed(np.zeros(16000, np.float32))).all()


def test_a_finished_stream_takes_no_more(bundle):
    stream = bundle.stream()
    stream.push(sound(1))
    stream.finish()
    with pytest.raises(UsageError, match="has been finished"):
        stream.push(sound(1))
    with pytest.raises(UsageError, match="has been finished"):
        stream.finish()


def test_the_card_is_at_hand(bundle):
    assert bundle.card["name"] == bundle.name == "small"
    assert bundle.calibration == {"made": "up"}
    assert bundle.cohort.shape == (5, bundle.dim)
    assert bundle.dim == small_bundles.DIM
    assert len(bundle.encoder) == 16
    assert bundle.spec.to_json() == bundle.card["features"]


def test_without_a_head_there_is_no_guess(bundle):
    assert bundle.gender(sound(1)) is None
    assert bundle.emotion(sound(1)) is None
    assert bundle.heads == ()


def test_without_a_speech_head_there_is_no_speech_probability(tmp_path):
    bundle = open_bundle(small_bundles.make(tmp_path, speech=False))
    assert bundle.analyse(sound(1)).speech_probability is None


def test_a_label_head_gives_probabilities(tmp_path):
    """Softmax over the pooled vector; the windows' logits are averaged with the weights of the embedding."""
    rng = np.random.default_rng(8)
    kernel = rng.normal(0, 0.2, (2 * small_bundles.CHANNELS, 2)).astype(np.float32)
    np.savez(tmp_path / "gender.npz", kernel=kernel, bias=np.array([0.1, -0.1], np.float32))
    folder = small_bundles.make(tmp_path, heads={"gender": {"file": "gender.npz", "labels": ["female", "male"]}})
    bundle = open_bundle(folder)
    found = bundle.gender(sound(2))
    assert list(found) == ["female", "male"]
    assert sum(found.values()) == pytest.approx(1)
    assert found != bundle.gender(sound(2, seed=3))
    assert bundle.emotion(sound(2)) is None
    assert bundle.heads == ("gender",)
    stream = bundle.stream()
    stream.push(sound(2))
    stream.finish()
    assert stream.probabilities("gender") == found


def test_reference_kernels_give_the_same_vector_in_every_runtime(folders):
    vectors = [
        open_bundle(folders["network"], Models(reference_kernels=True), prefer=engine.kind).embed(sound(4))
        for engine in installed()
    ]
    for vector in vectors[1:]:
        np.testing.assert_array_equal(vector, vectors[0])


def test_runtimes_agree_closely_with_fast_kernels(folders):
    vectors = [open_bundle(folders["network"], prefer=engine.kind).embed(sound(4)) for engine in installed()]
    assert all(np.dot(vector, vectors[0]) > 0.999 for vector in vectors)


def test_threads_share_a_bundle(bundle):
    expected = [bundle.embed(sound(1.5, seed)) for seed in range(4)]
    wrong = []

    def work(seed):
        wrong.extend(1 for _ in range(5) if not np.array_equal(bundle.embed(sound(1.5, seed)), expected[seed]))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_library_face_is_the_same_code(folders):
    np.testing.assert_array_equal(
        edge.open_bundle(folders["network"]).embed(sound(1)), open_bundle(folders["network"]).embed(sound(1))
    )


def test_the_version_is_that_of_the_distribution():
    assert f"version = {edge.__version__}\n" in (ROOT / "setup.cfg").read_text()


def test_importing_the_library_loads_nothing_heavier_than_numpy():
    """Neither interpreters nor YAML, MQTT or sound libraries, before a bundle is opened."""
    child = (
        "import sys, numpy; before = set(sys.modules); import edge; edge.open_bundle\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", child], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['edge']"


def test_a_bundle_without_network_needs_no_interpreter(folders):
    child = (
        "import sys\n"
        "for name in ('ai_edge_litert', 'tflite_runtime'): sys.modules[name] = None\n"
        "import edge, numpy; print(edge.open_bundle(sys.argv[1]).embed(numpy.zeros(8000, numpy.float32)).shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", child, str(folders["statistics"])], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"({small_bundles.DIM},)"
