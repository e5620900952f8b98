"""The helper's decisions: what is a yes, whom a line names, and what is printed."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy.commands import deploy
from deploy.pam import helper
from deploy.pam.files import service
from edge.control.protocol import parse
from edge.control.server import IDLE_SECONDS
from edge.errors import RequestError, UsageError
from tests.scenarios.household import ROOT

YES = {"event": "result", "op": "verify", "exit_code": 0, "attempt": {"match": True}}
STATUS = {"event": "result", "op": "status", "exit_code": 0, "status": {"live": True, "listening": True}}


def asked(monkeypatch: pytest.MonkeyPatch, answers: list[Any], *, challenge: bool = False) -> list[str]:
    """Let the helper ask a daemon that gives these answers; gives what was shown. Raises what the helper raises."""
    ours, theirs = socket.socketpair()
    shown: list[str] = []
    monkeypatch.setattr(helper, "_connected", lambda path: ours)
    monkeypatch.setattr(helper, "_say", shown.append)

    def serve() -> None:
        with contextlib.suppress(OSError, RequestError), theirs, theirs.makefile("rb") as lines:
            for answer in answers:
                if isinstance(answer, bytes):
                    theirs.sendall(answer)
                    continue
                request = parse(lines.readline())
                for told in answer if isinstance(answer, list) else [answer]:
                    theirs.sendall(json.dumps({"id": request.id} | told).encode() + b"\n")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        options = argparse.Namespace(socket="/x", challenge=challenge)
        helper.ask_daemon("Ada", options, 6.0, time.monotonic() + 20)
    finally:
        ours.close()
        thread.join(20)
    return shown


def test_exactly_a_yes_is_a_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    listening = {"event": "progress", "stage": "listening", "seconds": 6}
    assert asked(monkeypatch, [STATUS, [listening, YES]]) == [helper.SAY_SENTENCE]


def test_with_a_challenge_the_digits_must_have_been_said(monkeypatch: pytest.MonkeyPatch) -> None:
    digits = {"event": "progress", "stage": "challenge", "digits": [4, 0, 7, 1, 9, 2], "text": "\x1b[2J"}
    right = YES | {"attempt": {"match": True, "challenge": {"said_right": True}}}
    assert asked(monkeypatch, [STATUS, [digits, right]], challenge=True) == ["Say: 4 0 7 1 9 2"]
    for odd in (YES, YES | {"attempt": {"match": True, "challenge": {"said_right": False}}}):
        with pytest.raises(helper.Refused):
            asked(monkeypatch, [STATUS, [digits, odd]], challenge=True)


@pytest.mark.parametrize(
    "change",
    [
        {"exit_code": 1},
        {"exit_code": False},
        {"exit_code": 0.0},
        {"exit_code": None},
        {"exit_code": "0"},
        {"event": "error"},
        {"op": "status"},
        {"id": "another"},
        {"id": None},
        {"attempt": None},
        {"attempt": {"match": "yes"}},
        {"attempt": {"match": 1}},
        {"attempt": {}},
    ],
)
def test_what_is_not_exactly_a_yes_is_none(monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]) -> None:
    with pytest.raises(helper.Refused):
        asked(monkeypatch, [STATUS, YES | change])


@pytest.mark.parametrize(
    "answers",
    [
        [],
        [b""],
        [b"yes\n"],
        [b"x" * 70_000],
        [b"[" * 5000 + b"\n"],
        [STATUS],
        [STATUS | {"status": {"live": False, "listening": True}}, YES],
        [STATUS | {"status": {"live": True, "listening": False}}, YES],
        [STATUS | {"status": None}, YES],
        [STATUS, [{"event": "progress", "stage": "challenge", "digits": ["0; reboot"] * 6}, YES]],
        [STATUS, [{"event": "progress", "stage": "challenge", "digits": [1, 2, 3]}, YES]],
        [STATUS, [{"event": "progress", "stage": "challenge", "digits": [True] * 6}, YES]],
    ],
)
def test_a_daemon_that_says_something_odd_is_no_yes(monkeypatch: pytest.MonkeyPatch, answers: list[Any]) -> None:
    with pytest.raises((helper.Refused, OSError)):
        asked(monkeypatch, answers)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=200), max_size=3))
def test_any_bytes_are_no_yes(monkeypatch: pytest.MonkeyPatch, parts: list[bytes]) -> None:
    with pytest.raises((helper.Refused, OSError)):
        asked(monkeypatch, [*parts])


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders above a test's files belong to whoever runs it; that they are root's is tried with real logins."""
    monkeypatch.setattr(helper, "_check_above", lambda path: None)
    monkeypatch.setattr(helper, "_check_file", lambda path, status: None)


