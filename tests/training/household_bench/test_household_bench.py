"""`earmark bench household`: what counts as a false name, intervals, and the command from voices to figures."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from edge.bundle import open_bundle
from edge.decision import Decider
from edge.operating_point import OperatingPoint
from edge.records import Voiceprint
from edge.scoring import Calibration, Scorer
from edge.settings import Decide, Settings
from tests.training.household_bench.made import PEOPLE, heard
from training.bench import PROFILES
from training.household_bench.command import bench_household
from training.household_bench.deciding import Exposure, FalseName, Household, Judge, households
from training.household_bench.figures import TALK, VISIT, aim, per_hour, strangers
from training.household_bench.hearing import Ear
from training.household_bench.plan import Attempt, Clip, Stream, Take
from training.household_bench.remember import RememberingScorer
from training.household_bench.sound import Sound, Span

VOICES = dict(zip(PEOPLE, np.eye(8, dtype=np.float32)[:4], strict=True))
CALIBRATION = Calibration(
    {"bias": -10.0, "cosine": 20.0}, (OperatingPoint(0.03, 1.0), OperatingPoint(0.001, 4.0)), 10_000, 100
)
SCORER = Scorer(CALIBRATION, np.eye(8, dtype=np.float32)[6:])
PRINTS = {name: Voiceprint(name, name, vector, 20.0, 5, 0.9, "made") for name, vector in VOICES.items()}
PAIR = Household(("ls1", "ls2"))


def judge(*homes: Household) -> Judge:
    return Judge(PRINTS, RememberingScorer.of(SCORER, list(PRINTS.values())), Decide(), homes)


def stream(*who: str, scene: str = "dialogue") -> tuple[Stream, Sound]:
    """Five seconds of each, one after the other."""
    takes = tuple(Take(one, Clip(f"{one}.ogg", 0.0, 5.0), 0.0) for one in who)
    spans = tuple(Span(one, 80_000 * n, 80_000 * (n + 1)) for n, one in enumerate(who))
    return Stream("-".join(who), scene, takes), Sound(np.zeros(80_000 * len(who), np.float32), spans)  # type: ignore[arg-type]


def test_a_name_is_false_only_where_its_owner_does_not_speak() -> None:
    found = [heard(VOICES["ls1"], 1.0), heard(VOICES["ls2"], 6.0)]
    exposures, names = judge(PAIR).stream(*stream("ls3", "ls4"), found)
    assert {(one.who, one.named) for one in names} == {("ls3", "ls1"), ("ls4", "ls2")}
    assert {(one.who, one.seconds, one.visiting) for one in exposures} == {("ls3", 5.0, False), ("ls4", 5.0, False)}
    exposures, names = judge(PAIR).stream(*stream("ls1", "ls4"), found)
    assert {(one.who, one.named) for one in names} == {("ls4", "ls2")}, "the first is named rightly"
    assert [(one.who, one.visiting) for one in exposures] == [("ls4", True)]
    across = [heard(VOICES["ls1"], 3.0, seconds=4.0)]
    assert judge(PAIR).stream(*stream("ls1", "ls4"), across)[1] == [], "the one who is named speaks in it"
    assert judge(PAIR).stream(*stream("ls1", scene="television"), found) == ([], []), "his own voice is no stranger's"


def test_each_stream_meets_a_decider_that_has_heard_nothing() -> None:
    half = (VOICES["ls1"] + VOICES["ls3"]) / np.sqrt(np.float32(2))
    deciding = judge(PAIR)
    named = deciding.stream(*stream("ls3", "ls4"), [heard(VOICES["ls1"], 0.5), heard(half, 5.5)])[1]
    assert {one.pooled for one in named if one.start == 88_000} == {2}
    unsure = deciding.stream(*stream("ls3"), [heard(half, 0.5)])[1]
    assert {(one.profile, one.pooled) for one in unsure} == {("relaxed", 1), ("balanced", 1)}
    alone = deciding.stream(*stream("ls3"), [heard(VOICES["ls1"], 0.5)])[1]
    assert {one.pooled for one in alone} == {1}


def test_every_decision_of_the_device_counts_however_few_are_asked_for() -> None:
    rng = np.random.default_rng(8)
    said = []
    for n in range(60):
        vector = VOICES[PEOPLE[n % 2]] + 0.3 * rng.standard_normal(8).astype(np.float32)
        said.append(heard(vector / np.linalg.norm(vector), 4.0 * n))
    one, sound = stream(*["ls9"] * 50)
    homes = [Household(names) for names in (("ls1",), ("ls3",), ("ls1", "ls4"), ("ls3", "ls4"), PEOPLE)]
    expected = set()
    for home in homes:
        for profile in PROFILES:
            decider = Decider(replace(Decide(), profile=profile), SCORER)
            for utterance in said:
                assert utterance.embedding is not None
                told = decider.decide(utterance.utterance, utterance.embedding, [PRINTS[name] for name in home.people])
                if told.person_id is not None:
                    expected.add((home, profile, utterance.utterance.start, told.person_id))
    found = judge(*homes).stream(one, sound, said)[1]
    assert {(name.household, name.profile, name.start, name.named) for name in found} == expected
    assert expected


def test_utterances_of_a_member_are_named_or_the_reason_is_told() -> None:
    attempt = Attempt("ls1", Clip("a.ogg"), 3.0, None)
    told = {
        tuple(one.why for one in judge(PAIR, Household(("ls3", "ls4"))).attempt(attempt, found))
        for found in (
            [heard(VOICES["ls1"], 1.0)],
            [heard(VOICES["ls2"], 1.0)],
            [heard(VOICES["ls4"], 1.0)],
            [],
            [replace(heard(VOICES["ls1"], 1.0), embedding=None)],
        )
    }
    assert told == {(why,) * 3 for why in ("", "another name", "unknown: below_threshold", "not heard", "too short")}


def test_remembered_scores_decide_as_the_scorer_itself_does() -> None:
    rng = np.random.default_rng(3)
    known = [
        Voiceprint(str(n), "", v / np.linalg.norm(v), 5.0 + n, 3, 0.8, "made")
        for n, v in enumerate(rng.standard_normal((6, 8)).astype(np.float32))
    ]
    remembering = RememberingScorer.of(SCORER, known)
    for draw in range(20):
        home = [known[n] for n in rng.permutation(6)[: 1 + draw % 4]]
        own, plain = Decider(Decide(), remembering), Decider(Decide(), SCORER)
        for n in range(4):
            vector = home[0].vector + 0.6 * rng.standard_normal(8).astype(np.float32)
            one = heard(vector / np.linalg.norm(vector), 4.0 * n)
            assert one.embedding is not None
            mine, theirs = (d.decide(one.utterance, one.embedding, home) for d in (own, plain))
            assert (mine.outcome, mine.reason, mine.pooled) == (theirs.outcome, theirs.reason, theirs.pooled)
            assert mine.margin == pytest.approx(theirs.margin, abs=1e-3)
            assert mine.probability == pytest.approx(theirs.probability, abs=1e-4)


def test_everybody_is_in_equally_many_households() -> None:
    people = [f"p{n}" for n in range(16)]
    for size in (1, 2, 4, 8):
        homes = households(people, size, 24, seed=1)
        assert len(homes) >= min(16, 20)
        counts = {sum(person in home.people for home in homes) for person in people}
        assert max(counts) - min(counts) <= 1
        assert all(len(set(home.people)) == size for home in homes)
    assert households(people[:8], 8, 24, seed=1) == [], "somebody has to be a stranger"


def exposure(who: str, seconds: float, home: Household = PAIR) -> Exposure:
    return Exposure(home, f"by {who}", "monologue", False, who, seconds)


def false(who: str, named: str, start: int = 0) -> FalseName:
    return FalseName(PAIR, "balanced", f"by {who}", "monologue", False, who, named, start, 3.0, 20.0, 5.0, 1)


def test_false_names_per_hour_are_counted_as_by_hand() -> None:
    other = Household(("ls1", "ls5"))
    heard_ = [exposure("ls3", 3600), exposure("ls4", 1800), exposure("ls3", 3600, other), exposure("ls4", 1800, other)]
    found = per_hour(heard_, [false("ls3", "ls1"), false("ls3", "ls2"), false("ls4", "ls1", 7)])
    assert found.rate == pytest.approx(3 / 3.0)
    assert (found.hours, found.utterances, found.households) == (1.5, 2, 2)
    assert found.low <= found.rate <= found.high
    nothing = per_hour(heard_, [])
    assert (nothing.rate, nothing.low) == (0.0, 0.0)
    assert nothing.high == pytest.approx(3 / 1.5), "different hours, not those of every household"
    rows = strangers([*heard_, replace(exposure("ls4", 60), visiting=True, scene="dialogue")], [false("ls3", "ls1")])
    assert {row["scene"] for row in rows} == {TALK, "one person talks", VISIT}
    balanced = [row["rate"] for row in rows if row["profile"] == "balanced" and row["scene"] == TALK]
    assert balanced == [pytest.approx(1 / 3)]


@pytest.mark.parametrize(
    ("rate", "low", "high", "verdict"), [(0.1, 0.0, 0.4, "met"), (0.0, 0.0, 3.6, "open"), (2.0, 0.8, 3.0, "missed")]
)
def test_an_aim_is_met_only_where_the_whole_interval_says_so(rate, low, high, verdict) -> None:
    row = {"scene": TALK, "enrolled": 4, "profile": "balanced", "rate": rate, "low": low, "high": high}
    part = aim([row, row | {"enrolled": 8, "rate": 99.0}], [], [])["parts"]["false names while strangers talk"]
    assert (part["found"], part["verdict"]) == (rate, verdict)


def test_what_was_kept_is_what_was_heard(speech, tmp_path) -> None:
    import soundfile

    samples = np.zeros(16_000 * 9, np.float32)
    said, _ = soundfile.read(next(speech.glob("dev/ls0/*.wav")), dtype="float32")
    samples[32_000 : 32_000 + len(said)] = said
    samples += 1e-3 * np.random.default_rng(1).standard_normal(len(samples)).astype(np.float32)
    ear = Ear(open_bundle("baseline"), Settings(), tmp_path)
    first, again = ear.hear(samples), ear.hear(samples)
    assert len(first) == len(again) >= 1
    for one, other in zip(first, again, strict=True):
        mine, theirs = (asdict(kept.utterance) for kept in (one, other))
        assert len(mine.pop("samples")) == len(theirs.pop("samples")) == 0
        assert mine == theirs
        assert one.embedding is not None
        assert other.embedding is not None
        np.testing.assert_array_equal(one.embedding.vector, other.embedding.vector)
        np.testing.assert_array_equal(one.embedding.windows, other.embedding.windows)
        assert one.embedding.speech_probability == other.embedding.speech_probability
    assert len(list(tmp_path.rglob("*.npz"))) == 1


def test_from_a_folder_of_voices_to_figures(speech, tmp_path, capsys) -> None:
    given = ["--speech", str(speech), "--bundle", "baseline", "--cache", str(tmp_path / "kept")]
    given += ["--hours", "0.004", "--attempts", "1", "--households", "2"]
    assert bench_household([*given, "--json", str(tmp_path / "found.json")]) == 0
    told = capsys.readouterr().out
    assert "False names per hour" in told
    assert "Aim, balanced, 4 enrolled:" in told
    report = json.loads((tmp_path / "found.json").read_text())
    assert report["members"] == 3
    assert {row["enrolled"] for row in report["strangers"]} == {1, 2}, "with four there would be no stranger left"
    assert {row["snr_db"] for row in report["misses"]} == {"15+", "clean", "20", "15", "10", "5"}
    for row in report["misses"]:
        assert sum(row["why"].values()) == pytest.approx(row["share"], abs=0.01)
    assert bench_household([*given, "--markdown"]) == 0
    assert "| what is heard | enrolled |" in capsys.readouterr().out
    assert bench_household(["--speech", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("earmark: ")
