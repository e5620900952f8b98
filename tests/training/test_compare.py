"""``earmark compare``: right order, the same trials for all, cost of each, and peers that are not there."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.errors import ExtraMissingError, UsageError
from edge.records import Embedding
from training import compare_command, compare_cost, compare_output, frontier_command
from training.compare import draw, timed_speech
from training.compare_peers import Peer, open_contender
from training.trials import Audio, Trial, TrialList, parse_side, read_list

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "edge" / "demo" / "assets"
BASELINE = ROOT / "edge" / "bundles" / "baseline"

TOYS = '''
import numpy as np
from pathlib import Path

LOG = Path(__file__).with_suffix(".calls")

def knowing():
    """Tells Ada from Ben by cheating: the clips' own spectra, in fine bands."""
    def encode(samples):
        with LOG.open("a") as log:
            log.write("x")
        frames = np.lib.stride_tricks.sliding_window_view(samples, 512)[::256] * np.hanning(512)
        bands = np.log((np.abs(np.fft.rfft(frames)[:, 4:196]) ** 2).reshape(len(frames), 48, 4).mean(2) + 1e-7)
        pooled = np.concatenate([bands.mean(0) - bands.mean(), bands.std(0)])
        return pooled - pooled.mean()
    encode.parameters = 1234567
    encode.megabytes = 4.9
    return encode

def guessing():
    """A vector that depends on nothing but the first samples' bits."""
    def encode(samples):
        return np.random.default_rng(int.from_bytes(samples[:16].tobytes(), "little")).normal(size=8)
    return encode

def silent():
    return lambda samples: np.zeros(4)

def nothing():
    return 3

def unfinished():
    import a_package_that_is_not_there
