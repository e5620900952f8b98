"""``earmark train``: a recipe in, a smaller network out, and the same again after an interruption."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra [train]")

from convert.qat.recipe import QuantiseRecipe
from edge.errors import UsageError
from edge.features import FrontEnd, normalise
from edge.records import FeatureSpec
from tests.convert.tiny import tiny_weights
from tests.training.data.toys import ToySource, corpus
from training.classify.recipe import ClassifyRecipe
from training.compare_peers import open_contender
from training.data.plan import make_plan
from training.data.prepare import prepare
from training.data.store import Store
from training.digits.recipe import DigitsRecipe
from training.distil.fresh import FreshRecipe
from training.distil.split import learn_and_judge
from training.distil.sweep import Sweep
from training.heads.recipe import HeadRecipe
from training.models.campp import embedder
from training.models.count import count
from training.models.families import family
from training.slim.channels import groups
from training.slim.cost import cost
from training.slim.recipe import SlimRecipe
from training.teachers.checkpoint import read_checkpoint, save_tensors
from training.train_command import RECIPES, shipped_recipes, train

pytestmark = pytest.mark.training

SPEC = FeatureSpec(n_mels=16, n_ceps=0)


def costs(weights) -> int:
    return cost({group.name: group.width for group in groups(weights)}, 300, 16).macs


WHOLE = costs(tiny_weights())


def recipe(features: Path) -> dict:
    distil = {"name": "small", "window_frames": 100, "shortest": 0.5, "longest": 1.0, "batch": 4, "steps": 8}
    budgets = [{"macs": round(WHOLE * share), "multiple": 1, "least": 2} for share in (0.8, 0.7, 0.6)]
    stages = [
        {"budget": budgets[0], "mend_windows": 0, "distil": distil},
        {"budget": budgets[1], "mend_windows": 12},
        {"budget": budgets[2], "mend_windows": 12, "distil": distil},
    ]
    return {"kind": "slim", "name": "tiny", "features": str(features), "windows": 8, "held_out": 3, "stages": stages}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A cache, a teacher and a recipe."""
    folder = tmp_path_factory.mktemp("train")
    plan = make_plan(corpus(folder / "speech", clips=18), SPEC, views=1, augment="toy")
    prepare(plan, folder / "speech", folder / "cache", source=ToySource()).folder.rename(folder / "features")
    save_tensors(folder / "teacher.npz", tiny_weights())
    (folder / "spec.json").write_text(json.dumps(SPEC.to_json()))
    (folder / "tiny.json").write_text(json.dumps(recipe(folder / "spec.json")))
    return folder


def run(place: Path, out: Path, *more: str) -> int:
    files = ("--cache", str(place / "features"), "--teacher", str(place / "teacher.npz"))
    return train([str(place / "tiny.json"), *files, "--out", str(out), *more])


@pytest.mark.timeout(900)
def test_a_network_is_slimmed_in_stages_and_a_second_run_has_nothing_to_do(place, tmp_path, capsys):
    assert run(place, tmp_path / "out", "--json") == 0
    told = capsys.readouterr()
    report = json.loads(told.out)
    assert report == json.loads((tmp_path / "out" / "report.json").read_text())
    weights = read_checkpoint(tmp_path / "out" / "weights.npz")
    assert report["stages"][-1]["macs_per_window"] == costs(weights) <= 0.65 * WHOLE
    sizes = [stage["macs_per_window"] for stage in report["stages"]]
    assert sizes == sorted(sizes, reverse=True)
    assert SlimRecipe.from_json(report["recipe"]).stages[2].distil.steps == 8
    assert told.err.count("mended block 3") == 2
    assert "cosine to the teacher" in told.err
    assert run(place, tmp_path / "out", "--quiet") == 0
    again = read_checkpoint(tmp_path / "out" / "weights.npz")
    assert all(np.array_equal(again[name], value) for name, value in weights.items())
    assert "step" not in capsys.readouterr().err
    contender = open_contender(f"trained:{tmp_path / 'out'}")
    assert contender.parameters == count(embedder(weights, 300)).weights
    assert contender.name == "trained:out"


