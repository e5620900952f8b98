"""``earmark train`` with a recipe of the kind ``quantise``, and ``earmark convert --tuned`` behind it."""

import hashlib
import json

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra [train]")

from convert import commands
from convert.clips import draw, write_clips
from convert.compact import compact
from convert.qat.file import read_tuned
from convert.qat.recipe import QuantiseRecipe
from convert.recipe import RECIPES
from convert.taps import with_middle
from edge.records import FeatureSpec
from tests.convert.tiny import tiny_weights
from tests.training.data.toys import ToySource
from tests.training.data.toys import corpus as toy_corpus
from training.corpus import read_manifest
from training.data.plan import make_plan
from training.data.prepare import prepare
from training.teachers.checkpoint import save_tensors
from training.train_command import train

pytestmark = pytest.mark.training

SPEC = FeatureSpec(n_mels=16, n_ceps=0)
DISTIL = {
    "name": "tiny", "batch": 4, "steps": 30, "warmup_steps": 2, "shortest": 0.5, "longest": 1.0, "average": 0.0,
    "learning_rate": 5e-4, "checkpoint_steps": 10, "spec_augment": 0.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory, slim_weights):
    """A cache, a teacher, a smaller network that begins, and a recipe."""
    folder = tmp_path_factory.mktemp("qat")
    plan = make_plan(toy_corpus(folder / "speech", clips=18), SPEC, views=1, augment="toy")
    prepare(plan, folder / "speech", folder / "cache", source=ToySource()).folder.rename(folder / "features")
    save_tensors(folder / "teacher.npz", tiny_weights())
    save_tensors(folder / "slim.npz", slim_weights)
    (folder / "spec.json").write_text(json.dumps(SPEC.to_json()))
    recipe = {"kind": "quantise", "name": "tiny", "features": str(folder / "spec.json"), "windows": 8, "held_out": 3}
    (folder / "recipe.json").write_text(json.dumps(recipe | {"range_rate": 1.0, "distil": DISTIL}))
    return folder


def arguments(place, out, *more):
    files = ("--cache", str(place / "features"), "--teacher", str(place / "teacher.npz"), "--out", str(out))
    return [str(place / "recipe.json"), *files, "--checkpoint", str(place / "slim.npz"), *more]


@pytest.fixture(scope="module")
def tuned(place):
    """The folder of a fine-tuning that was interrupted after step 25, and what was said when it went on."""
    from training.distil.run import Distillation

    out = place / "tuned"
    save = Distillation._save
    with pytest.MonkeyPatch.context() as patch:

        def saving(self, say, judge):
            save(self, say, None)
            if self.step == 20:
                raise KeyboardInterrupt

        patch.setattr(Distillation, "_save", saving)
        assert train(arguments(place, out, "--quiet")) == 130
    assert (out / "start.npz").exists()
    return out


def test_a_fine_tuning_goes_on_where_it_stopped_and_its_network_is_converted(place, tuned, corpus, few_sounds, capsys):
    started = (tuned / "start.npz").read_bytes()
    assert train(arguments(place, tuned, "--json")) == 0
    told = capsys.readouterr()
    report = json.loads(told.out)
    assert "going on after step 20" in told.err
    assert (tuned / "start.npz").read_bytes() == started, "the scales are the same"
    assert [stage["network"] for stage in report["stages"]] == ["float", "int8", "int8, fine-tuned"]
    assert report["stages"][0]["float_cosine_min"] == pytest.approx(1, abs=1e-4)
    assert 0.9 < report["stages"][1]["float_cosine_min"] <= 1
    assert QuantiseRecipe.from_json(report["recipe"]).distil.steps == 30
    # A network that is smaller than its teacher has something to learn.
    assert report["stages"][2]["cosine_mean"] > report["stages"][1]["cosine_mean"]
    before, after = read_tuned(tuned / "start.npz"), read_tuned(tuned / "weights.npz")
    assert before.plan.keys() == after.plan.keys()
    assert before.plan != after.plan
    for one, other in zip(before.graph.nodes, after.graph.nodes, strict=True):
        assert not hasattr(one, "kernel") or not np.array_equal(one.kernel, other.kernel)

    assert commands.convert(conversion(place, corpus, tuned / "weights.npz")) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["int8_from"] == "weights.npz, fine-tuned for int8"
    assert report["compared_with"] == "the checkpoint in float32"
    assert report["parity"][0]["variant"] == "float32"
    assert report["parity"][0]["cosine_min"] > 0.9999
    written = (place / "bundle" / "encoder.int8.tflite").read_bytes()
    assert written == compact(with_middle(after.int8_model()))
    assert (place / "bundle.float32.tflite").exists()
    other = conversion(place, corpus, tuned / "weights.npz", checkpoint=place / "teacher.npz")
    assert commands.convert(other) == 1
    assert "did not come of" in capsys.readouterr().err


def conversion(place, corpus, tuned, checkpoint=None):
    """Arguments of ``earmark convert`` for what was fine-tuned."""
    write_clips(place / "clips.tsv", draw(corpus, read_manifest(corpus), 0, {"librispeech": 4, "asc": 4}))
    recipe = json.loads((RECIPES / "campplus.json").read_text()) | {
        "name": "tiny",
        "checkpoint_sha256": "",
        "features": {"n_ceps": 0, "n_mels": 16},
        "calibration": "clips.tsv",
        "calibration_sha256": hashlib.sha256((place / "clips.tsv").read_bytes()).hexdigest(),
        "parity_utterances": 6,
    }
    (place / recipe["card"]).write_text((RECIPES / recipe["card"]).read_text())
    (place / "convert.json").write_text(json.dumps(recipe))
    files = {"checkpoint": checkpoint or place / "slim.npz", "tuned": tuned, "speech": corpus, "out": place / "bundle"}
    files["recipe"] = place / "convert.json"
    given = [text for name, path in files.items() for text in (f"--{name}", str(path))]
    return ["campplus", *given, "--variants", "--json"]


def test_another_network_is_not_mixed_with_the_one_that_was_begun(place, tuned, capsys):
    files = arguments(place, tuned)
    files[files.index("--checkpoint") + 1] = str(place / "teacher.npz")
    assert train(files) == 2
    assert "the fine-tuning of another network" in capsys.readouterr().err
