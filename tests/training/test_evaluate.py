"""Evaluation on real clips with a small stand-in encoder: figures from definitions, agreement with another scorer."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

from edge.decision import FAR_TARGETS
from edge.errors import StorageError
from edge.records import Embedding
from edge.scoring import Calibration, OperatingPoint, Scorer
from training import evaluate, trials
from training.embeddings import Embedder, EmbeddingCache

ASSETS = Path(__file__).parents[2] / "edge" / "demo" / "assets"

EAR = '''
import numpy as np

def factory():
    """Mean log spectrum in 40 bands of equal width, without its mean, turned at random."""
    turn = np.random.default_rng(7).normal(size=(24, 40))

    def encode(samples):
        count = max(1, (len(samples) - 400) // 160 + 1)
        padded = np.pad(samples, (0, max(0, 400 - len(samples))))
        frames = np.stack([padded[i * 160 : i * 160 + 400] for i in range(count)]) * np.hanning(400)
        power = np.abs(np.fft.rfft(frames, 512)) ** 2
        bands = np.log(power[:, :240].reshape(count, 40, 6).mean(axis=2) + 1e-6).mean(axis=0)
        return turn @ (bands - bands.mean())

    return encode
'''


@pytest.fixture(scope="module")
def ear(tmp_path_factory) -> ModuleType:
    """A module with an encoder, as an outside scorer imports it."""
    path = tmp_path_factory.mktemp("ear") / "small_ear.py"
    path.write_text(EAR)
    spec = importlib.util.spec_from_file_location("small_ear", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Bundle:
    """The part of a bundle that evaluation uses, counting its work."""

    encoder = "0123456789abcdef"

    def __init__(self, ear: ModuleType) -> None:
        self._encode = ear.factory()
        self.calls = 0

    def analyse(self, samples: np.ndarray) -> Embedding:
        assert len(samples) >= 8000, "a bundle takes half a second or more"
        self.calls += 1
        vector = self._encode(samples)
        vector = (vector / np.linalg.norm(vector)).astype(np.float32)
        return Embedding(vector, vector[None], len(samples) / 16000, self.encoder)


def cosine_calibration(points=((0.03, 0.5), (0.003, 1.5))) -> Calibration:
    """Ten times the cosine above 0.8, whatever the circumstances."""
    return Calibration(
        {"bias": -8.0, "cosine": 10.0}, tuple(OperatingPoint(far, llr) for far, llr in points), trials=5000, speakers=20
    )


@pytest.fixture(scope="module")
def small_list(tmp_path_factory) -> trials.TrialList:
    """Ada and Ben, each enrolled with three clips, against pieces of everybody; two tests in noise."""
    rows = ["target\tenrol_speaker\tenrol\ttest_speaker\ttest\tnoise"]
    tests = [("ada", "clip-1-ada.ogg"), ("ada", "clip-2-ada.ogg"), ("ben", "clip-3-ben.ogg"), ("ben", "clip-4-ben.ogg")]
    tests += [(f"stranger{i}", f"clip-{i}-stranger.ogg") for i in (5, 6, 7, 8)]
    tests += [
        ("ada", "ada-enrol-4.ogg"),
        ("ada", "ada-enrol-5.ogg"),
        ("ben", "ben-enrol-4.ogg"),
        ("ben", "ben-enrol-5.ogg"),
    ]
    for person in ("ada", "ben"):
        enrol = f"{person}-enrol-1.ogg;{person}-enrol-2.ogg@0.3+2.5;{person}-enrol-3.ogg|{person}-enrol-1.ogg@1+1"
        for speaker, clip in tests:
            for start in (0.2, 0.9, 1.6):
                noise = "stream.ogg@30.5:5" if start == 0.9 else ""
                rows.append(f"{int(person == speaker)}\t{person}\t{enrol}\t{speaker}\t{clip}@{start}+1.2\t{noise}")
    path = tmp_path_factory.mktemp("lists") / "small.tsv"
    path.write_text("\n".join(rows) + "\n")
    return trials.read_list(path)


def reference_figures(scores: np.ndarray, target: np.ndarray) -> dict[str, float]:
    """The figures in percent by trying every threshold, straight from their definitions."""
    pairs = []
    for threshold in sorted(scores.tolist(), reverse=True):
        accepted = scores >= threshold
        pairs.append((np.mean(accepted[~target]), np.mean(~accepted[target])))
    far, frr = min(pairs, key=lambda pair: round(abs(pair[0] - pair[1]), 12))
    return {
        "eer": 50 * (far + frr),
        "frr_far1": 100 * min((b for a, b in pairs if a <= 0.01), default=1.0),
        "frr_far01": 100 * min((b for a, b in pairs if a <= 0.001), default=1.0),
        "mindcf": min(1.0, *(b + 99 * a for a, b in pairs)),
    }


def test_cosines_and_figures_are_those_of_a_plain_loop_over_the_list(ear, small_list):
    scored = evaluate.score_list(small_list, Embedder(Bundle(ear), trials.Audio(ASSETS)), None)
    encode, audio = ear.factory(), trials.Audio(ASSETS)

    def centre(side: trials.Side) -> np.ndarray:
        found = [np.asarray(encode(x)) for x in audio.utterances(side)]
        mean = np.mean([v / np.linalg.norm(v) for v in found], axis=0)
        return mean / np.linalg.norm(mean)

    centres = {side: centre(side) for side in {side for t in small_list.trials for side in (t.enrol, t.test)}}
    expected = np.array([centres[t.enrol] @ centres[t.test] for t in small_list.trials])
    assert scored.cosine == pytest.approx(expected, abs=1e-6)
    figures = evaluate.figures(scored)
    wanted = reference_figures(expected, scored.target)
    assert {name: figures[name] for name in wanted} == pytest.approx(wanted, abs=0.01)
    assert (figures["speakers"], figures["trials"]) == (2, len(small_list.trials))
    assert figures["eer_low"] <= figures["eer"] <= figures["eer_high"]
    assert set(figures) < set(evaluate.FIGURES)


@pytest.fixture(scope="session")
def outside() -> tuple[Path, Path]:
    """The folder with lists and an independent scorer, and the folder of their speech."""
    lists, speech = os.environ.get("EARMARK_TRIALS"), os.environ.get("EARMARK_SPEECH")
    if not lists or not speech:
        pytest.skip("EARMARK_TRIALS (lists and score.py) and EARMARK_SPEECH (their speech) are not set")
    return Path(lists), Path(speech)


@pytest.mark.parametrize("name", ["german", "words-1s"])
def test_an_independent_scorer_agrees_to_a_hundredth_of_a_point(outside, ear, tmp_path, name):
    folder, speech = outside
    (tmp_path / "small_ear.py").write_text(EAR)
    report = tmp_path / "report.json"
    command = [
        sys.executable, folder / "score.py", "--speech", speech.resolve(), "--encoder", "small_ear:factory",
        "--json", report, (folder / f"{name}.tsv").resolve(),
    ]  # fmt: skip
    subprocess.run(command, check=True, cwd=tmp_path, capture_output=True)
    theirs = json.loads(report.read_text())[name]
    listed = trials.read_list(folder / f"{name}.tsv")
    ours = evaluate.figures(evaluate.score_list(listed, Embedder(Bundle(ear), trials.Audio(speech)), None))
    for key in ("speakers", "trials", "eer", "frr_far1", "frr_far01"):
        assert ours[key] == pytest.approx(theirs[key], abs=0.01), key
    assert ours["mindcf"] == pytest.approx(theirs["mindcf"], abs=1e-4)
    # Resampled people bring the same trial twice; ours counts such ties at once, so the ends may differ a little.
    assert ours["eer_low"] == pytest.approx(theirs["eer_low"], abs=0.5)
    assert ours["eer_high"] == pytest.approx(theirs["eer_high"], abs=0.5)


def test_each_distinct_utterance_is_embedded_once(ear, small_list):
    bundle = Bundle(ear)
    embedder = Embedder(bundle, trials.Audio(ASSETS))
    told: list[tuple[int, int]] = []
    evaluate.score_list(small_list, embedder, None, progress=lambda done, total: told.append((done, total)))
    distinct = {side for t in small_list.trials for side in (t.enrol, t.test)}
    assert bundle.calls == sum(len(side.utterances) for side in distinct) == 2 * 3 + 36
    assert told[-1] == (len(distinct), len(distinct))
    evaluate.score_list(small_list, embedder, None)
    assert bundle.calls == 42


def test_a_cache_on_disk_gives_the_same_scores_without_the_encoder(ear, small_list, tmp_path):
    first, second, other = Bundle(ear), Bundle(ear), Bundle(ear)
    scorer = Scorer(cosine_calibration(), np.zeros((0, 24), np.float32))
    results = []
    for bundle in (first, second):
        cache = EmbeddingCache(tmp_path / "cache")
        results.append(evaluate.score_list(small_list, Embedder(bundle, trials.Audio(ASSETS), cache=cache), scorer))
        cache.close()
    assert (first.calls, second.calls) == (42, 0)
    assert np.array_equal(results[0].cosine, results[1].cosine)
    assert np.array_equal(results[0].llr, results[1].llr)
    other.encoder = "another encoder"
    evaluate.score_list(
        small_list, Embedder(other, trials.Audio(ASSETS), cache=EmbeddingCache(tmp_path / "cache")), None
    )
    assert other.calls == 42, "another encoder's embeddings must never be used"


def test_a_cache_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be used"):
        EmbeddingCache(tmp_path / "file")


def test_a_clip_shorter_than_half_a_second_is_repeated_up_to_it(ear):
    samples, _ = soundfile.read(ASSETS / "clip-1-ada.ogg", dtype="float32")
    embedder = Embedder(Bundle(ear), trials.Audio(ASSETS))
    embedding, _ = embedder.utterance(samples[8000:12000])
    assert embedding.vector == pytest.approx(Bundle(ear).analyse(np.tile(samples[8000:12000], 2)).vector)


def test_gain_changes_the_level_and_not_what_is_said(ear):
    embedder = Embedder(Bundle(ear), trials.Audio(ASSETS))
    side = trials.parse_side("clip-1-ada.ogg")
    plain, soft = embedder.hear(side), embedder.hear(side, -12.0)
    assert soft.circumstances[0].level_dbfs == pytest.approx(plain.circumstances[0].level_dbfs - 12, abs=1.5)
    assert soft.circumstances[0].snr_db == pytest.approx(plain.circumstances[0].snr_db, abs=3)
    assert soft.vector @ plain.vector > 0.99


def test_what_the_device_would_say_follows_from_the_likelihood_ratio(ear, small_list):
    """With a calibration that ignores circumstances, and one person claimed, the threshold alone decides."""
    scorer = Scorer(cosine_calibration(), np.zeros((0, 24), np.float32))
    embedder = Embedder(Bundle(ear), trials.Audio(ASSETS))
    scored = evaluate.score_list(small_list, embedder, scorer)
    assert scored.llr == pytest.approx(10 * scored.cosine - 8, abs=1e-4)
    long_enough = np.array([embedder.hear(t.test).speech_seconds >= 0.4 for t in small_list.trials])
    assert long_enough.any()
    assert np.array_equal(scored.named, (scored.llr >= 1.5) & long_enough)
    assert np.array_equal(scored.uncertain, ((scored.llr >= 0.5) & (scored.llr < 1.5)) | ~long_enough)
    figures = evaluate.figures(scored)
    assert set(figures) == set(evaluate.FIGURES)
    assert figures["far_fixed"] == pytest.approx(100 * scored.named[~scored.target].mean())
    assert figures["frr_fixed"] == pytest.approx(100 * (1 - scored.named[scored.target].mean()))
    assert figures["eer_llr"] == pytest.approx(figures["eer"]), "one rising map for all trials changes no order"
    assert figures["min_cllr"] <= figures["cllr"]


def made_up(named_impostors: int) -> evaluate.ScoredList:
    rng = np.random.default_rng(3)
    target = np.arange(600) < 200
    llr = rng.normal(size=600) + 6 * target
    named = target.copy()
    named[200 : 200 + named_impostors] = True
    return evaluate.ScoredList(
        "made-up", llr / 10, target, tuple(f"p{i % 10}" for i in range(600)), llr, named, np.zeros(600, bool)
    )


def test_no_false_acceptance_seen_is_bounded_by_the_rule_of_three():
    none, some = evaluate.figures(made_up(0)), evaluate.figures(made_up(8))
    assert (none["far_fixed"], none["far_fixed_high"]) == (0, pytest.approx(100 * 3 / 400))
    assert some["far_fixed"] == pytest.approx(2) and some["far_fixed_high"] > 2


def test_a_list_without_impostors_is_refused():
    only = made_up(0)
    with pytest.raises(ValueError, match="impostor"):
        evaluate.figures(evaluate.ScoredList("x", only.cosine[:200], only.target[:200], only.speakers[:200]))


def test_tables_have_a_row_per_list_and_the_same_cells_in_both_forms():
    report = {"made-up": evaluate.figures(made_up(8)), "again": evaluate.figures(made_up(0))}
    plain, marked = evaluate.table(report), evaluate.table(report, markdown=True)
    assert len(plain.splitlines()) == 3
    assert len({len(line) for line in plain.splitlines()}) == 1, "columns line up"
    assert [line.count("|") for line in marked.splitlines()] == [13] * 4
    cells = [cell.strip() for cell in marked.splitlines()[2].split("|")[1:-1]]
    assert cells[0] == "made-up" and all(cell in plain for cell in cells)
    bare = evaluate.table({"x": {k: v for k, v in report["again"].items() if k in list(evaluate.FIGURES)[:8]}})
    assert "FAR fixed" not in bare and "FAR fixed" in plain


def test_the_note_names_threshold_and_what_it_stands_on():
    scorer = Scorer(cosine_calibration(), np.zeros((0, 24), np.float32))
    note = evaluate.fixed_note(scorer)
    assert f"{scorer.calibration.threshold(FAR_TARGETS['balanced']):.2f}" in note
    assert "5000" in note and "20 people" in note