def test_a_network_that_begins_at_random_learns_from_the_same_teacher(place, tmp_path, capsys):
    small = {"family": "time_delay", "channels": 8, "kernels": [3, 3], "second_stride": 1, "features": 8}
    distil = recipe(place / "spec.json")["stages"][0]["distil"]
    plan = {"kind": "distil", "name": "fresh", "features": str(place / "spec.json"), "held_out": 3}
    (tmp_path / "fresh.json").write_text(json.dumps(plan | {"architecture": small, "distil": distil}))
    files = ("--cache", str(place / "features"), "--teacher", str(place / "teacher.npz"))
    assert train([str(tmp_path / "fresh.json"), *files, "--out", str(tmp_path / "out"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert FreshRecipe.from_json(report["recipe"]).architecture == family(small)
    assert report["stages"][0]["macs_per_window"] == count(family(small).build(300, 16, 6)).macs
    assert -1 <= report["stages"][0]["cosine_mean"] <= 1

    samples = np.random.default_rng(1).normal(0, 0.1, 20_000).astype(np.float32)
    contender = open_contender(f"mine=trained:{tmp_path / 'out'}")
    vector = contender.encoder.analyse(samples).vector
    assert vector.shape == (6,)
    network = family(small).build(300, 16, 6)
    weights = read_checkpoint(tmp_path / "out" / "weights.npz")
    for layer in network.layers:
        if layer.get_weights():
            layer.set_weights([weights[f"{layer.name}/{place}"] for place in range(len(layer.get_weights()))])
    frames = FrontEnd(SPEC).features(samples)
    window = normalise(SPEC, frames[np.arange(300) % len(frames)])
    expected = np.asarray(network(window[None, ..., None], training=False))[0]
    np.testing.assert_allclose(vector, expected, atol=1e-5)


def test_settings_are_tried_side_by_side_on_the_same_clips(place, tmp_path, capsys):
    small = {"family": "time_delay", "channels": 8, "kernels": [3], "second_stride": 0, "features": 8}
    distil = recipe(place / "spec.json")["stages"][0]["distil"] | {"steps": 2}
    base = {"name": "base", "features": str(place / "spec.json"), "held_out": 3, "clips": 8}
    settings = {
        "as it is": {},
        "wider, 2 more steps": {"architecture": small | {"channels": 12}, "distil": {"steps": 4}},
        "embedding and relational": {"distil": {"losses": {"embedding": 1.0, "relational": 1.0}}},
    }
    plan = {"kind": "sweep", "name": "few", "base": base | {"architecture": small, "distil": distil}}
    (tmp_path / "sweep.json").write_text(json.dumps(plan | {"settings": settings}))
    files = (
        "--cache",
        str(place / "features"),
        "--teacher",
        str(place / "teacher.npz"),
        "--out",
        str(tmp_path / "out"),
    )
    assert train([str(tmp_path / "sweep.json"), *files]) == 0
    told = capsys.readouterr()
    assert [line.split("  ")[0] for line in told.out.splitlines()[1:4]] == list(settings)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["rows"] == 8
    stages = {stage["setting"]: stage for stage in report["stages"]}
    assert stages["wider, 2 more steps"]["weights"] > stages["as it is"]["weights"]
    assert len((tmp_path / "out" / "wider-2-more-steps" / "log.csv").read_text()) > 0
    assert told.err.count("asking the teacher") == 1
    contender = open_contender(f"trained:{tmp_path / 'out' / 'wider-2-more-steps'}")
    assert contender.parameters == stages["wider, 2 more steps"]["weights"]

    assert train([str(tmp_path / "sweep.json"), *files]) == 0
    assert "step" not in capsys.readouterr().err.replace("2 more steps", ""), "a setting that is done is not done again"
    settings["as it is"] = {"distil": {"steps": 3}}
    (tmp_path / "sweep.json").write_text(json.dumps(plan | {"settings": settings}))
    assert train([str(tmp_path / "sweep.json"), *files]) == 2
    assert "another setting" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({}, "no settings"),
        ({"a": {"clips": 3}}, "'clips'"),
        ({"a": 3}, "no object"),
        ({"a b": {}, "A-b": {}}, "one folder"),
        ({"a": {"distil": {"stps": 3}}}, "'stps'"),
    ],
)
def test_a_sweep_changes_what_can_be_compared(settings, word):
    small = {"family": "time_delay", "channels": 8, "kernels": [3], "second_stride": 0, "features": 8}
    base = {"name": "base", "architecture": small, "distil": {"name": "x"}}
    with pytest.raises(UsageError, match=word):
        Sweep.from_json({"kind": "sweep", "name": "few", "base": base, "settings": settings})


def test_fewer_clips_than_a_batch_are_refused():
    small = {"family": "time_delay", "channels": 8, "kernels": [3], "second_stride": 0, "features": 8}
    with pytest.raises(UsageError, match="5 clips"):
        FreshRecipe.from_json({"name": "base", "architecture": small, "distil": {"name": "x"}, "clips": 5})


def test_what_is_no_training_is_no_contender(tmp_path):
    with pytest.raises(UsageError, match="no finished training"):
        open_contender(f"trained:{tmp_path}")


def test_who_judges_was_not_learnt_from(place):
    store = Store(place / "features")
    learning, judging = learn_and_judge(store, 3)
    assert sorted([*learning, *judging]) == list(range(len(store)))
    assert len(judging) and len(learning)
    assert not set(store.speakers[learning]) & set(store.speakers[judging]) - {-1}
    clips = [{store.clip(row) for row in rows} for rows in (learning, judging)]
    assert not clips[0] & clips[1]


def test_a_stage_may_be_a_budget_and_nothing_else():
    stage = SlimRecipe.from_json({"name": "x", "stages": [{"budget": {"macs": 1}}]}).stages[0]
    assert stage.mend_windows > 100
    assert stage.distil is None


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_can_be_read(name):
    raw = json.loads((RECIPES / f"{name}.json").read_text())
    kinds = {"slim": SlimRecipe, "distil": FreshRecipe, "quantise": QuantiseRecipe, "classify": ClassifyRecipe}
    kinds |= {"head": HeadRecipe, "sweep": Sweep, "digits": DigitsRecipe}
    kind = kinds[raw["kind"]]
    assert kind.from_json(kind.from_json(raw).to_json()) == kind.from_json(raw)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"kind": "magic"}, "magic"),
        ({"windws": 3}, "windws"),
        ({"stages": []}, "stage"),
        ({"stages": [{"budget": {"macs": 1, "mac": 2}, "distil": {"name": "x"}}]}, "mac"),
        ({"held_out": 1}, "held_out"),
        ({"stages": [{"budget": {"macs": 1}, "mend_windows": -1}]}, "-1"),
        ({"stages": [{"mend_windows": 1}]}, "budget"),
    ],
)
def test_a_wrong_recipe_is_one_sentence(place, tmp_path, capsys, change, word):
    (tmp_path / "wrong.json").write_text(json.dumps(recipe(place / "spec.json") | change))
    code = train([str(tmp_path / "wrong.json"), "--cache", str(place / "features"), "--out", str(tmp_path / "out")])
    told = capsys.readouterr().err
    assert code == 2
    assert told.startswith("earmark: ")
    assert word in told
    assert told.count("\n") == 1


def test_an_unknown_name_lists_what_there_is(tmp_path, capsys):
    assert train(["slim-999", "--cache", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "slim-550" in capsys.readouterr().err