@pytest.mark.usefixtures("trusting")
def test_a_line_names_one_person_for_one_user(tmp_path: Path) -> None:
    path = tmp_path / "people"
    path.write_text("# who is who\n\nada: p7c1e\nben.b:   Ben Bright\n")
    assert helper.person_of("ada", str(path)) == "p7c1e"
    assert helper.person_of("ben.b", str(path)) == "Ben Bright"
    with pytest.raises(helper.Refused, match="not in the list"):
        helper.person_of("root", str(path))


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize(
    "text",
    [
        "ada: Ada\nada: Ben\n",
        "ada: Ada\nben Ben\n",
        "ada: Ada\n* : Ada\n",
        "ada: Ada\n: Ben\n",
        "ada: Ada\nben:\n",
        "ada: Ada\nben: \x1b[2J\n",
        "ada: Ada\nBEN: Ben\n",
        "ada: Ada\n" + "#" * 70_000,
        "ada:Ada\n",
    ],
)
def test_one_odd_line_spoils_the_whole_list(tmp_path: Path, text: str) -> None:
    path = tmp_path / "people"
    path.write_text(text)
    with pytest.raises(helper.Refused):
        helper.person_of("ada", str(path))


@pytest.mark.usefixtures("trusting")
def test_a_list_that_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "people").write_text("ada: Ada\n")
    (tmp_path / "link").symlink_to(tmp_path / "people")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "none", "pipe"):
        with pytest.raises(helper.Refused):
            helper.person_of("ada", str(tmp_path / name))


def test_only_roots_folders_are_trusted(tmp_path: Path) -> None:
    for path in (str(tmp_path / "people"), "relative", "/etc/../etc/passwd", "//etc/passwd"):
        with pytest.raises(helper.Refused):
            helper._check_above(path)  # /tmp is everybody's
    helper._check_above("/etc/passwd")


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({"PAM_TYPE": "account"}, "auth"),
        ({}, "auth"),
        ({"PAM_TYPE": "auth", "PAM_USER": ""}, "user"),
        ({"PAM_TYPE": "auth", "PAM_USER": "../ada"}, "user"),
        ({"PAM_TYPE": "auth", "PAM_USER": "ada\nben"}, "user"),
        ({"PAM_TYPE": "auth", "PAM_USER": "ada", "PAM_RHOST": "192.0.2.7"}, "network"),
    ],
)
def test_what_is_no_login_at_this_machine_is_refused(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], why: str
) -> None:
    monkeypatch.setattr(os, "environ", environment)
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(helper.Refused, match=why):
        helper._user(argparse.Namespace(remote=False))


def test_the_helper_does_not_run_as_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    with pytest.raises(helper.Refused, match="seteuid"):
        helper._user(argparse.Namespace(remote=False))


def test_the_log_gets_words_and_nothing_that_a_daemon_made_up() -> None:
    assert helper._word({"error": {"code": "locked_out"}}, None) == "locked_out"
    assert helper._word({}, {"reason": "below_threshold"}) == "below_threshold"
    for odd in ({"error": {"code": "a b"}}, {"error": 1}, None, {"error": {"code": "x" * 99}}):
        assert helper._word(odd, None) == "odd answer"


def test_the_texts_that_deploy_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy(["pam-helper", "--prefix", "/srv/earmark"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("#!/srv/earmark/bin/python -IS\n")
    compile(text, "helper", "exec")
    assert deploy(["pam-service"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("#")]
    assert len(lines) == 1
    assert re.fullmatch(r"auth +required +pam_exec\.so quiet seteuid stdout /\S+ --limit 25", lines[0])
    assert deploy(["pam-people"]) == 0
    assert all(line.startswith("#") for line in capsys.readouterr().out.splitlines())
    for wrong in (
        ["pam-helper", "--prefix", "/a b"],
        ["pam-service", "--limit", "90"],
        ["pam-service", "--helper", "x"],
    ):
        with pytest.raises(UsageError):
            deploy(wrong)


def test_the_usual_time_limit_leaves_time_to_say_digits() -> None:
    limit = float(service().rstrip().rpartition(" ")[2])
    assert limit - helper.SPARE_SECONDS > 15
    assert limit > IDLE_SECONDS


WITHIN = """
import os, signal, subprocess, time
from deploy.pam.helper import _within
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # as a careless login may leave it
def hang():
    subprocess.Popen(["sleep", "600"])
    print("begun", flush=True)
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    time.sleep(600)
    return True
works = (lambda: True), (lambda: False), (lambda: 1 / 0), (lambda: os.kill(os.getpid(), 9))
print(*(_within(20, work) for work in works))
print(_within(2, hang), flush=True)
"""


def test_the_work_ends_in_time_with_everything_it_started() -> None:
    """Were the sleeper alive, it would keep this pipe open for ten minutes."""
    done = subprocess.run(
        [sys.executable, "-c", WITHIN], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.splitlines() == ["True False False False", "begun", "False"]
