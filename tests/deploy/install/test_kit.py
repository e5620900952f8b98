"""Kits, as a program of their own; what they refuse; and that they stand alone."""

import ast
import json
import platform
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deploy.install import kits
from deploy.install.faults import InstallFault
from deploy.install.platforms import Platform
from deploy.install.sources import open_source
from tests.contract.tree import ROOT
from tests.deploy.install.world import wheel

HERE = Platform(sys.version_info[:2], True, platform.machine())


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    """A kit for this very machine."""
    path = tmp_path / "earmark.pyz"
    small = wheel(tmp_path, "0.7.0")
    kits.pack(path, {f"wheels/{small.name}": small}, "0.7.0", [(HERE.version, HERE.machine)])
    return path


def test_a_kit_installs_itself(kit: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-E", kit, "--root", tmp_path / "root", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"action": "installed", "version": "0.7.0", "before": ""}
    program = tmp_path / "root/opt/earmark/current/bin/earmark"
    assert subprocess.run([program, "x"], capture_output=True, text=True, check=True).stdout == "earmark 0.7.0\n"


def test_the_same_content_makes_the_same_kit(kit: Path, tmp_path: Path) -> None:
    small = tmp_path / "earmark-0.7.0-py3-none-any.whl"
    again = tmp_path / "again.pyz"
    kits.pack(again, {f"wheels/{small.name}": small}, "0.7.0", [(HERE.version, HERE.machine)])
    assert again.read_bytes() == kit.read_bytes()


def rewritten(kit: Path, change: dict[str, bytes]) -> Path:
    """The kit with other or more members."""
    path = kit.with_name("other.pyz")
    with zipfile.ZipFile(kit) as old, zipfile.ZipFile(path, "w") as new:
        members = {name: old.read(name) for name in old.namelist()} | change
        for name, content in members.items():
            new.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"wheels/earmark-0.7.0-py3-none-any.whl": b"PK"}, "not the file that was put into it"),
        ({"wheels/numpy-9-py3-none-any.whl": b"PK"}, "nobody put into it"),
        ({"kit.json": b"{}"}, "cannot be read"),
        ({"kit.json": b'{"schema": 2, "files": {}, "targets": []}'}, "another form"),
        ({"kit.json": b'{"schema": 1, "files": {"../../etc/passwd": ""}, "targets": []}'}, "not the file"),
    ],
)
def test_a_damaged_kit_is_refused(kit: Path, tmp_path: Path, change: dict[str, bytes], said: str) -> None:
    with pytest.raises(InstallFault, match=said):
        open_source(str(rewritten(kit, change)), tmp_path / "work", HERE)


def test_a_truncated_kit_is_refused(kit: Path, tmp_path: Path) -> None:
    whole = kit.read_bytes()
    for length in (len(whole) - 100, len(whole) // 2):
        kit.write_bytes(whole[:length])
        with pytest.raises(InstallFault):
            open_source(str(kit), tmp_path / "work", HERE)
    done = subprocess.run([sys.executable, kit], capture_output=True, text=True, check=False)
    assert (done.returncode, "this-kit-was-cut-off-so-copy-it-again" in done.stderr) == (1, True), done.stderr


def test_a_kit_for_another_system_says_so(kit: Path, tmp_path: Path) -> None:
    with pytest.raises(InstallFault, match=r"this is Python 3\.99 on aarch64"):
        open_source(str(kit), tmp_path / "work", Platform((3, 99), True, "aarch64"))


def test_what_a_kit_holds_is_chosen_for_the_pi_and_not_for_the_machine_that_makes_it(tmp_path: Path) -> None:
    path = tmp_path / "earmark-1.0-py3-none-any.whl"
    lines = (
        (ROOT / "setup.cfg").read_text(encoding="utf-8").split("install_requires =")[1].split("[", 1)[0].splitlines()
    )
    needs = "".join(f"Requires-Dist: {line.strip()}\n" for line in lines if line.strip())
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("earmark-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: earmark\n{needs}")
    names = {
        key: {text.split("=")[0].split("<")[0].split(">")[0] for text in kits.requirements(path, *key)}
        for key in (("3.11", "aarch64"), ("3.13", "aarch64"), ("3.11", "x86_64"))
    }
    assert "tflite-runtime" in names["3.11", "aarch64"]
    assert "ai-edge-litert" not in names["3.11", "aarch64"]
    assert "ai-edge-litert" in names["3.13", "aarch64"] & names["3.11", "x86_64"]


def test_the_installer_needs_nothing_but_pythons_standard_library() -> None:
    for path in sorted((ROOT / "deploy" / "install").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.split(".")[0] in sys.stdlib_module_names or name.startswith("deploy.install"), (path, name)
