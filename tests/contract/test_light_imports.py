"""What a Pi has to load, and what it must never load."""

import json
import subprocess
import sys

import pytest

from tests.contract.tree import ROOT, configuration

HEAVY = {
    "tensorflow",
    "keras",
    "scipy",
    "librosa",
    "pandas",
    "matplotlib",
    "torch",
    "sklearn",
    "python_speech_features",
    "streamlit",
}


def loaded(code: str) -> set[str]:
    """Top-level names in ``sys.modules`` after ``code`` has run in a fresh interpreter."""
    program = code + "\nimport sys, json; print('\\n' + json.dumps(sorted({n.split('.')[0] for n in sys.modules})))"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 0, result.stderr
    return set(json.loads(result.stdout.splitlines()[-1]))


def test_importing_the_library_loads_numpy_at_most() -> None:
    unwanted = {"yaml", "paho", "sqlite3", "soundfile", "pyaudio", "ai_edge_litert", "tflite_runtime"}
    assert not loaded("import edge") & (HEAVY | unwanted)


def test_the_command_line_starts_without_anything_that_not_every_command_needs() -> None:
    unwanted = {"paho", "soundfile", "pyaudio", "ai_edge_litert", "tflite_runtime", "iotcore"}
    assert not loaded("import edge.cli\nassert edge.cli.main([]) == 0") & (HEAVY | unwanted)


SPEAK = """
import tempfile, edge.cli
state = tempfile.mkdtemp()
assets = "edge/demo/assets/"
place = ["--state", state]
clips = [f"{assets}ada-enrol-{n}.ogg" for n in range(1, 6)]
assert edge.cli.main(["enroll", "Ada", *clips, *place]) == 0
assert edge.cli.main(["identify", assets + "clip-1-ada.ogg", *place]) in (0, 1, 3)
assert edge.cli.main(["simulate", assets + "clip-5-stranger.ogg", *place]) == 0
"""


def test_enrolling_and_telling_who_speaks_never_loads_the_training_stack() -> None:
    seen = loaded(SPEAK)
    assert not seen & HEAVY
    assert "soundfile" in seen
    assert seen & {"ai_edge_litert", "tflite_runtime"}


def test_the_front_end_and_scoring_need_numpy_only() -> None:
    seen = loaded("import edge.features, edge.scoring")
    assert not seen & (HEAVY | {"yaml", "paho", "soundfile", "ai_edge_litert", "tflite_runtime"})


@pytest.mark.parametrize("entry", configuration()["options.entry_points"]["earmark.commands"].strip().splitlines())
def test_a_command_outside_the_edge_can_be_found_without_the_training_stack(entry: str) -> None:
    module, function = entry.split("=")[1].strip().split(":")
    assert not loaded(f"import {module}\nassert callable({module}.{function})") & HEAVY
