"""``earmark convert`` from a checkpoint and a folder of speech to a bundle that the edge opens."""

import hashlib
import io
import json
import zipfile

import numpy as np
import pytest

import edge
from convert import campplus, commands
from convert.bundle_folder import npz, write_bundle
from convert.clips import draw, write_clips
from convert.recipe import RECIPES, read_recipe
from convert.variants import VARIANTS
from edge.errors import BundleError, UsageError
from edge.features import FrontEnd, normalise
from tests.convert.tiny import tiny_weights, voice, write_checkpoint
from tests.edge.small_bundles import card
from training.corpus import read_manifest
from training.distil.fresh import FreshRecipe
from training.models.architecture import Fresh
from training.models.families import family
from training.students import trained_network
from training.teachers.checkpoint import save_tensors

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def place(tmp_path_factory, corpus, slim_weights):
    """A folder with corpus, checkpoints, recipe, calibration list, card and trial list."""
    folder = tmp_path_factory.mktemp("convert")
    (folder / "speech").symlink_to(corpus)
    write_checkpoint(folder / "tiny.pt", tiny_weights())
    save_tensors(folder / "slim.npz", slim_weights)
    write_trials(folder / "voices.tsv")
    write_clips(folder / "clips.tsv", draw(corpus, read_manifest(corpus), 0, {"librispeech": 8, "asc": 8}))
    recipe = json.loads((RECIPES / "campplus.json").read_text()) | {
        "name": "tiny",
        "checkpoint_sha256": "",
        "features": {"n_ceps": 0, "n_mels": 16, "n_fft": 512},
        "calibration": "clips.tsv",
        "calibration_sha256": hashlib.sha256((folder / "clips.tsv").read_bytes()).hexdigest(),
        "parity_utterances": 6,
    }
    (folder / recipe["card"]).write_text((RECIPES / recipe["card"]).read_text())
    (folder / "recipe.json").write_text(json.dumps(recipe))
    return folder


def write_trials(path):
    """Voices against most of themselves, and against hiss: nothing that a bit of rounding decides."""
    voices = [f"dev/asc/s{person}/{take}.wav" for person in (8, 9) for take in (2, 3)]
    rows = [("1", "s", voice, "s", f"{voice}@0+1.5", "") for voice in voices]
    rows += [("0", "s", voice, "hiss", "noise/noise/hiss.wav", "") for voice in voices]
    head = ("target", "enrol_speaker", "enrol", "test_speaker", "test", "noise")
    path.write_text("".join("\t".join(row) + "\n" for row in (head, *rows)))


def arguments(place, **changes):
    given = {"checkpoint": "tiny.pt", "speech": "speech", "out": "tiny", "recipe": "recipe.json"} | changes
    return ["campplus", *(text for name, value in given.items() for text in (f"--{name}", str(place / value)))]


def test_one_command_makes_a_bundle_of_a_slimmed_network_and_its_variants(place, capsys, few_sounds, engines):
    given = arguments(place, checkpoint="slim.npz", out="slim", trials="voices.tsv")
    assert commands.convert([*given, "--variants", "--json"]) == 0
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert report == json.loads((place / "slim.report.json").read_text())
    names = [engine.name for engine in engines]
    rows = [(row["variant"], row["runtime"]) for row in report["parity"]]
    assert rows == [(variant, name) for variant in VARIANTS for name in names]
    assert all(row["cosine_mean"] > 0.98 for row in report["parity"])
    assert all(len(row["cosines"]) == len(report["parity_utterances"]) >= 6 for row in report["parity"])
    assert report["parity"][0]["cosine_min"] > 0.9999
    (scored,) = report["trials"]["lists"]
    assert [rate["variant"] for rate in scored["rates"]] == ["float32", "dynamic", *["int8"] * len(names)]
    assert (scored["list"], scored["trials"], scored["int8_loss"]) == ("voices", 8, 0)
    for one in report["variants"]:
        assert hashlib.sha256((place / one["file"]).read_bytes()).hexdigest() == one["sha256"]
    assert [one["file"] for one in report["variants"]] == ["slim.float32.tflite", "slim.dynamic.tflite"]
    assert report["recipe"]["features"]["n_mels"] == 16
    assert "window 8/8" in said.err
    assert "runtimes apart" in said.err
    bundle = edge.open_bundle(place / "slim")
    assert bundle.cohort.shape == (8, 6)
    for seed in range(3):
        heard = bundle.analyse(voice(seed, 2.5, 140.0))
        assert heard.vector.shape == (6,)
        assert 0 <= heard.speech_probability <= 1
    assert bundle.card["calibration"] == {}


