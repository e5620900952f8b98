"""``earmark verify`` while a daemon holds the microphone."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from edge.cli import main
from edge.control import Access
from tests.broker import wait_for
from tests.edge.control.service import Raw, Service, serving, verify
from tests.edge.daemon.room import SILENCE, Room, clip


def asked(room: Room, *words: str, said: np.ndarray) -> int:
    """The exit code of ``earmark verify`` with these words, while somebody says something."""

    def speak() -> None:
        wait_for(lambda: room.tapped, "the daemon listens")
        room.stage.say(said)

    speaker = threading.Thread(target=speak)
    speaker.start()
    try:
        return main(["verify", *words, "--state", str(room.folder)])
    finally:
        speaker.join(60)


def test_the_daemon_listens_and_a_person_is_told_so(room: Room, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(room, "Ada", said=clip("clip-1-ada.ogg")) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("voice matches Ada")
    assert "The daemon holds the microphone and listens for at most 10 s: say a sentence." in shown.err


def test_the_answer_is_that_of_the_command(room: Room, capsys: pytest.CaptureFixture[str]) -> None:
    silence = np.concatenate([SILENCE] * 3)
    assert asked(room, "Ada", "--timeout", "2", "--json", said=silence) == 3
    told = json.loads(capsys.readouterr().out)
    assert (told["person"]["name"], told["match"], told["reason"]) == ("Ada", False, "silent")
    assert asked(room, "Ada", "--timeout", "2", said=silence) == 3
    assert "no decision: nothing was heard" in capsys.readouterr().out


def test_what_the_daemon_refuses_is_an_error_with_its_exit_code(room: Room, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--state", str(room.folder)]
    assert main(["verify", "Nobody", *place]) == 2
    assert "Nobody of that name" in capsys.readouterr().err
    with Raw(room.path) as other:
        other.ask(**verify(timeout=60))
        assert main(["verify", "Ada", "--json", *place]) == 5
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "busy"


def test_options_that_the_daemon_cannot_follow_are_refused(room: Room, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "Ada", "--profile", "relaxed", "--state", str(room.folder)]) == 2
    assert "--profile" in capsys.readouterr().err


class Playing(Service):
    """A daemon that plays a recording, so that the microphone is free."""

    def status(self) -> dict:
        return super().status() | {"live": False}


def test_a_daemon_that_holds_no_microphone_is_not_asked(
    stage_home: tuple[Path, Path],
    stage_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The command goes on to a microphone of its own, and there is none here."""
    service = Playing()
    with serving(service) as path:
        monkeypatch.setenv("EARMARK_CONTROL__PATH", str(path))
        place = ["--state", str(stage_folder), "--bundle", str(stage_home[0])]
        assert main(["verify", "Ada", "--mic", "no such microphone", *place]) == 5
        assert not service.asked
        monkeypatch.setenv("EARMARK_AUDIO__DEVICE", "no such microphone")
        assert main(["verify", "Ada", *place]) == 5
        assert service.asked == 1
    assert not service.begun
    assert "microphone" in capsys.readouterr().err


def test_a_daemon_that_this_account_may_not_ask_is_named_and_passed_over(
    stage_home: tuple[Path, Path],
    stage_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(access=Access(frozenset({os.geteuid() + 1}))) as path:
        monkeypatch.setenv("EARMARK_CONTROL__PATH", str(path))
        monkeypatch.setenv("EARMARK_AUDIO__DEVICE", "no such microphone")
        assert main(["verify", "Ada", "--state", str(stage_folder), "--bundle", str(stage_home[0])]) == 5
    assert "This account may not ask" in capsys.readouterr().err
