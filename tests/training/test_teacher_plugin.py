"""A text names a teacher; a bad one is refused with a sentence."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

import training
from edge.bundle import open_bundle
from edge.errors import AudioRejectedError, BundleError, ExtraMissingError, UsageError
from edge.records import FeatureSpec
from tests.convert.tiny import tiny_weights, voice, write_checkpoint
from tests.training.tiny_ecapa import DIM, tiny_ecapa
from training.teachers.ecapa_features import BANDS, ecapa_features
from training.teachers.plugin import CAMPP_FEATURES, LEAST_SAMPLES, long_enough, teacher


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder; the search path is restored afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


@pytest.mark.parametrize(
    "spec, said",
    [
        ("", "no kind of teacher"),
        ("camp:x.pt", "no kind of teacher 'camp'"),
        ("x.pt", "no kind of teacher"),
        ("ecapa", "says only its kind"),
        ("campp:", "says only its kind"),
        ("campp:missing.pt", "no checkpoint at missing.pt"),
        ("ecapa:/nowhere/x.ckpt", "no checkpoint at /nowhere/x.ckpt"),
        ("python:module", "names no module and factory"),
        ("python:no_such_module_here:make", "no_such_module_here"),
        ("python:json:make", "has no make"),
        ("python:json:loads_", "has no loads_"),
    ],
)
def test_a_bad_spec_is_refused_with_one_sentence(here, spec, said):
    with pytest.raises(UsageError) as caught:
        teacher(spec)
    assert said in caught.value.cause
    assert caught.value.remedy
    assert "\n" not in caught.value.sentence()


def test_a_slip_of_the_pen_gets_the_nearest_kind():
    with pytest.raises(UsageError) as caught:
        teacher("ecappa:x.ckpt")
    assert "Did you mean ecapa?" in caught.value.remedy


def test_a_file_that_is_no_checkpoint_is_refused_with_its_name(here):
    Path("x.ckpt").write_bytes(b"nothing")
    with pytest.raises(UsageError, match=r"x\.ckpt"):
        teacher("ecapa:x.ckpt")


def test_a_bundle_that_does_not_exist_is_refused():
    with pytest.raises(BundleError, match="nowhere"):
        teacher("bundle:nowhere")


def test_a_bundle_teaches_what_it_says_on_the_device():
    found, bundle, samples = teacher("bundle:baseline"), open_bundle("baseline"), voice(1, 1.3, 120)
    np.testing.assert_array_equal(found(samples), bundle.embed(samples))
    assert found.dimensions == bundle.dim
    assert found.digest != bundle.encoder  # the interpreter has a say as well


def test_audio_below_half_a_second_is_repeated_up_to_it():
    found, samples = teacher("bundle:baseline"), voice(1, 0.3, 120)
    repeated = np.concatenate([samples, samples])[:LEAST_SAMPLES]
    np.testing.assert_array_equal(long_enough(samples), repeated)
    np.testing.assert_array_equal(found(samples), found(repeated))


@pytest.mark.parametrize(
    "samples, error",
    [
        (np.zeros(0, np.float32), AudioRejectedError),
        (np.zeros((2, 16000), np.float32), UsageError),
        (np.zeros(16000, np.int16), UsageError),
        (np.full(16000, np.nan, np.float32), UsageError),
    ],
)
def test_what_is_no_audio_is_refused(samples, error):
    with pytest.raises(error):
        teacher("bundle:baseline")(samples)


def test_one_s_own_teacher_is_found_in_the_current_folder(here):
    Path("my_own_teacher_a.py").write_text(
        "import numpy as np\n"
        "class Mine:\n"
        "    name, digest, dimensions = 'mine', 'mine-1', 2\n"
        "    def __call__(self, samples):\n"
        "        return np.array([0.6, 0.8], np.float32)\n"
    )
    found = teacher("python:my_own_teacher_a:Mine")
    assert (found.name, found.digest, found.dimensions) == ("mine", "mine-1", 2)
    np.testing.assert_allclose(found(voice(1, 1.0, 120)), [0.6, 0.8])
    assert sys.path[-1] == str(here)


@pytest.mark.parametrize(
    "body, lack",
    [
        ("name, digest, dimensions = 'm', 'm', 2", "cannot be called"),
        ("digest, dimensions = 'm', 2\n    def __call__(self, x): ...", "has no name"),
        ("name, dimensions = 'm', 2\n    def __call__(self, x): ...", "has no digest"),
        ("name, digest, dimensions = 'm', '../m', 2\n    def __call__(self, x): ...", "has no digest"),
        ("name, digest, dimensions = 'm', 'm', 0\n    def __call__(self, x): ...", "has no dimensions"),
    ],
)
def test_what_is_no_teacher_is_refused_with_what_it_lacks(here, body, lack):
    module = f"my_own_teacher_{abs(hash(body))}"
    Path(f"{module}.py").write_text(f"class Mine:\n    {body}\n")
    with pytest.raises(UsageError, match=lack):
        teacher(f"python:{module}:Mine")


def test_a_module_that_lacks_another_says_which(here):
    Path("my_own_teacher_b.py").write_text("import no_such_module_here\n")
    with pytest.raises(UsageError) as caught:
        teacher("python:my_own_teacher_b:make")
    assert caught.value.remedy == "Install no_such_module_here."


def test_without_keras_the_remedy_is_a_line_to_type(here, monkeypatch):
    write_checkpoint(here / "x.pt", tiny_weights())
    monkeypatch.setitem(sys.modules, "keras", None)
    monkeypatch.delitem(sys.modules, "training.teachers.campp", raising=False)
    with pytest.raises(ExtraMissingError) as caught:
        teacher("campp:x.pt")
    assert "earmark[train]" in caught.value.remedy


def test_campp_listens_as_its_recipe_says():
    recipe = json.loads((Path(training.__file__).parent / "recipes" / "campplus.json").read_text())
    assert FeatureSpec(**recipe["features"]) == CAMPP_FEATURES


def wide_ecapa(seed: int = 0) -> dict[str, np.ndarray]:
    return tiny_ecapa(seed, BANDS, groups=2)


@pytest.mark.training
def test_ecapa_hears_the_whole_utterance_through_its_own_front_end(tmp_path):
    pytest.importorskip("tensorflow", reason="needs the extra [train]")
    from training.teachers.ecapa import ecapa_network

    write_checkpoint(tmp_path / "e.ckpt", wide_ecapa())
    found, network = teacher(f"ecapa:{tmp_path}/e.ckpt"), ecapa_network(wide_ecapa())
    assert found.dimensions == DIM
    samples = voice(1, 4.2, 120)
    wanted = network(ecapa_features(samples)[None], training=False).numpy()[0]
    np.testing.assert_allclose(found(samples), wanted / np.linalg.norm(wanted), atol=1e-5)


@pytest.mark.training
def test_campp_hears_windows_as_a_bundle_does(tmp_path):
    pytest.importorskip("tensorflow", reason="needs the extra [train]")
    from edge.features import FrontEnd, normalise
    from training.teachers.campp import campp_head, campp_trunk

    weights = tiny_weights(bands=80)
    write_checkpoint(tmp_path / "c.pt", weights)
    found, trunk, head = teacher(f"campp:{tmp_path}/c.pt"), campp_trunk(weights), campp_head(weights)
    assert found.dimensions == len(head.bias)

    def embedded(window: np.ndarray) -> np.ndarray:
        return head.embed(trunk(normalise(CAMPP_FEATURES, window)[None, :, :, None], training=False).numpy()[0])

    short = voice(1, 1.2, 120)
    frames = FrontEnd(CAMPP_FEATURES).features(short)
    wanted = embedded(frames[np.arange(300) % len(frames)])
    np.testing.assert_allclose(found(short), wanted, atol=1e-4)

    long = voice(2, 4.2, 150)
    frames = FrontEnd(CAMPP_FEATURES).features(long)
    wanted = 300 * embedded(frames[:300]) + (len(frames) - 300) * embedded(frames[-300:])
    np.testing.assert_allclose(found(long), wanted / np.linalg.norm(wanted), atol=1e-4)


@pytest.mark.training
def test_the_digest_follows_the_weights(tmp_path):
    pytest.importorskip("tensorflow", reason="needs the extra [train]")
    write_checkpoint(tmp_path / "a.ckpt", wide_ecapa())
    write_checkpoint(tmp_path / "b.ckpt", wide_ecapa(seed=1))
    os.link(tmp_path / "a.ckpt", tmp_path / "c.ckpt")
    digests = [teacher(f"ecapa:{tmp_path}/{name}.ckpt").digest for name in "abc"]
    assert digests[0] == digests[2] != digests[1]
