"""What somebody gets who installs Earmark."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import edge
from tests.contract.tree import ROOMS, ROOT, configuration, tracked


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from the tracked files in a folder of its own, without asking the network for anything."""
    folder = tmp_path_factory.mktemp("wheel")
    for path in tracked():
        if path.split("/")[0] in ROOMS or "/" not in path:
            target = folder / "source" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, target)
    quietly = ["--disable-pip-version-check", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [sys.executable, "-m", "pip", *quietly, "--wheel-dir", str(folder), str(folder / "source")],
        check=True,
        timeout=200,
    )
    (built,) = folder.glob("earmark-*.whl")
    return zipfile.ZipFile(built)


def contents(wheel: zipfile.ZipFile) -> set[str]:
    return {name for name in wheel.namelist() if ".dist-info/" not in name}


def test_the_wheel_installs_the_four_rooms_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    assert {name.split("/")[0] for name in contents(wheel)} == set(ROOMS)


def test_the_wheel_holds_every_file_of_the_rooms(wheel: zipfile.ZipFile) -> None:
    """Models, schemas, audio and templates as well as code; packs for non-commercial use alone stay outside."""
    expected = {path for path in tracked() if path.split("/")[0] in ROOMS and not path.startswith("deploy/packs/")}
    assert contents(wheel) == expected


def test_the_wheel_carries_licence_and_notice(wheel: zipfile.ZipFile) -> None:
    names = {Path(name).name for name in wheel.namelist() if ".dist-info/" in name}
    assert {"LICENSE", "NOTICE"} <= names


def test_the_wheel_brings_the_command(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt"))
    assert "earmark = edge.cli:main" in wheel.read(name).decode()


def test_there_is_one_version() -> None:
    assert configuration()["metadata"]["version"] == edge.__version__
    newest = re.search(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest
    assert newest[1] == edge.__version__


@pytest.mark.parametrize("extra", ["mic", "demo", "train", "test"])
def test_what_an_error_tells_to_install_exists(extra: str) -> None:
    assert configuration()["options.extras_require"].get(extra)


def test_no_sentence_names_an_extra_that_does_not_exist() -> None:
    known = set(configuration()["options.extras_require"])
    wrong = [
        f"{path}: {found}"
        for path in tracked()
        if path.endswith((".py", ".md"))
        for found in re.findall(r"earmark\[([a-z,]+)\]", (ROOT / path).read_text(encoding="utf-8"))
        if not set(found.split(",")) <= known
    ]
    assert not wrong


@pytest.mark.parametrize(
    "card", sorted((ROOT / "edge" / "bundles").glob("*/card.json")), ids=lambda path: path.parent.name
)
def test_the_notice_names_every_source_of_a_bundle(card: Path) -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    sources = {row["source"] for row in json.loads(card.read_text(encoding="utf-8"))["attribution"]}
    assert not {source for source in sources if source.startswith("http") and source not in notice}
