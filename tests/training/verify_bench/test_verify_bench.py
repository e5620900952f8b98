"""`earmark bench verify`: who tries with what, what is counted, and the command from a folder of voices to figures."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import UsageError
from tests.edge.synthetic import at_level, speech_like
from training.bench import PROFILES
from training.bench.people import ENROL_CLIPS
from training.bench.rates import rate
from training.bench.tables import share
from training.corpus import COLUMNS, Recording
from training.verify_bench.attempts import Answers
from training.verify_bench.command import bench_verify
from training.verify_bench.figures import figures
from training.verify_bench.plan import ATTEMPTS, Claimant, Condition, conditions


def reading(person: str, chapter: int, number: int, gender: str = "f") -> Recording:
    path = f"dev/{person}/{person}-{chapter}-{number:04d}.ogg"
    return Recording(path, "dev", "librispeech", person, gender, "", "en", 9.0, "", "")


def acting(person: str, emotion: str, number: int) -> Recording:
    return Recording(f"dev/{person}/{emotion}{number}.ogg", "dev", "acted", person, "m", emotion, "en", 3.5, "", "")


NOISE = [Recording(f"noise/{n}.ogg", "noise", "noise", "", "", "", "", 5.0, "", "") for n in range(3)]
ROWS = [
    *(reading(person, chapter, n) for person in ("ls1", "ls2", "ls3") for chapter in (10, 11) for n in range(20)),
    *(acting(person, mood, n) for person in ("a1", "a2") for mood in ("neutral", "angry", "sad") for n in range(9)),
    replace(reading("ls9", 10, 1), split="train"),
]


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_nobody_tries_with_what_was_enrolled(seed: int) -> None:
    found = {one.name: one for one in conditions([*ROWS, *NOISE], "dev", seed)}
    assert list(found) == [
        "read, 3 s",
        "read, 3 s, 10 dB",
        "read, 3 s, 5 dB",
        "read, another session",
        "acted, calm",
        "acted, after emotion",
    ]
    for condition in found.values():
        for one in condition.people:
            enrolled = {clips[0].path for clips in one.enrol.utterances}
            tried = [side.utterances[0][0].path for side in one.attempts]
            assert len(enrolled) == ENROL_CLIPS
            assert not enrolled & set(tried)
            assert len(set(tried)) == len(tried) <= ATTEMPTS
            assert all(f"/{one.person}/" in path for path in (*enrolled, *tried)), "everybody tries with his own voice"
    other = found["read, another session"].people[0]
    chapters = {clips[0].path.split("-")[1] for clips in other.enrol.utterances}
    assert not chapters & {side.utterances[0][0].path.split("-")[1] for side in other.attempts}
    moved = found["acted, after emotion"].people[0]
    assert all("neutral" in clips[0].path for clips in moved.enrol.utterances)
    assert not any("neutral" in side.utterances[0][0].path for side in moved.attempts)
    noisy = found["read, 3 s, 5 dB"].people[0]
    assert {side.noise.snr_db for side in noisy.attempts} == {5.0}
    assert noisy.enrol.noise is None
    again = conditions([*NOISE, *reversed(ROWS)], "dev", seed)
    assert again[0].people == found["read, 3 s"].people, "the order of the rows does not matter"


def test_people_of_another_split_are_not_asked() -> None:
    with pytest.raises(UsageError, match="no two people of the split 'test'"):
        conditions(ROWS, "test", 1)


def made_up(attempts: int = 6) -> tuple[Condition, Answers]:
    """Three people; the first is refused twice in a row, and lets the second in once."""
    nobody = Claimant("", "", None, ())  # type: ignore[arg-type]
    people = tuple(replace(nobody, person=name, gender=gender) for name, gender in (("a", "f"), ("b", "f"), ("c", "m")))
    rows = [(claimed, tried, n) for tried in range(3) for n in range(attempts) for claimed in range(3)]
    claimed, tried, attempt = np.array(rows).T
    accepted = claimed == tried
    accepted[(claimed == 0) & (tried == 0) & (attempt < 2)] = False
    accepted[(claimed == 0) & (tried == 1) & (attempt == 4)] = True
    return Condition("made up", people), Answers(claimed, tried, attempt, dict.fromkeys(PROFILES, accepted))


def test_shares_are_counted_as_by_hand() -> None:
    row = figures(*made_up())[1]
    assert (row["profile"], row["target_far"]) == ("balanced", 0.003)
    assert row["refusals"]["share"] == pytest.approx(2 / 18)
    assert row["false_accepts"]["share"] == pytest.approx(1 / 36)
    assert row["false_accepts_same_gender"]["trials"] == 12
    assert row["false_accepts_same_gender"]["share"] == pytest.approx(1 / 12)
    assert row["refusals_in_three"] == {"share": 0.0, "low": 0.0, "high": pytest.approx(3 / 6), "trials": 6}
    assert row["false_accepts_in_three"]["share"] == pytest.approx(1 / 12)


def test_three_attempts_that_are_only_two_do_not_count() -> None:
    row = figures(*made_up(attempts=5))[0]
    assert row["refusals_in_three"]["trials"] == 3


def test_without_errors_the_bound_is_the_rule_of_three() -> None:
    found = rate(np.zeros(300, bool), np.arange(300) // 10)
    assert (found.share, found.high) == (0.0, 0.01)
    assert rate(np.zeros(0, bool), np.zeros(0)).trials == 0
    assert share({"share": float("nan"), "low": 0, "high": 0, "trials": 0}) == "-"


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    """Three voices in two chapters, and a noise."""
    folder = tmp_path_factory.mktemp("speech")
    rng = np.random.default_rng(5)
    rows = []
    for place in range(3):
        for n in range(11):
            row = replace(reading(f"ls{place}", 10 + n // 8, n, "fm"[place % 2]), seconds=3.5)
            rows.append(row)
            (folder / row.path).parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(
                folder / row.path,
                at_level(speech_like(3.5, seed=place), -20) + 1e-3 * rng.standard_normal(56_000),
                16_000,
            )
    (folder / "noise").mkdir()
    soundfile.write(folder / NOISE[0].path, 0.05 * rng.standard_normal(32_000), 16_000)
    rows.append(NOISE[0])
    lines = ["\t".join(COLUMNS), *("\t".join(str(getattr(row, name)) for name in COLUMNS) for row in rows)]
    (folder / "manifest.tsv").write_text("\n".join(lines) + "\n")
    return folder


def test_from_a_folder_of_voices_to_figures(speech, tmp_path, capsys) -> None:
    given = ["--speech", str(speech), "--bundle", "baseline", "--cache", str(tmp_path / "cache")]
    assert bench_verify([*given, "--json", str(tmp_path / "found.json")]) == 0
    told = capsys.readouterr().out
    report = json.loads((tmp_path / "found.json").read_text())
    assert "read, 3 s, 5 dB" in told
    rows = [row for row in report["rows"] if row["condition"] == "read, 3 s"]
    assert [row["profile"] for row in rows] == ["relaxed", "balanced", "strict"]
    assert rows[0]["people"] == 3
    shares = [row["refusals"]["share"] for row in rows]
    assert all(before <= after for before, after in pairwise(shares)), "who is strict refuses more"
    assert report["waiting"]["utterances"] > 0
    assert 0 < report["waiting"]["silence_ms_median"] < 1500
    assert bench_verify([*given, "--markdown"]) == 0
    assert capsys.readouterr().out.startswith("| condition | profile |")
    assert bench_verify(["--speech", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("earmark: ")
