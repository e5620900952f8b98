"""Spoken digits and words: FSDD, AudioMNIST and Speech Commands.

Takes a folder; gives ``Labelled`` files. Must hold: people of Speech Commands keep the split that the set's own lists
give them; tables are read as data, never run.

FSDD: Jakobovski et al., github.com/Jakobovski/free-spoken-digit-dataset. AudioMNIST: Becker et al., "AudioMNIST:
exploring explainable artificial intelligence for audio analysis", 2018. Speech Commands: P. Warden, "Speech Commands: a
dataset for limited-vocabulary speech recognition", 2018.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from training.data.shards import SetAside
from training.datasets.layout import Found, Labelled, Layout, beside, by_name, gender_of, looks_like

_FSDD: Final = re.compile(r"\d_([A-Za-z]\w*)_\d+\.\w+")
_FSDD_TABLE: Final = "metadata.py"

_AUDIOMNIST: Final = re.compile(r"\d_(\d\d)_\d+\.\w+")
_AUDIOMNIST_TABLE: Final = "audioMNIST_meta.txt"

_COMMAND: Final = re.compile(r"([0-9a-f]{8})_nohash_\d+\.\w+")
_BACKGROUND: Final = "_background_noise_"
_LISTS: Final = {"testing_list.txt": "test", "validation_list.txt": "dev"}


def _fsdd(root: Path) -> Iterator[Found]:
    where = beside(root, _FSDD_TABLE, up=1)
    genders = _literal(where) if where else {}
    if not genders:
        yield SetAside(_FSDD_TABLE, "missing: without it nobody's gender is known")

    def parse(path: str) -> Labelled | None:
        code = _FSDD.fullmatch(PurePosixPath(path).name)
        return Labelled(path, code[1], genders.get(code[1], ""), language="en") if code else None

    yield from by_name(root, parse, title="FSDD")


def _literal(path: Path) -> dict[str, str]:
    """Genders from the dictionary that a Python file assigns, without running it."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found = next(ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign))
        return {str(name): gender_of(str(facts["gender"])) for name, facts in found.items()}
    except (OSError, ValueError, SyntaxError, StopIteration, AttributeError, KeyError, TypeError):
        return {}


def _audiomnist(root: Path) -> Iterator[Found]:
    where = beside(root / "data", _AUDIOMNIST_TABLE, up=2)
    genders: dict[str, str] = {}
    try:
        facts = json.loads(where.read_text(encoding="utf-8")) if where else {}
        genders = {speaker: gender_of(str(one["gender"])) for speaker, one in facts.items()}
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        where = None
    if not where:
        yield SetAside(_AUDIOMNIST_TABLE, "missing or unreadable: without it nobody's gender is known")

    def parse(path: str) -> Labelled | None:
        code = _AUDIOMNIST.fullmatch(PurePosixPath(path).name)
        return Labelled(path, code[1], genders.get(code[1], ""), language="en") if code else None

    yield from by_name(root, parse, title="AudioMNIST")


def _commands(root: Path) -> Iterator[Found]:
    split: dict[str, str] = {}
    for name, word in _LISTS.items():
        try:
            lines = (root / name).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            yield SetAside(name, f"missing or unreadable: its clips count as train, not as {word}")
            continue
        for line in lines:
            code = _COMMAND.fullmatch(PurePosixPath(line.strip()).name)
            if code:  # by person: whoever is in a list stays out of training with all words
                split.setdefault(code[1], word)

    def parse(path: str) -> Labelled | None:
        place = PurePosixPath(path)
        if _BACKGROUND in place.parts:
            return Labelled(path, "", split="noise")
        code = _COMMAND.fullmatch(place.name)
        return Labelled(path, code[1], language="en", split=split.get(code[1], "train")) if code else None

    yield from by_name(root, parse, title="Speech Commands")


WORDS: Final = (
    Layout(
        "fsdd",
        "recordings/7_jackson_32.wav, metadata.py",
        lambda root: looks_like(root, ("recordings", "."), _FSDD),
        _fsdd,
    ),
    Layout(
        "audiomnist",
        "data/01/0_01_0.wav, data/audioMNIST_meta.txt",
        lambda root: looks_like(root, ("data/[0-9][0-9]", "[0-9][0-9]"), _AUDIOMNIST),
        _audiomnist,
    ),
    Layout(
        "speechcommands",
        "happy/0a7c2a8d_nohash_0.wav, testing_list.txt, validation_list.txt",
        lambda root: looks_like(root, ("[a-z]*",), _COMMAND),
        _commands,
        splits=True,
    ),
)
"""The layouts."""