'''


@pytest.fixture()
def toys(tmp_path, monkeypatch) -> Path:
    """The folder of a module with encoders, which is the current one, as for people who try their own."""
    (tmp_path / "toy_encoders.py").write_text(TOYS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in compare_cost._THREADS:  # the command sets them: restore what was there
        monkeypatch.setenv(name, "1")
    yield tmp_path
    sys.modules.pop("toy_encoders", None)


@pytest.fixture()
def voices(tmp_path) -> Path:
    """Ada and Ben against four pieces of each and of a stranger."""
    rows = ["target\tenrol_speaker\tenrol\ttest_speaker\ttest\tnoise"]
    tests = {"ada": "clip-1-ada.ogg", "ben": "clip-3-ben.ogg", "other": "clip-5-stranger.ogg"}
    for person in ("ada", "ben"):
        for speaker, clip in tests.items():
            for start in (0.2, 0.9, 1.6, 2.2):
                enrol = f"{person}-enrol-1.ogg;{person}-enrol-2.ogg"
                rows.append(f"{int(person == speaker)}\t{person}\t{enrol}\t{speaker}\t{clip}@{start}+1\t")
    path = tmp_path / "voices.tsv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_two_encoders_are_ranked_by_their_errors_and_both_have_a_cost(toys, voices, capsys):
    words = toys / "words.tsv"
    shutil.copy(voices, words)
    arguments = ["python:toy_encoders:guessing", "good=python:toy_encoders:knowing", "--speech", str(ASSETS)]
    arguments += ["--runs", "2", "--json", "out.json", "--html", "out.html", str(voices), str(words)]
    assert compare_command.compare(arguments) == 0
    shown = capsys.readouterr().out
    report = json.loads(Path("out.json").read_text())
    good, bad = report["rows"]
    assert (good["name"], bad["name"]) == ("good", "python:toy_encoders:guessing")
    assert good["mean_eer"] < bad["mean_eer"]
    assert good["mean_eer"] == pytest.approx(np.mean(list(good["eer"].values())))
    assert good["cpu_ms_per_s"] > 0 and bad["cpu_ms_per_s"] > 0 and good["cpu_ratio"] == 1
    assert bad["cpu_ratio"] == pytest.approx(bad["cpu_ms_per_s"] / good["cpu_ms_per_s"])
    assert (good["parameters"], good["mb"], bad["parameters"]) == (1234567, 4.9, None)
    assert {row["lists"]["voices"]["trials"] for row in report["rows"]} == {24}
    assert shown.index("good") < shown.index("guessing") and "1.23 M" in shown
    html = Path("out.html").read_text()
    assert "http" not in html.replace("http-equiv", "") and html.count("data:image/png") == 2
    assert report["machine"] in html and "earmark compare" in html
    assert frontier_command.frontier(["out.json", "--out", "front.png"]) == 0, "its own report can be drawn"


def test_a_bundle_stands_beside_a_peer_with_its_decisions_and_its_size(toys, voices, capsys):
    arguments = [str(BASELINE), "python:toy_encoders:guessing", "--speech", str(ASSETS), "--runs", "1"]
    assert compare_command.compare([*arguments, "--json", "-", str(voices)]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    bundle, peer = rows["baseline"], rows["python:toy_encoders:guessing"]
    assert bundle["far_fixed"] == bundle["lists"]["voices"]["far_fixed"] is not None
    assert bundle["int8_mb"] > 0.001
    assert peer["far_fixed"] is None and "cllr" not in peer["lists"]["voices"]
    assert compare_command.compare([*arguments, "--markdown", str(voices)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("| # | encoder |") and "| voices |" in shown


def test_embeddings_in_the_cache_are_not_computed_again_and_belong_to_their_encoder(toys, voices, monkeypatch):
    monkeypatch.setattr(compare_cost, "_ENOUGH_SECONDS", 0.0)  # else the clock decides how often it is repeated
    arguments = ["python:toy_encoders:knowing", "--speech", str(ASSETS), "--runs", "1", "--cache", "kept"]
    calls = []
    for _ in range(2):
        Path("toy_encoders.calls").unlink(missing_ok=True)
        assert compare_command.compare([*arguments, "--json", f"{len(calls)}.json", str(voices)]) == 0
        calls.append(len(Path("toy_encoders.calls").read_text()))
    # A list of 4 enrolment clips and 12 tests; the rest is the probe and the clock.
    assert calls[0] - calls[1] == 16
    lists = [json.loads(Path(f"{i}.json").read_text())["rows"][0]["lists"] for i in range(2)]
    assert lists[0] == lists[1]


def test_a_peers_hash_changes_with_what_it_computes():
    one, same = Peer("x", lambda s: s[:8] + 1.0), Peer("y", lambda s: s[:8] + 1.0)
    other, renamed = Peer("x", lambda s: s[:8] + np.arange(8)), Peer("x", lambda s: s[:8] + 1.0, "2.0")
    assert one.encoder == same.encoder
    assert len({one.encoder, other.encoder, renamed.encoder}) == 3
    assert np.linalg.norm(one.analyse(np.ones(16000, np.float32)).vector) == pytest.approx(1)


def test_a_peer_that_is_not_installed_costs_one_line_and_its_row(toys, voices, capsys, monkeypatch):
    for package in ("resemblyzer", "speechbrain", "speechbrain.inference", "torch"):
        monkeypatch.setitem(sys.modules, package, None)
    arguments = ["resemblyzer", "ecapa", "python:toy_encoders:unfinished", "python:toy_encoders:guessing"]
    assert (
        compare_command.compare([*arguments, "--speech", str(ASSETS), "--runs", "1", "--json", "-", str(voices)]) == 0
    )
    told = capsys.readouterr()
    lines = [line for line in told.err.splitlines() if line.startswith("earmark:")]
    for line, package in zip(lines, ["resemblyzer", "speechbrain", "a_package_that_is_not_there"], strict=True):
        assert f"the package {package} is not installed" in line
    report = json.loads(told.out)
    assert [row["name"] for row in report["rows"]] == ["python:toy_encoders:guessing"]
    assert len(report["missing"]) == 3
    assert compare_command.compare(["resemblyzer", "--speech", str(ASSETS), str(voices)]) == ExtraMissingError.exit_code
    assert "None of these encoders" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("python:toy_encoders", "no module and factory"),
        ("python:no_such_toys:x", "no module no_such_toys"),
        ("python:toy_encoders:absent", "has no absent"),
        ("python:toy_encoders:nothing", "nothing that can be called"),
        ("python:toy_encoders:silent", "no usable vector"),
    ],
)
def test_a_function_that_cannot_be_used_is_refused_in_words(toys, text, words):
    with pytest.raises(UsageError, match=words):
        open_contender(text)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["baseline"], "no trial list"),
        (["voices.tsv"], "no encoder to compare"),
        (["baseline", "x=baseline", "x=baseline", "voices.tsv"], "called x"),
        (["baseline", "voices.tsv", "voices.tsv"], "same name"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_before_the_work(toys, voices, capsys, arguments, words):
    assert compare_command.compare([*arguments, "--speech", str(ASSETS)]) == 2
    assert words in capsys.readouterr().err


class Clocked:
    """An encoder whose runs take as long as it is told, on a clock of the test."""

    encoder = "clocked"

    def __init__(self, clock: list[float], log: list[str], name: str, costs: list[float]) -> None:
        self._clock, self._log, self._name, self._costs = clock, log, name, iter(costs)

    def analyse(self, samples: np.ndarray) -> Embedding:
        self._log.append(self._name)
        self._clock[0] += next(self._costs)
        return Embedding(np.ones(2, np.float32), np.ones((1, 2), np.float32), 1.0, self.encoder)


def test_the_least_of_runs_taken_in_turns_counts_after_a_warm_up(monkeypatch):
    clock, log = [0.0], []
    monkeypatch.setattr(compare_cost.time, "process_time", lambda: clock[0])
    encoders = [
        Clocked(clock, log, "a", [9.0, 5.0, 4.0, 2.0, 3.0]),
        Clocked(clock, log, "b", [9.0, 1.0, 0.5, 7.0, 0.8]),
    ]
    assert compare_cost.cpu_ms_per_second(encoders, np.zeros(32000, np.float32), runs=3) == [1000, 250]
    assert "".join(log) == "aabb" + "ab" * 3


def test_a_draw_keeps_both_kinds_and_is_the_same_for_the_same_seed(voices):
    found = read_list(voices)
    some, again, other = draw(found, 6, 1), draw(found, 6, 1), draw(found, 6, 2)
    assert some == again != other
    assert len(some.trials) == 6 and sum(t.target for t in some.trials) == 2
    assert [t for t in found.trials if t in some.trials] == list(some.trials), "in the list's order"
    assert draw(found, 24, 1) is found
    few = TrialList("few", (found.trials[0], *(t for t in found.trials if not t.target)))
    assert sum(t.target for t in draw(few, 2, 1).trials) == 1


def test_costs_are_measured_on_three_seconds_of_the_lists_own_speech():
    side = parse_side("clip-1-ada.ogg@0.5+1")
    trials = TrialList("x", (Trial(True, "a", side, "a", side),))
    speech = timed_speech([trials], Audio(ASSETS))
    assert speech.shape == (48000,) and speech.dtype == np.float32
    assert np.array_equal(speech[:16000], speech[16000:32000]) and speech.any()


def test_the_notes_say_what_is_ranked_and_timed():
    assert "mean equal error rate" in compare_output.NOTES and "one thread" in compare_output.NOTES