def test_nothing_is_written_when_int8_makes_more_errors_than_it_may(place, capsys, monkeypatch, trunk):
    monkeypatch.setattr(campplus, "convert_trunk", lambda *_: trunk)
    before = sorted(place.iterdir())
    given = arguments(place, out="worse", trials="voices.tsv")
    assert commands.convert([*given, "--max-eer-loss", "-1"]) == 1
    assert "The int8 file lost too much on voices: EER" in capsys.readouterr().err
    assert sorted(place.iterdir()) == before


def test_a_folder_that_would_not_be_replaced_is_refused_before_the_work(place, capsys):
    assert commands.convert(arguments(place, out="speech")) == 2
    said = capsys.readouterr().err
    assert "is no bundle" in said
    assert "reading" not in said


def test_the_shipped_recipe_can_be_read_and_its_list_is_the_one_it_pins():
    recipe = read_recipe(RECIPES / "campplus.json")
    assert recipe.spec.coefficients == 80
    assert hashlib.sha256((RECIPES / recipe.calibration).read_bytes()).hexdigest() == recipe.calibration_sha256
    assert json.loads((RECIPES / recipe.card).read_text())["licence"] == "Apache-2.0"


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"checkpoint": "absent.pt"}, 2, "no checkpoint at"),
        ({"speech": "absent"}, 2, "manifest.tsv"),
        ({"recipe": "absent.json"}, 2, "recipe"),
        ({"trials": "absent.tsv"}, 2, "trial list"),
    ],
)
def test_what_is_missing_is_named(place, capsys, change, code, words):
    assert commands.convert(arguments(place, **change)) == code
    assert words in capsys.readouterr().err


def test_another_calibration_list_than_the_pinned_one_is_refused(place, capsys):
    recipe = json.loads((place / "recipe.json").read_text()) | {"calibration_sha256": "0" * 64}
    (place / "other.json").write_text(json.dumps(recipe))
    assert commands.convert(arguments(place, recipe="other.json")) == 1
    assert "not the list that the recipe pins" in capsys.readouterr().err


def test_another_checkpoint_than_the_pinned_one_is_refused(place, capsys):
    recipe = json.loads((place / "recipe.json").read_text()) | {"checkpoint_sha256": "0" * 64}
    (place / "other.json").write_text(json.dumps(recipe))
    assert commands.convert(arguments(place, recipe="other.json")) == 1
    assert "not the checkpoint that the recipe pins" in capsys.readouterr().err


def test_a_missing_tensorflow_is_reported_with_the_line_that_installs_it(place, capsys, monkeypatch):
    monkeypatch.setattr(commands, "find_spec", lambda name: None)
    assert commands.convert(arguments(place)) == 5
    assert "pip install 'earmark[train]'" in capsys.readouterr().err


@pytest.mark.parametrize("change", [{"sseed": 1}, {"features": {"n_melts": 3}}, {"ranges": "wide"}])
def test_a_recipe_with_an_unknown_key_is_refused_with_its_name(tmp_path, change):
    values = json.loads((RECIPES / "campplus.json").read_text()) | change
    (tmp_path / "r.json").write_text(json.dumps(values))
    with pytest.raises(UsageError, match=r"sseed|n_melts|wide"):
        read_recipe(tmp_path / "r.json")


