"""What the documents tell people to type exists."""

import re
from pathlib import Path

import pytest

from edge.cli import registry
from tests.contract.tree import ROOT, configuration

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
MAKE_WORDS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def commands() -> set[str]:
    """The names that ``earmark`` knows, installed or not."""
    outside = configuration()["options.entry_points"]["earmark.commands"].strip().splitlines()
    return {command.name for command in registry.BUILT_IN} | {line.split("=")[0].strip() for line in outside} | {"help"}


def code(document: Path) -> str:
    """Indented and fenced blocks, and what stands between backticks."""
    text = document.read_text(encoding="utf-8")
    fenced = re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^ {4,}\S.*$", text, re.MULTILINE)
    return "\n".join([*fenced, *indented, *re.findall(r"`([^`\n]+)`", text)])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_in_a_document_exists(document: Path) -> None:
    named = set(re.findall(r"(?:^|[\s/(])earmark ([a-z][a-z-]*)(?![\w-]*[=:/])", code(document), re.MULTILINE))
    assert named <= commands(), sorted(named - commands())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_word_of_make_in_a_document_exists(document: Path) -> None:
    named = set(re.findall(r"(?:^|\s)make ([a-z]+)\b", code(document), re.MULTILINE))
    assert named <= MAKE_WORDS, sorted(named - MAKE_WORDS)


def test_every_command_is_documented() -> None:
    text = "\n".join(document.read_text(encoding="utf-8") for document in DOCUMENTS if "adr" not in document.parts)
    assert not {name for name in commands() - {"help"} if f"earmark {name}" not in text}


def test_every_built_in_command_has_a_module() -> None:
    assert not [command.name for command in registry.BUILT_IN if not command.exists()]


def test_make_alone_lists_its_words() -> None:
    import subprocess

    listed = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for word in ("demo", "test", "check", "bench", "clean"):
        assert re.search(rf"^make {word} +\S", listed, re.MULTILINE), listed
