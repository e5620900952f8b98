"""A voice assistant: Home Assistant sends a command's sound through ``earmark wyoming`` to a speech-to-text service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edge.audio import read_samples
from edge.demo.stage import ASSETS
from tests.broker import answers, free_port, wait_for
from tests.edge.assistant.stub import Service, pcm, serving
from tests.scenarios.household import NODE, ROOT, utterances

if TYPE_CHECKING:
    from tests.homeassistant.scenes import Scenes

ADA, STRANGER = "clip-1-ada.ogg", "clip-8-stranger.ogg"
_LAST = f"sensor.{NODE}_assistant_last_speaker"
_TOPIC = f"earmark/{NODE}-assistant/utterance"


class Assist:
    """The step about it."""

    def __init__(self, scenes: Scenes) -> None:
        self._scenes = scenes
        self._rest = scenes.rest
        self._file = scenes.state.parent / "wyoming.log"

    def ask(self) -> str:
        """Everybody may ask, and who it was is told; then enrolled people only."""
        with serving(Service()) as service:
            with self._between(service, "--zeroconf") as port:
                flow = self._rest.until("Home Assistant finds it by itself", self._found)
                assert self._rest.confirm(flow) == "create_entry"
                entity = self._rest.until("a speech-to-text entity", self._entity)
                for clip, name in ((ADA, "Ada"), (STRANGER, "unknown")):
                    assert self._said(entity, clip) == service.text, "the text of the service behind"
                    assert service.audio == pcm(read_samples(ASSETS / clip)), "the sound as it came"
                    self._tells(name)
                heard = [event["speaker"] for event in utterances(self._scenes.listener, _TOPIC)]
                assert heard == ["Ada", "unknown"], heard
            with self._between(service, "--only", "enrolled", port=port):
                assert self._said(entity, STRANGER) == ""
                assert self._said(entity, ADA) == service.text
        return f"found by zeroconf; {entity}: Ada and a stranger are told apart; the stranger may be kept out"

    def _found(self) -> str | None:
        """The set-up that Home Assistant offers after it has heard of the service."""
        flows = self._scenes.house.websocket("config_entries/flow/progress")
        mine = [one["flow_id"] for one in flows if one["handler"] == "wyoming"]
        return mine[0] if mine else None

    def _tells(self, name: str) -> None:
        """The entity of the assistant's own node shows who asked."""
        wait_for(lambda: utterances(self._scenes.listener, _TOPIC), f"an event: {self._log()}")
        told = utterances(self._scenes.listener, _TOPIC)[-1]
        self._rest.until(lambda: f"{name} in {told}", lambda: self._rest.value(_LAST) == name)

    def _log(self) -> str:
        return self._file.read_text(errors="replace")[-800:]

    def _entity(self) -> str | None:
        found: list[str] = self._rest.template("{{ states.stt | map(attribute='entity_id') | list | tojson }}")
        return found[0] if found else None

    def _said(self, entity: str, clip: str) -> str:
        """What Home Assistant understood."""
        form = {"format": "wav", "codec": "pcm", "sample_rate": 16000, "bit_rate": 16, "channel": 1, "language": "en"}
        header = "; ".join(f"{key}={value}" for key, value in form.items())
        sound = pcm(read_samples(ASSETS / clip))
        answer = json.loads(self._rest.send(f"/api/stt/{entity}", sound, {"X-Speech-Content": header}))
        assert answer["result"] == "success", answer
        text: str = answer["text"]
        return text

    @contextmanager
    def _between(self, service: Service, *words: str, port: int = 0) -> Iterator[int]:
        """``earmark wyoming`` in front of the service; gives its port."""
        port = port or free_port()
        environ = {"EARMARK_NODE__NAME": NODE, "EARMARK_MQTT__PORT": str(self._scenes.broker.port)}
        line = ["wyoming", "--service", service.uri, "--uri", f"tcp://0.0.0.0:{port}", "--wait", "30", *words]
        with self._file.open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "edge.cli", *line, "--state", str(self._scenes.state)],
                cwd=ROOT, env=os.environ | environ, stdout=out, stderr=out,
            )  # fmt: skip
        try:
            wait_for(lambda: process.poll() is not None or answers(port), "it serves")
            assert process.poll() is None, self._log()
            yield port
        finally:
            process.terminate()
            process.wait(60)
