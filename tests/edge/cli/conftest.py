"""Fixtures of the commands: a bundle, a state folder with Ada and Ben, ``earmark`` as a person would run it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from edge.cli import main
from tests.edge.cli import voice_bundle
from tests.edge.cli.voice_bundle import ASSETS

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """stdout as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def json(self) -> Any:
        """stdout as the one JSON value that it is."""
        assert len(self.lines) == 1, self.out
        return self.lines[0]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return voice_bundle.make(tmp_path_factory.mktemp("bundle") / "voices")


def _clean_environment(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    for name in [name for name in os.environ if name.startswith(("EARMARK_", "XDG_", "STATE_DIR"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture(scope="session")
def template(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder in which Ada and Ben are enrolled; to be copied."""
    folder = tmp_path_factory.mktemp("template") / "state"
    with pytest.MonkeyPatch.context() as patch:
        _clean_environment(patch, folder.parent)
        for name in ("Ada", "Ben"):
            clips = [str(path) for path in sorted(ASSETS.glob(f"{name.lower()}-enrol-*.ogg"))]
            place = ["--state", str(folder), "--bundle", str(bundle), "--quiet"]
            assert main(["enroll", name, *clips, *place]) == 0
    return folder


@pytest.fixture
def state(template: Path, tmp_path: Path) -> Path:
    """This test's own copy of the state folder with Ada and Ben."""
    return Path(shutil.copytree(template, tmp_path / "state"))


@pytest.fixture
def environment(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this machine's settings; the test bundle, and an empty state folder."""
    _clean_environment(monkeypatch, tmp_path)
    monkeypatch.setenv("EARMARK_MODELS__BUNDLE", str(bundle))
    monkeypatch.setenv("EARMARK_STATE", str(tmp_path / "state"))


@pytest.fixture
def earmark(environment: None, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Done]]:
    """``earmark("verify", "Ada", path) -> Done``, in this process."""

    def run(*arguments: object) -> Done:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    yield run


@pytest.fixture
def start(environment: None) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """``start("enroll", "Ada", "--mic") -> Popen``: the program as it is installed; ended with the test."""
    processes: list[subprocess.Popen[str]] = []

    def run(*arguments: object, **streams: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "edge.cli", *(str(argument) for argument in arguments)]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        processes.append(subprocess.Popen(command, cwd=ROOT, text=True, **(pipes | streams)))
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def sound(path: Path, samples: np.ndarray, rate: int = 16_000) -> Path:
    """Write a WAV file and give its path."""
    soundfile.write(path, samples, rate, subtype="PCM_16")
    return path


def speech(name: str) -> np.ndarray:
    """Samples of one of the demo's clips, float32 at 16 kHz."""
    samples, rate = soundfile.read(ASSETS / name, dtype="float32")
    assert rate == 16_000
    return np.asarray(samples)


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder of what people have lying about."""
    folder = tmp_path / "odd"
    folder.mkdir()
    good = speech("clip-1-ada.ogg")
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.wav").write_text("this is no sound")
    (folder / "readme.txt").write_text("neither is this, and nobody would think so")
    sound(folder / "telephone.wav", np.stack([good[::2], good[::2]], axis=1), 8_000)
    soundfile.write(folder / "mp3-inside.wav", good, 16_000, format="MP3")
    sound(folder / "silence.wav", np.zeros(48_000))
    sound(folder / "clipped.wav", np.clip(300 * good, -1, 1))
    sound(folder / "short.wav", good[8_000:14_000])
    sound(folder / "noise.wav", np.random.default_rng(1).normal(0, 0.1, 64_000))
    return folder
