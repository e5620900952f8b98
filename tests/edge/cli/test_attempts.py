"""What people see of lock-out, PIN and audit log."""

from __future__ import annotations

import numpy as np
import pytest

from edge.audio import FileSource
from edge.auth import pin
from edge.auth.clock import BootClock
from edge.auth.gate import Counter
from edge.challenge import ChallengeOutcome
from edge.people import PeopleStore
from tests.edge.auth.conftest import fail
from tests.edge.cli.voice_bundle import ASSETS

ADA = ASSETS / "clip-1-ada.ogg"
GOOD = "correct horse"


@pytest.fixture
def pin_file(tmp_path, monkeypatch):
    monkeypatch.setattr(pin, "_COST", (2**4, 8, 1))
    path = tmp_path / "pin"
    path.write_text(GOOD + "\n")
    return path


@pytest.fixture
def locked(state, pin_file, earmark) -> str:
    """Ada is locked out; gives her id."""
    assert earmark("unlock", "--set-pin", "--pin-file", pin_file).code == 0
    with PeopleStore(state) as store:
        ada = store.find("Ada").id
    counter = Counter(state, BootClock())
    fail(counter, 5, ada)
    counter.close()
    return ada


def test_locked_out_has_its_own_code_and_says_for_how_long(earmark, locked) -> None:
    done = earmark("verify", "Ada", ADA)
    assert done.code == 4 and done.out == ""
    assert "Ada is locked out for" in done.err and "`earmark unlock Ada`" in done.err
    error = earmark("verify", "Ada", ADA, "--json").json["error"]
    assert (error["code"], error["reason"]) == ("locked_out", "failures")
    assert 0 < error["retry_seconds"] <= 30
    assert earmark("verify", "Ben", ASSETS / "clip-3-ben.ogg").code == 0, "nobody else is"


def test_the_pin_takes_it_back(earmark, locked, pin_file, tmp_path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong horse\n")
    done = earmark("unlock", "Ada", "--pin-file", wrong)
    assert (done.code, done.err) == (
        1,
        "earmark: That is not the PIN. Try again; after five wrong ones it takes waiting.\n",
    )
    assert earmark("verify", "Ada", ADA).code == 4
    assert earmark("unlock", "Ada", "--pin-file", pin_file, "--json").json["forgotten"] == 5
    assert earmark("verify", "Ada", ADA).code == 0


def test_the_same_recording_twice_is_refused_with_its_own_code(earmark, state) -> None:
    assert earmark("verify", "Ada", ADA).code == 0
    again = earmark("verify", "Ada", ADA, "--json")
    assert (again.code, again.json["outcome"], again.json["reason"], again.json["match"]) == (
        7,
        "spoof",
        "repeat",
        False,
    )
    assert again.json["repeat"]["exact"]


def test_a_recording_cannot_be_asked_for_digits(earmark, state) -> None:
    done = earmark("verify", "Ada", ADA, "--challenge")
    assert done.code == 2 and "drawn now" in done.err


def test_a_mistake_in_the_command_line_is_no_failed_attempt(earmark, state, odd) -> None:
    for _ in range(6):
        assert earmark("verify", "Ada", odd / "missing.wav").code == 2
    assert earmark("verify", "Ada", ADA).code == 0


def test_the_log_is_shown_with_names_and_checked(earmark, locked, state) -> None:
    assert earmark("verify", "Ada", ADA).code == 4
    lines = earmark("audit", "--person", "Ada", "--all").out.splitlines()
    assert len(lines) == 6 and all(" Ada " in line for line in lines)
    assert "refused" in lines[-1]
    assert [row["n"] for row in earmark("audit", "--last", "2", "--json").lines] == [7, 8]
    sound = earmark("audit", "--verify", "--json")
    assert (sound.code, sound.json["sound"], sound.json["entries"]) == (0, True, 8)
    assert earmark("audit", "--verify", "--expect", sound.json["head"]).code == 0
    path = state / "audit.jsonl"
    path.write_text(path.read_text().replace('"outcome":"failed"', '"outcome":"match"', 1))
    done = earmark("audit", "--verify")
    assert done.code == 1 and "audit.jsonl, line 3: entry 3 was changed" in done.out


def test_the_doctor_tells_of_a_log_that_was_changed(earmark, locked, state) -> None:
    check = earmark("doctor", "--only", "attempts", "--json").json["checks"][0]
    assert (check["status"], check["facts"]) == ("ok", {"entries": 7, "sound": True, "pin": True})
    (state / "audit.jsonl").write_text("")
    check = earmark("doctor", "--only", "attempts", "--json").json["checks"][0]
    assert (check["status"], check["remedy"]) == ("warn", "earmark audit --verify")
    (state / "attempts.sqlite").unlink()
    check = earmark("doctor", "--only", "attempts", "--json").json["checks"][0]
    assert check["status"] == "fail" and "--new-record" in check["remedy"]


class Drawn:
    """Digits whose answer is known."""

    digits = (3, 1, 4, 1, 5, 9)

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def text(self) -> str:
        return "3 1 4 1 5 9"

    def check(self, samples: np.ndarray) -> ChallengeOutcome:
        return ChallengeOutcome(self.reason == "said", self.digits, 0.9, self.reason, 0.0, len(samples) / 16_000)


@pytest.mark.parametrize(("clip", "reason", "code", "told"), [
    ("clip-1-ada", "said", 0, "accepted"),
    ("clip-1-ada", "other_digits", 1, "other_digits"),
    ("clip-3-ben", "said", 1, "below_threshold"),
])  # fmt: skip
def test_digits_are_shown_on_stderr_and_count(earmark, state, monkeypatch, clip, reason, code, told) -> None:
    monkeypatch.setattr("edge.cli.verify.Challenge.draw", lambda *_: Drawn(reason))
    monkeypatch.setattr("edge.cli.verify.open_recording", lambda *_: FileSource(ASSETS / f"{clip}.ogg", 100))
    done = earmark("verify", "Ada", "-", "--challenge", "--json", "--quiet")
    assert (done.code, done.json["reason"], done.json["challenge"]["reason"]) == (code, told, reason)
    assert done.err == "Say: 3 1 4 1 5 9\n"
    assert earmark("audit", "--json").lines[-1]["digits"] == reason


def test_before_anybody_tried_there_is_nothing_to_show(earmark, state) -> None:
    assert earmark("audit").out == "Nobody has tried to be recognised yet.\n"
    assert earmark("audit", "--verify").code == 0
    assert not (state / "attempts.sqlite").exists()


def test_a_damaged_record_refuses_until_its_owner_begins_a_new_one(earmark, locked, state) -> None:
    (state / "attempts.sqlite").write_bytes(b"not a database, and long enough to be read as one" * 20)
    done = earmark("verify", "Ada", ADA)
    assert done.code == 5 and "earmark unlock --new-record" in done.err
    assert earmark("unlock", "--new-record").code == 0
    assert earmark("verify", "Ada", ADA).code == 0
    assert earmark("audit", "--verify").code == 0
    assert earmark("unlock", "--new-record").code == 5, "a sound one is not replaced"


@pytest.mark.parametrize(
    "arguments", [("unlock",), ("unlock", "Ada", "--set-pin"), ("unlock", "Ada"), ("audit", "--expect", "1:a")]
)
def test_what_makes_no_sense_is_usage(earmark, state, arguments) -> None:
    assert earmark(*arguments).code == 2
