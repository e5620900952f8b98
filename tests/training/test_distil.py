"""A student learns what its teacher says, and goes on where it stopped."""

import csv
import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra [train]")


from edge.errors import UsageError
from edge.records import FeatureSpec
from tests.convert.tiny import tiny_weights
from tests.training.data.toys import ToySource, corpus
from training.data.plan import make_plan
from training.data.prepare import prepare
from training.data.store import Store
from training.distil.losses import as_many, embedding_loss, frame_loss, margin_softmax, posterior_loss, relational_loss
from training.distil.recipe import DistilRecipe, Losses
from training.distil.run import Distillation, Lessons, learning_rate
from training.distil.targets import digest_of, starts, targets
from training.models.architecture import Campp, Fresh
from training.models.campp import embedder
from training.models.families import TimeDelay
from training.teachers.campp import campp_trunk

pytestmark = pytest.mark.training

SPEC = FeatureSpec(n_mels=16, n_ceps=0)


def unit(*shape, seed=0):
    vectors = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_losses_are_nothing_where_the_student_agrees_and_something_where_not():
    teacher, other, bank = unit(6, 4), unit(6, 4, seed=1), unit(9, 4, seed=2)
    for loss in (
        embedding_loss,
        relational_loss,
        lambda a, b: posterior_loss(a, b, bank, 0.1),
        lambda a, b: frame_loss(a, b, np.ones(4, np.float32)),
    ):
        assert float(loss(teacher, teacher)) == pytest.approx(0, abs=1e-6)
        assert float(loss(other, teacher)) > 0.01


def test_the_relational_loss_does_not_mind_a_turn():
    """It compares the batch's own geometry."""
    teacher = unit(6, 4)
    turn, _ = np.linalg.qr(np.random.default_rng(5).normal(size=(4, 4)))
    assert float(relational_loss((teacher @ turn).astype(np.float32), teacher)) == pytest.approx(0, abs=1e-6)
    assert float(embedding_loss((teacher @ turn).astype(np.float32), teacher)) > 0.1


def test_the_margin_makes_the_right_class_harder_and_unknown_speakers_count_nothing():
    centres = np.eye(3, dtype=np.float32)
    vectors, labels = unit(4, 3), np.array([0, 1, 2, 0])
    plain = float(margin_softmax(vectors, centres, labels, margin=0.0))
    assert float(margin_softmax(vectors, centres, labels, margin=0.2)) > plain
    logits = 30 * vectors @ centres.T
    expected = -np.mean(
        [z[label] - np.log(np.exp(z - z.max()).sum()) - z.max() for z, label in zip(logits, labels, strict=True)]
    )
    assert plain == pytest.approx(expected, rel=1e-4)
    some = np.array([0, -1, 2, -1])
    assert float(margin_softmax(vectors, centres, some)) == pytest.approx(
        float(margin_softmax(vectors[[0, 2]], centres, labels[[0, 2]])), rel=1e-5
    )
    assert float(margin_softmax(vectors, centres, np.full(4, -1))) == 0


