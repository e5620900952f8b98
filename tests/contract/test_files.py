"""What no file of the project may be or hold."""

import re
import socket
from pathlib import Path

import pytest

from tests.contract.tree import ROOMS, ROOT, texts, tracked

LONGEST = 400
LARGEST_BYTES = 12_000_000


def test_no_file_of_code_has_grown_out_of_its_room() -> None:
    long = {
        path: lines
        for path, text in texts().items()
        if path.endswith((".py", ".sh", "Makefile")) and (lines := text.count("\n")) >= LONGEST
    }
    assert not long


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        path
        for path, text in texts().items()
        if path.endswith(".py") and path.split("/")[0] in ROOMS and text.strip() and not text.startswith(('"""', "#!"))
    ]
    assert not silent


# Put together from parts, so that this file is no hit itself.
UNFINISHED = re.compile(
    "|".join(("TO" + "DO", "FIX" + "ME", "raise NotImplemented" + "Error", r"mark\.(sk" + "ip|xf" + r"ail)\b"))
)


def test_nothing_is_left_unfinished_or_switched_off() -> None:
    found = [
        f"{path}:{number}: {line.strip()}"
        for path, text in texts().items()
        if path.endswith((".py", ".cfg", ".toml", "Makefile"))
        for number, line in enumerate(text.splitlines(), start=1)
        if UNFINISHED.search(line)
    ]
    assert not found


def of_this_machine() -> list[str]:
    """What would be found only here: the checkout, the home folder, the host's name."""
    words = [f"{ROOT}", f"{Path.home()}/", socket.gethostname()]
    return [word for word in words if len(word) > 5 and word not in {"localhost"}]


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    personal = re.compile(r"/(?:home|Users)/(?!pi/|me/)\w+/")
    found = [
        f"{path}:{number}: {line.strip()[:100]}"
        for path, text in texts().items()
        for number, line in enumerate(text.splitlines(), start=1)
        if personal.search(line) or any(word in line for word in of_this_machine())
    ]
    assert not found


def test_no_module_of_the_edge_hides_one_of_the_standard_library() -> None:
    """``records`` is not called ``types``: a script started inside the folder would import it instead."""
    import sys

    names = {path.stem for path in (ROOT / "edge").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert not names & set(sys.stdlib_module_names)


def test_only_models_and_recordings_are_large() -> None:
    large = [path for path in tracked() if (ROOT / path).stat().st_size > LARGEST_BYTES]
    assert not large
    heavy = [path for path in tracked() if (ROOT / path).stat().st_size > 1_000_000]
    assert all(path.startswith(("edge/bundles/", "edge/demo/assets/")) for path in heavy), heavy


@pytest.mark.parametrize("path", [path for path in ("README.md", "CONTRIBUTING.md", "docs") if (ROOT / path).exists()])
def test_links_in_documents_lead_somewhere(path: str) -> None:
    place = ROOT / path
    broken = []
    for document in [place] if place.is_file() else sorted(place.rglob("*.md")):
        for target, heading in re.findall(
            r"\]\(([^)#\s]*)(?:#([^)\s]+))?[^)]*\)", document.read_text(encoding="utf-8")
        ):
            there = document.parent / target if target else document
            if "://" not in target and not (there.exists() and (not heading or heading in headings(there))):
                broken.append(f"{document.relative_to(ROOT)}: {target}#{heading}")
    assert not broken


def headings(document: Path) -> set[str]:
    """What a link to a heading of the document says."""
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {
        re.sub(r"[^\w\- ]", "", one).lower().replace(" ", "-") for one in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }


def test_what_contributors_are_told_to_look_at_is_there() -> None:
    named = re.findall(r"`((?:deploy|edge|tests|training)/[\w/.]*)`", (ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    assert named
    assert not [path for path in named if not (ROOT / path).exists()]
