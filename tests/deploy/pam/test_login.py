"""Logins through real PAM: the password and the voice, and everything that must be refused, within the time stated."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge.audio import read_samples
from edge.auth.attempt import Gate
from edge.control import Client
from edge.control.place import listen
from edge.demo.stage import ASSETS
from edge.people import PeopleStore
from edge.settings import Settings
from tests.broker import wait_for
from tests.deploy.pam.login import Login, Outcome
from tests.scenarios.household import Daemon
from tests.virtual_microphone import VirtualMicrophone

LIMIT = 10
SLACK_SECONDS = 15.0
"""Beyond the limit: for what starts pamtester, on a machine that is busy with other tests."""
PAUSE = np.zeros(12_000, np.float32)
NO = ["The voice check did not pass."]
ASKED = ["Say a sentence."]


@pytest.fixture
def login(tmp_path: Path) -> Login:
    (tmp_path / "login").mkdir()
    return Login(tmp_path / "login")


@pytest.fixture
def daemon(home: Path, login: Login, virtual_microphone: VirtualMicrophone) -> Iterator[Daemon]:
    """At a microphone, with its socket where the login looks for it."""
    runtime = {"RUNTIME_DIRECTORY": str(login.runtime)}
    with Daemon(home, 1, "--source", "mic", "--no-mqtt", **runtime) as running:
        wait_for(lambda: virtual_microphone.recorders() == 1, "the daemon records")
        yield running


def busy(login: Login) -> bool:
    with Client(login.runtime / "control.sock") as client:
        return bool(client.status()["busy"])


def spoken(login: Login, microphone: VirtualMicrophone, clip: str) -> Outcome:
    """A login during which a clip is said, once the daemon listens for it."""
    attempt = login.begin()
    wait_for(lambda: busy(login) or attempt.over, "the daemon listens for the login")
    microphone.play(np.concatenate([PAUSE, read_samples(ASSETS / clip), PAUSE]))
    return attempt.finish()


@pytest.mark.microphone
def test_password_and_voice_pass_and_the_same_recording_again_does_not(
    login: Login, daemon: Daemon, virtual_microphone: VirtualMicrophone
) -> None:
    login.options("--no-challenge", limit=60)  # it is over when the daemon has judged; a busy machine takes longer
    first = spoken(login, virtual_microphone, "clip-1-ada.ogg")
    assert (first.passed, first.shown) == (True, ASKED)
    again = spoken(login, virtual_microphone, "clip-1-ada.ogg")
    assert (again.passed, again.shown) == (False, ASKED + NO)


@pytest.mark.microphone
def test_another_voice_and_silence_are_refused_in_time(
    login: Login, daemon: Daemon, virtual_microphone: VirtualMicrophone
) -> None:
    for outcome in (spoken(login, virtual_microphone, "clip-4-ben.ogg"), login.try_it()):
        assert (outcome.passed, outcome.shown) == (False, ASKED + NO)
        assert outcome.seconds < LIMIT + SLACK_SECONDS


@pytest.mark.microphone
def test_what_is_refused_before_anybody_has_to_speak(
    login: Login, daemon: Daemon, virtual_microphone: VirtualMicrophone
) -> None:
    """A wrong password, a user without a line, a login over the network, a person who is locked out, and a setting of
    the machine that others could change: no microphone is asked, and nothing tells which it was.
    """
    assert login.try_it("wrong").shown == []
    assert not login.try_it("wrong").passed
    login.people("ben: Ben\n")
    assert login.try_it().shown == NO
    login.people("ada: Nobody\n")
    assert login.try_it().shown == NO
    login.people("ada: Ada\nada: Ben\n")
    assert login.try_it().shown == NO
    login.people("ada: Ada\n")
    assert login.try_it("open sesame", "-I", "rhost=192.0.2.7").shown == NO
    for spoil in ("chmod g+w /run/login/people", "chown 4242 /run/login/people", "chmod o+w /run/login"):
        login.spoil(spoil)
        outcome = login.try_it()
        assert (outcome.passed, outcome.shown) == (False, NO), spoil
    login.spoil("")
    lock_out(daemon.state, "Ada")
    outcome = login.try_it()
    assert (outcome.passed, outcome.shown) == (False, NO)


def lock_out(state: Path, name: str) -> None:
    """Five attempts that nobody takes back."""
    with PeopleStore(state) as store:
        person = store.find(name)
    with Gate(state, Settings()) as gate:
        for _ in range(5):
            with gate.begin(person.id, requester="cli"):
                pass


@pytest.mark.microphone
def test_digits_are_shown_and_whoever_says_something_else_is_refused(
    login: Login, daemon: Daemon, virtual_microphone: VirtualMicrophone
) -> None:
    login.options(limit=12)
    outcome = spoken(login, virtual_microphone, "clip-2-ada.ogg")
    assert not outcome.passed
    assert len(outcome.shown) == 2
    assert re.fullmatch(r"Say: [0-9]( [0-9]){5}", outcome.shown[0])
    assert outcome.shown[1:] == NO


def test_without_a_daemon_everybody_is_refused_at_once(login: Login) -> None:
    outcome = login.try_it()
    assert (outcome.passed, outcome.shown) == (False, NO)
    (login.runtime / "control.sock").touch()
    assert not login.try_it().passed
    (login.runtime / "control.sock").unlink()
    listen(login.runtime / "control.sock", None).close()  # left behind by a daemon that was killed
    outcome = login.try_it()
    assert (outcome.passed, outcome.shown) == (False, NO)
    assert outcome.seconds < SLACK_SECONDS


@contextlib.contextmanager
def hanging(login: Login) -> Iterator[socket.socket]:
    """A daemon that takes connections and says nothing."""
    with listen(login.runtime / "control.sock", None) as listener:
        yield listener


def test_a_daemon_that_hangs_refuses_in_the_time_stated(login: Login) -> None:
    login.options("--no-challenge", limit=5)
    with hanging(login):
        outcome = login.try_it()
    assert (outcome.passed, outcome.shown) == (False, NO)
    assert 4 <= outcome.seconds < 5 + SLACK_SECONDS


def test_a_socket_folder_that_others_may_write_is_not_trusted(login: Login) -> None:
    with hanging(login):
        os.chmod(login.runtime, 0o770)  # noqa: PTH101
        outcome = login.try_it()
    assert (outcome.passed, outcome.shown) == (False, NO)
    assert outcome.seconds < SLACK_SECONDS


def program(login: Login, script: str, mode: str = "755") -> None:
    """An `earmark` that does what ``script`` says, for where no daemon runs."""
    (login.folder / "program").write_text(f"#!/bin/sh\n{script}\n")
    login.spoil(f'install -m {mode} "$1/program" /run/login/earmark')
    login.options("--no-challenge", "--else-run", "/run/login/earmark", "--state", "/var/lib/earmark", limit=5)


def test_without_a_daemon_the_command_can_be_asked_and_only_its_zero_passes(login: Login) -> None:
    program(login, f'echo "$@" >{login.folder}/asked; env >{login.folder}/environment; echo secret; echo secret >&2')
    outcome = login.try_it()
    assert (outcome.passed, outcome.shown) == (True, ASKED)
    asked = (login.folder / "asked").read_text()
    assert asked == "verify --json --quiet --timeout 1.0 --state /var/lib/earmark -- Ada\n"
    names = {line.partition("=")[0] for line in (login.folder / "environment").read_text().splitlines()}
    assert names <= {"PATH", "HOME", "LANG", "PWD", "OLDPWD", "SHLVL", "_"}
    for code in (1, 3, 4, 5, 7):
        program(login, f"exit {code}")
        assert login.try_it().shown == ASKED + NO
    program(login, "kill -9 $$")
    assert not login.try_it().passed


def test_a_command_that_hangs_is_ended_with_everything_it_started(login: Login) -> None:
    program(login, f"sleep 600 & echo $! >{login.folder}/child; sleep 600")
    outcome = login.try_it()
    assert (outcome.passed, outcome.shown) == (False, ASKED + NO)
    assert outcome.seconds < 5 + SLACK_SECONDS
    child = int((login.folder / "child").read_text())
    wait_for(lambda: not alive(child), "the end of what the command had started")


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_command_that_others_may_write_is_not_run(login: Login) -> None:
    program(login, "exit 0", mode="775")
    assert login.try_it().shown == NO


def test_another_account_at_the_socket_is_not_believed(login: Login) -> None:
    """Whoever it is that serves there, it is neither root nor the owner of the folder."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as impostor:
        path = login.runtime / "control.sock"
        impostor.bind(str(path))
        path.chmod(0o666)
        child = os.fork()
        if child == 0:
            try:
                os.setresuid(65534, 65534, 65534)
                impostor.listen(1)  # whose credentials a client sees is settled here
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        outcome = login.try_it()
    assert (outcome.passed, outcome.shown) == (False, NO)
    assert outcome.seconds < SLACK_SECONDS
