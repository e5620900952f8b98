"""The import contracts of setup.cfg hold, and each of them notices what it is there for."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.tree import ROOMS, ROOT, configuration

LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports('setup.cfg', cache_dir=None))"


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter in a process of its own: it imports the packages of the folder it stands in."""
    return subprocess.run(
        [sys.executable, "-c", LINT], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


def test_the_rooms_keep_to_the_contracts() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


FAULTS = {
    "edge reaches into training": ("edge/events.py", "import training.metrics", "never the reverse"),
    "an early stage uses a late one": ("edge/features.py", "import edge.pipeline", "each stage sees only"),
    "the Pi needs the training stack": ("edge/scoring.py", "import scipy", "never needs the training stack"),
    "a second door to the broker": ("edge/events.py", "import paho.mqtt.client", "one door per dependency"),
    "a second door to the interpreter": ("edge/bundle.py", "import tflite_runtime", "one door per dependency"),
    "a second door to the pages": ("edge/cli/identify.py", "import streamlit", "one door per dependency"),
    "a command needs the pages": ("edge/cli/people.py", "import edge.studio.parts", "each stage sees only"),
    "deploy runs the daemon": ("deploy/units.py", "import edge.daemon", "deploy reads the edge's settings"),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The rooms' code and setup.cfg in a folder where a fault can be planted."""
    for room in ROOMS:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=lambda folder, names: [
            name for name in names if not (name.endswith(".py") or (Path(folder) / name).is_dir())
        ])  # fmt: skip
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    return tmp_path


@pytest.mark.parametrize(("path", "line", "contract"), FAULTS.values(), ids=FAULTS)
def test_a_planted_fault_breaks_its_contract(copy: Path, path: str, line: str, contract: str) -> None:
    file = next(place for place in (copy / path, copy / path.removesuffix(".py") / "__init__.py") if place.exists())
    file.write_text(file.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    result = lint(copy)
    assert result.returncode == 1, result.stdout + result.stderr
    broken = [row for row in result.stdout.splitlines() if " BROKEN" in row]
    assert any(contract in row for row in broken), broken


def test_every_module_of_the_edge_has_a_place_in_the_flow() -> None:
    """A module that stands in no layer could import anything."""
    listed = configuration()["importlinter:contract:edge-flow"]["layers"]
    placed = {name.strip(" ()") for row in listed.split("\n") for name in row.split("|")} - {""}
    there = {
        path.stem if path.is_file() else path.name
        for path in (ROOT / "edge").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    } - {"__init__"}
    assert there == placed
