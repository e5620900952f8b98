"""The short form of ``make chaos``: a few kills of each, a full disk in between, and what its judge must notice."""

from __future__ import annotations

import json
import random
import sqlite3
from pathlib import Path

import pytest

from tests.edge.cli import voice_bundle
from tests.reliability.chaos import Chaos, rounds
from tests.reliability.ledger import Ledger, first_arrivals, in_order, open_up
from tests.reliability.toll import Toll, judge

SEED = 24
"""Two rounds, and in the second one the daemon is killed on a full disk."""


@pytest.mark.broker
@pytest.mark.timeout(600)
def test_nothing_is_lost_while_everything_is_killed(tmp_path: Path) -> None:
    bundle = voice_bundle.make(tmp_path / "voices")
    toll = Chaos(tmp_path, events=40, kills=2, seed=SEED, bundle=str(bundle), tell=False).run()
    checks = judge(toll)
    assert not [one for one in checks if one.holds is False]
    assert (toll.broker_kills, toll.daemon_kills) == (2, 2)
    assert toll.times_full == toll.small_disk, "without a small disk, only rounds that leave the daemon alone"
    assert len(toll.decided) >= 40
    assert len(toll.verdicts) >= 4


def test_the_strikes_are_all_dealt_out_over_the_whole_run() -> None:
    for seed in range(20):
        dealt = rounds(10_000, 50, random.Random(seed))
        strikes = [victim for one in dealt for victim in one.strikes]
        assert (strikes.count("broker"), strikes.count("daemon")) == (50, 50)
        assert [one.begin for one in dealt] == sorted(one.begin for one in dealt)
        assert 100 <= dealt[0].begin + 100 < dealt[-1].begin <= 9700
        assert sum(one.full for one in dealt) >= 5


def payload(number: int, more: str = "") -> bytes:
    return json.dumps({"event_type": "unknown", "id": f"{number:026d}", "more": more}, separators=(",", ":")).encode()


def told(**changes) -> Toll:
    ids = [f"{number:026d}" for number in range(5)]
    toll = Toll(decided=ids, payloads=[payload(n) for n in range(5)], recoveries=[1.0], exit_code=0)
    toll.availability, toll.verdicts = "offline", [("outbox.sqlite", "ok")]
    for name, value in changes.items():
        setattr(toll, name, value)
    return toll


def broken(toll: Toll) -> list[str]:
    return [one.name for one in judge(toll) if one.holds is False]


def test_a_toll_without_loss_holds_also_with_repeats() -> None:
    assert broken(told()) == []
    assert broken(told(payloads=[payload(n) for n in (0, 1, 2, 1, 2, 3, 4)])) == []


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"payloads": [payload(n) for n in (0, 1, 3, 4)]}, "events lost"),
        ({"payloads": [payload(n) for n in (0, 2, 1, 3, 4)]}, "in the order of decision"),
        ({"payloads": [payload(n) for n in range(5)] + [payload(4, "x")]}, "... with other content"),
        ({"verdicts": [("outbox.sqlite", "row 3 missing")]}, "... failed"),
        ({"odd_lines": ["Traceback (most recent call last):"]}, "tracebacks"),
        ({"left_behind": 1}, "events left in the outbox"),
        ({"damaged_files": 1}, "databases moved aside"),
    ],
)
def test_what_goes_wrong_is_noticed(changes: dict, name: str) -> None:
    assert name in broken(told(**changes))


def test_the_ledger_takes_both_witnesses_once_and_in_order() -> None:
    ledger = Ledger()
    for ident in ("a", "b"):
        ledger.line({"message": "utterance", "id": ident})
    ledger.line({"message": "listening"})
    ledger.found(["b", "c"])
    assert (ledger.order, ledger.unlogged) == (["a", "b", "c"], 1)
    assert in_order(["a", "c"], ledger.order)
    assert not in_order(["c", "a"], ledger.order)


def test_a_reader_that_drops_what_it_has_seen_keeps_the_first() -> None:
    kept = first_arrivals([payload(1), payload(2), payload(1), payload(3)])
    assert [int(one["id"]) for one in kept] == [1, 2, 3]


def test_an_autopsy_sees_damage_and_leaves_the_body_alone(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    with sqlite3.connect(state / "outbox.sqlite") as db:
        db.execute("CREATE TABLE t(x)")
        db.executemany("INSERT INTO t VALUES (?)", [("y" * 500,)] * 200)
    db.close()
    content = bytearray((state / "outbox.sqlite").read_bytes())
    content[8192:12288] = b"\xa5" * 4096
    (state / "outbox.sqlite").write_bytes(content)
    found = open_up(state, tmp_path / "scratch")
    assert found.verdicts["outbox.sqlite"] != "ok"
    assert (state / "outbox.sqlite").read_bytes() == content
