"""Many people: LibriSpeech, VoxCeleb 1 and 2, and Common Voice.

Takes a folder; gives ``Labelled`` files with the sets' own splits. Must hold: a person is in one split; genders come
from the sets' tables, and where a table is missing that is told.

LibriSpeech: Panayotov et al., ICASSP 2015, openslr.org/12. VoxCeleb: Nagrani et al., Interspeech 2017; Chung et al.,
Interspeech 2018. Common Voice: Ardila et al., LREC 2020.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from edge.errors import UsageError
from training.data.shards import SetAside
from training.datasets.layout import (
    Found,
    Labelled,
    Layout,
    audio_below,
    beside,
    by_name,
    folders_in,
    gender_of,
    looks_like,
    table,
)  # fmt: skip

_UTTERANCE: Final = re.compile(r"(\d+)[-_]\d+[-_][\d_]+\.\w+")
_SUBSET: Final = re.compile(r"(train|dev|test)-(clean|other)(-\d+)?(-\d+)?")
_SPEAKERS: Final = "SPEAKERS.TXT"

_CELEBRITY: Final = re.compile(r"id(\d{5})")
_VIDEO_CLIP: Final = re.compile(r"\d{5}\.\w+")
_FIRST_OF_VOXCELEB1: Final = 10001
_VOXCELEB1_TEST: Final = range(10270, 10310)
"""The forty people of VoxCeleb 1 whose names begin with E, the test set of verification."""
_VOXCELEB_PLACES: Final = tuple(
    f"{first}{second}".strip("/") or "."
    for first in ("", "dev/", "test/", "vox1_dev_wav/", "vox1_test_wav/", "vox2_dev_aac/", "vox2_test_aac/")
    for second in ("", "wav", "aac", "m4a")
)

_COMMON_VOICE_LISTS: Final = {"train.tsv": "train", "dev.tsv": "dev", "test.tsv": "test", "validated.tsv": ""}
_NOT_VALIDATED: Final = ("other.tsv", "invalidated.tsv")
_CLIENT_DIGITS: Final = 20
"""Of the 128 hex digits that stand for a person; 80 bits do not collide."""


def _librispeech_here(root: Path) -> bool:
    subsets = [folder for folder in folders_in(root) if _SUBSET.fullmatch(folder.name)]
    places = [f"{folder.name}/*/*" for folder in subsets] or ["[0-9]*/[0-9]*"]
    return looks_like(root, places, _UTTERANCE)


def _librispeech(root: Path) -> Iterator[Found]:
    where = beside(root, _SPEAKERS)
    genders: dict[str, str] = {}
    if where:
        for line in where.read_text(encoding="utf-8", errors="replace").splitlines():
            fields = [field.strip() for field in line.split("|")]
            if len(fields) > 1 and not line.startswith(";"):
                genders[fields[0]] = gender_of(fields[1])
    else:
        yield SetAside(_SPEAKERS, "missing: without it nobody's gender is known")

    def parse(path: str) -> Labelled | None:
        place = PurePosixPath(path)
        code = _UTTERANCE.fullmatch(place.name)
        if not code:
            return None
        subset = next((name for name in (*place.parts, root.name) if _SUBSET.fullmatch(name)), "train")
        return Labelled(path, code[1], genders.get(code[1], ""), language="en", split=subset.split("-")[0])

    yield from by_name(root, parse, title="LibriSpeech")


def _voxceleb_here(root: Path) -> bool:
    return looks_like(root, [f"{place}/id[0-9]*/*" for place in _VOXCELEB_PLACES], _VIDEO_CLIP)


def _voxceleb(root: Path) -> Iterator[Found]:
    facts: dict[str, tuple[str, str]] = {}
    for number, name in enumerate(("vox1_meta.csv", "vox2_meta.csv"), start=1):
        if where := beside(root, name):
            facts |= _celebrities(where, f"VoxCeleb{number} ID")
    nameless: dict[str, int] = {}

    def parse(path: str) -> Labelled | None:
        parts = PurePosixPath(path).parts
        code = next((code for part in parts[:-1] if (code := _CELEBRITY.fullmatch(part))), None)
        if not code or not _VIDEO_CLIP.fullmatch(parts[-1]):
            return None
        number = int(code[1])
        name = "voxceleb1" if number >= _FIRST_OF_VOXCELEB1 else "voxceleb2"
        gender, split = facts.get(code[0], ("", ""))
        if code[0] not in facts:
            nameless[name] = nameless.get(name, 0) + 1
            test = number in _VOXCELEB1_TEST or any(part == "test" or "_test_" in part for part in parts)
            split = "test" if test else "train"
        return Labelled(path, code[0], gender, split="test" if split == "test" else "train", set=name)

    yield from by_name(root, parse, title="VoxCeleb")
    for name, count in sorted(nameless.items()):
        meta = f"vox{name[-1]}_meta.csv"
        yield SetAside(meta, f"missing or incomplete: the gender of the people in {count} clips is unknown")


def _celebrities(path: Path, key: str) -> dict[str, tuple[str, str]]:
    """Gender and split by person; one table is separated by tabs, the other by commas with tabs around them."""
    head = path.read_text(encoding="utf-8", errors="replace").splitlines()[:1]
    rows = table(path, "," if head and "," in head[0] else "\t")
    return {row[key]: (gender_of(row.get("Gender", "")), row.get("Set", "")) for row in rows if row.get(key)}


def _common_voice_here(root: Path) -> bool:
    return (root / "clips").is_dir() and any((root / name).is_file() for name in _COMMON_VOICE_LISTS)


def _common_voice(root: Path) -> Iterator[Found]:
    here = {PurePosixPath(path).name: path for path in audio_below(root, "clips")}
    told: set[str] = set()
    split_of: dict[str, str] = {}
    for name, split in _COMMON_VOICE_LISTS.items():
        if not (root / name).is_file():
            continue
        try:
            rows = table(root / name, "\t")
        except UsageError as error:
            yield SetAside(name, error.cause)
            continue
        for row in rows:
            clip, person = row.get("path", ""), row.get("client_id", "")[:_CLIENT_DIGITS]
            clip = clip if clip in here or not clip or PurePosixPath(clip).suffix else f"{clip}.mp3"
            if clip in told:
                continue
            told.add(clip)
            if clip not in here:
                yield SetAside(f"clips/{PurePosixPath(clip).name}" if clip else name, f"missing, but listed in {name}")
                continue
            # A person stays where a list first put them; validated.tsv only adds clips to that.
            place = split_of.setdefault(person, split or "train") if person else split or "train"
            language = row.get("locale") or root.name.split("-")[0]
            yield Labelled(here[clip], person, gender_of(row.get("gender", "")), "", language, place)
    for name in _NOT_VALIDATED:
        if (root / name).is_file():
            clips = {row.get("path", "") for row in table(root / name, "\t")} & here.keys() - told
            told |= clips
            if clips:
                yield SetAside(name, f"not validated by listeners: its {len(clips)} clips are not used")
    for clip in sorted(here.keys() - told):
        yield SetAside(here[clip], "not labelled: no list of the set names it")


PEOPLE: Final = (
    Layout(
        "librispeech",
        "train-clean-100/19/198/19-198-0001.flac, SPEAKERS.TXT",
        _librispeech_here,
        _librispeech,
        splits=True,
    ),
    Layout(
        "voxceleb",
        "dev/aac/id00012/21Uxsk56VDQ/00001.m4a, wav/id10001/1zcIwhmdeo4/00001.wav, vox1_meta.csv, vox2_meta.csv",
        _voxceleb_here,
        _voxceleb,
        splits=True,
    ),
    Layout(
        "commonvoice",
        "clips/common_voice_en_1.mp3, train.tsv, dev.tsv, test.tsv, validated.tsv",
        _common_voice_here,
        _common_voice,
        splits=True,
    ),
)
"""The layouts."""