def test_a_folder_that_is_no_bundle_is_never_replaced(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(UsageError, match="no bundle"):
        write_bundle(tmp_path / "photos", {}, {})
    assert (tmp_path / "photos" / "cat.jpg").read_bytes() == b"cat"


def test_a_bundle_is_replaced_whole_and_its_hashes_are_right(tmp_path):
    files = {"encoder.int8.tflite": b"1", "head.npz": b"2", "cohort.npy": b"3"}
    write_bundle(tmp_path / "b", card(), files | {"old.npz": b"4"})
    write_bundle(tmp_path / "b", card(), files | {"head.npz": b"5"})
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == sorted([*files, "card.json"])
    found = json.loads((tmp_path / "b" / "card.json").read_text())
    assert found["files"]["head.npz"] == hashlib.sha256(b"5").hexdigest()


def test_a_bundle_with_an_incomplete_card_is_not_written(tmp_path):
    with pytest.raises(BundleError):
        write_bundle(tmp_path / "b", {"name": "b"}, {})
    assert not (tmp_path / "b").exists()


def test_an_array_file_depends_on_its_arrays_alone():
    arrays = {"kernel": np.ones((3, 2), np.float32), "bias": np.array(0.5, np.float32)}
    with zipfile.ZipFile(io.BytesIO(npz(arrays))) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    with np.load(io.BytesIO(npz(arrays))) as found:
        assert found["bias"].shape == ()
        np.testing.assert_array_equal(found["kernel"], arrays["kernel"])


@pytest.fixture
def trained(place, tmp_path):
    """A folder as `earmark train` leaves it, with a network of another family that learnt nothing."""
    small = {"family": "separable2d", "stem": 4, "widths": [4], "blocks": [1], "time_strides": [2], "features": 8}
    plan = {
        "name": "small",
        "architecture": small,
        "distil": {"name": "small"},
        "features": str(tmp_path / "spec.json"),
    }
    spec = read_recipe(place / "recipe.json").spec
    (tmp_path / "spec.json").write_text(json.dumps(spec.to_json()))
    student = Fresh(family(small), 16, 6)
    (tmp_path / "small").mkdir()
    save_tensors(tmp_path / "small" / "weights.npz", student.tensors(student.build(300)))
    report = {"recipe": FreshRecipe.from_json(plan).to_json()}
    (tmp_path / "small" / "report.json").write_text(json.dumps(report))
    return tmp_path / "small"


def test_a_network_of_another_family_becomes_a_bundle(place, trained, tmp_path, few_sounds, capsys):
    recipe = json.loads((place / "recipe.json").read_text()) | {"teacher": "trained", "parity_utterances": 4}
    (place / "trained.json").write_text(json.dumps(recipe))
    given = ["--checkpoint", str(trained), "--recipe", str(place / "trained.json"), "--speech", str(place / "speech")]
    assert commands.convert(["trained", *given, "--out", str(tmp_path / "bundle"), "--min-cosine", "0.9"]) == 0, (
        capsys.readouterr().err
    )
    bundle = edge.open_bundle(str(tmp_path / "bundle"))
    samples = voice(1, 2.0, 140.0)
    expected, _ = trained_network(trained)
    frames = FrontEnd(bundle.spec).features(samples)
    window = normalise(bundle.spec, frames[np.arange(300) % len(frames)])
    whole = np.asarray(expected(window[None, ..., None], training=False))[0]
    assert whole @ bundle.embed(samples) > 0.9

    other = json.loads((place / "trained.json").read_text())
    other["features"]["n_fft"] = 640
    (place / "other.json").write_text(json.dumps(other))
    given[3] = str(place / "other.json")
    assert commands.convert(["trained", *given, "--out", str(tmp_path / "none")]) == 1
    assert "other features" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
