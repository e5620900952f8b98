"""``earmark demo`` as a newcomer runs it: nothing is needed, nothing is left, and nobody gets a wrong name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from edge.events import schema
from tests.scenarios.household import PLAY, ROOT

ADDED = {"truth", "verdict", "cpu_ms"}
"""What the demonstration knows about an event besides what was published."""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict], Path]:
    """The lines printed, and the empty folder in which it ran."""
    folder = tmp_path_factory.mktemp("newcomer")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "EARMARK_STATE"))}
    environment |= {"HOME": str(folder), "TMPDIR": str(folder), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "edge.cli", "demo", "--json"]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], folder


def test_nobody_gets_a_wrong_name_and_most_get_the_right_one(shown) -> None:
    told = shown[0][-1]["summary"]
    assert told["flawless"]
    assert told["wrong_names"] == told["false_events"] == 0
    spoken = [scene.who for scene in PLAY.scenes if scene.spoken]
    assert told["known_spoken"] == sum(who != "stranger" for who in spoken)
    # Rather no name than a wrong one: at the balanced profile some short or noisy sentences stay uncertain.
    assert told["known_named"] >= 0.7 * told["known_spoken"]
    assert told["strangers_unknown"] == told["strangers_spoken"] == spoken.count("stranger")
    assert told["missed"] == 0


def test_every_event_is_as_published_with_what_the_demonstration_knows_about_it(shown) -> None:
    events = shown[0][:-1]
    assert len(events) >= sum(scene.spoken for scene in PLAY.scenes)
    for event in events:
        assert set(event) >= ADDED
        jsonschema.validate({key: value for key, value in event.items() if key not in ADDED}, schema("utterance"))
        assert event["source"] == PLAY.stream.name or event["source"].endswith(PLAY.stream.name)
        assert set(event["cpu_ms"]) == {"gate_ms", "frontend_ms", "encoder_ms", "decision_ms"}
    assert [event["id"] for event in events] == sorted({event["id"] for event in events})


def test_all_of_it_went_through_the_broker(shown) -> None:
    summary = shown[0][-1]
    events = len(shown[0]) - 1
    assert summary["topics"]["earmark/demo/utterance"] == events
    assert summary["topics"]["homeassistant/device/earmark_demo/config"] >= 1
    assert sum("/person/" in topic for topic in summary["topics"]) == len(PLAY.actors)


def test_the_file_holds_what_was_printed_and_nothing_else_is_left(shown) -> None:
    lines, folder = shown
    written = [json.loads(line) for line in (folder / "earmark-demo.jsonl").read_text(encoding="utf-8").splitlines()]
    assert written == lines
    assert [path.name for path in folder.iterdir()] == ["earmark-demo.jsonl"]