def test_the_learning_rate_warms_up_and_falls():
    recipe = DistilRecipe(name="x", steps=100, warmup_steps=10, learning_rate=1.0)
    rates = [learning_rate(recipe, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert np.argmax(rates) in (9, 10)
    assert all(a >= b for a, b in pairwise(rates[10:]))
    assert rates[-1] < 0.02


@pytest.mark.parametrize(
    "values",
    [{"name": "x", "step": 1}, {"name": "x", "steps": 0}, {"name": "x", "losses": {"embeding": 1}}, {},
     {"name": "x", "shortest": 3.0, "longest": 1.0}, {"name": "x", "window_frames": 151}],
)  # fmt: skip
def test_a_recipe_that_makes_no_sense_is_refused(values):
    with pytest.raises(UsageError):
        DistilRecipe.from_json(values)


def test_a_recipe_survives_its_json():
    recipe = DistilRecipe(name="x", steps=7, losses=Losses(relational=2.0))
    assert DistilRecipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


def test_windows_of_a_row_are_spread_and_whole():
    assert starts(120, 2) == (0,)
    assert starts(500, 2) == (100,)
    assert starts(900, 2) == (0, 600)
    assert starts(900, 5) == (0, 300, 600)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("distil")
    plan = make_plan(corpus(folder / "speech"), SPEC, views=1, augment="toy")
    return Store(prepare(plan, folder / "speech", folder / "cache", source=ToySource()).folder)


def teacher(windows):
    return np.asarray(embedder(tiny_weights(9), 300)(windows, training=False))


@pytest.fixture(scope="module")
def lessons(store, tmp_path_factory):
    rows = np.arange(len(store))
    found = targets(store, SPEC, teacher, tmp_path_factory.mktemp("targets"), name="tiny", rows=rows, batch=8)
    return Lessons(store, SPEC, rows, found)


def test_what_the_teacher_said_is_kept(store, lessons, tmp_path):
    np.testing.assert_allclose(np.linalg.norm(lessons.vectors, axis=1), 1, atol=1e-5)
    calls = []

    def counting(windows):
        calls.append(len(windows))
        return teacher(windows)

    first = targets(store, SPEC, counting, tmp_path, name="a", rows=[0, 3], batch=8)
    assert sum(calls) > 0
    del calls[:]
    np.testing.assert_array_equal(targets(store, SPEC, counting, tmp_path, name="a", rows=[0, 3], batch=8), first)
    assert not calls
    targets(store, SPEC, counting, tmp_path, name="b", rows=[0, 3], batch=8)
    assert calls, "another teacher says it for itself"
    np.testing.assert_allclose(first, lessons.vectors[[0, 3]], atol=1e-5)


def test_teachers_are_named_by_their_tensors():
    assert digest_of(tiny_weights(1)) == digest_of(tiny_weights(1)) != digest_of(tiny_weights(2))


RECIPE = DistilRecipe(
    name="tiny", window_frames=100, shortest=0.5, longest=1.0, batch=8, steps=40, warmup_steps=5, learning_rate=3e-3,
    average=0.9, checkpoint_steps=15, losses=Losses(relational=0.5, posterior=0.1, margin=0.01),
)  # fmt: skip


def losses(folder, part="embedding"):
    with (folder / "log.csv").open() as file:
        return [float(row[part]) for row in csv.DictReader(file)]


def test_a_student_learns_and_an_interrupted_one_ends_the_same(lessons, tmp_path):
    told = []
    whole = Distillation(RECIPE, Campp(tiny_weights(1)), lessons, tmp_path / "whole").run(
        told.append, lambda model: "judged"
    )
    assert losses(tmp_path / "whole")[-1] < losses(tmp_path / "whole")[0]
    assert sum("judged" in line for line in told) == 3
    assert not (tmp_path / "whole" / "checkpoint.npz").exists()
    with np.load(tmp_path / "whole" / "weights.npz") as kept:
        assert all(np.array_equal(kept[name], value) for name, value in whole.items())
    assert json.loads((tmp_path / "whole" / "recipe.json").read_text()) == RECIPE.to_json()

    def killer(line):
        if "step 25" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Distillation(RECIPE, Campp(tiny_weights(1)), lessons, tmp_path / "cut").run(killer)
    resumed = []
    again = Distillation(RECIPE, Campp(tiny_weights(1)), lessons, tmp_path / "cut").run(resumed.append)
    assert resumed[0] == "going on after step 15"
    for name, value in whole.items():
        np.testing.assert_allclose(again[name], value, atol=1e-4, err_msg=name)


def test_frame_features_are_learnt_behind_a_projection(lessons, tmp_path):
    """The student is a fourth as fine in time, and has other channels."""
    trunk = campp_trunk(tiny_weights(9), 100, None)
    asked = []

    def frames(windows):
        asked.append(windows.shape)
        return np.asarray(trunk(windows, training=False))

    recipe = replace(RECIPE, losses=Losses(embedding=0.1, frames=1.0), steps=50, average=0.0)
    student = Fresh(TimeDelay(channels=8, kernels=(3, 3), second_stride=1, features=8), 16, 6)
    Distillation(recipe, student, replace(lessons, frames=frames), tmp_path).run(lambda line: None)
    told = losses(tmp_path, "frames")
    assert told[-1] < told[0]
    assert set(asked) == {(8, 100, 16, 1)}
    with pytest.raises(UsageError, match="frame features"):
        Distillation(recipe, student, lessons, tmp_path)


def test_finer_frames_are_averaged():
    frames = np.arange(12, dtype=np.float32).reshape(1, 6, 2)
    np.testing.assert_allclose(as_many(frames, 3)[0], [[1, 2], [5, 6], [9, 10]])
