"""``earmark doctor``: one line per check, one that mends what is wrong, and an exit code to go by."""

from __future__ import annotations

import pytest

from edge.doctor import CHECKS
from tests.broker import free_port


@pytest.fixture
def quiet(monkeypatch) -> None:
    """No broker is meant."""
    monkeypatch.setenv("EARMARK_MQTT__ENABLED", "false")


def test_json_holds_every_check_with_what_to_do(earmark, state, quiet) -> None:
    told = earmark("doctor", "--json").json
    assert set(told) == {"status", "checks"}
    assert [check["name"] for check in told["checks"]] == [name for name in CHECKS if name != "level"]
    for check in told["checks"]:
        assert set(check) == {"name", "status", "sentence", "remedy", "facts"}
    people = next(check for check in told["checks"] if check["name"] == "people")
    assert people["facts"] == {"enrolled": 2, "outdated": [], "learnt_with": {}}


def test_text_shows_a_line_per_check_and_the_remedy_below(earmark, tmp_path, quiet) -> None:
    done = earmark("doctor", "--only", "people", "--only", "broker", "--state", tmp_path / "empty")
    assert done.code == 0
    assert done.out.splitlines() == [
        "warn  people      Nobody is enrolled yet, so that every voice is unknown.",
        "                  -> earmark enroll NAME --mic",
        "ok    broker      Publishing is switched off (mqtt.enabled).",
    ]
    assert done.err == "2 checks: 1 warning.\n"
    assert earmark("doctor", "--only", "broker").err == "1 check: all is well.\n"


def test_what_fails_is_the_environment(earmark, monkeypatch) -> None:
    monkeypatch.setenv("EARMARK_MQTT__PORT", str(free_port()))
    done = earmark("doctor", "--only", "broker", "--json")
    assert (done.code, done.json["status"]) == (5, "fail")
    monkeypatch.setenv("EARMARK_MQTT__ENABLED", "false")
    assert earmark("doctor", "--only", "broker").code == 0


def test_settings_that_cannot_be_used_are_usage_and_the_rest_waits(earmark, monkeypatch) -> None:
    monkeypatch.setenv("EARMARK_DECIDE__PROFIL", "strict")
    done = earmark("doctor", "--only", "broker", "--json")
    assert done.code == 2
    assert [check["name"] for check in done.json["checks"]] == ["settings"]
    assert "EARMARK_DECIDE__PROFILE" in done.json["checks"][0]["sentence"]
    assert "wait until the settings can be used" in earmark("doctor").err


def test_options_win_over_the_settings(earmark) -> None:
    done = earmark("doctor", "--only", "bundle", "--bundle", "nosuch")
    assert done.code == 5
    assert "nosuch" in done.out


def test_a_check_that_does_not_exist_is_usage_and_the_others_are_listed(earmark) -> None:
    done = earmark("doctor", "--only", "brokr")
    assert done.code == 2
    assert "'broker'" in done.err


def test_listening_is_announced(earmark, monkeypatch) -> None:
    monkeypatch.setenv("EARMARK_AUDIO__SOURCE", "mic:no such microphone")
    done = earmark("doctor", "--listen", "0.5", "--only", "clock")
    assert done.code == 5
    assert "Listening for 0.5 s" in done.err
    assert [line.split()[:2] for line in done.out.splitlines() if "->" not in line] == [
        ["fail", "level"],
        ["ok", "clock"],
    ]
