"""Acted emotions: RAVDESS, CREMA-D, TESS, SAVEE and EmoDB, whose file names are codes.

Takes a folder; gives ``Labelled`` files. Emotions are told in one set of words: neutral, calm, happy, sad, angry, fear,
disgust, surprise, boredom. Must hold: a name that is not of the code is set aside, never guessed at.

The codes are those of the sets' own descriptions: RAVDESS (Livingstone and Russo, PLOS ONE 13(5), 2018), CREMA-D (Cao
et al., IEEE Transactions on Affective Computing 5(4), 2014), TESS (Pichora-Fuller and Dupuis, 2020), SAVEE (Jackson
and Haq, University of Surrey), EmoDB (Burkhardt et al., Interspeech 2005).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from training.data.shards import SetAside
from training.datasets.layout import Found, Labelled, Layout, beside, by_name, gender_of, looks_like, table

_RAVDESS: Final = re.compile(r"(\d\d)-(\d\d)-(\d\d)-\d\d-\d\d-\d\d-(\d\d)\.\w+")
_RAVDESS_EMOTIONS: Final = dict(
    zip(
        ("01", "02", "03", "04", "05", "06", "07", "08"),
        ("neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise"),
        strict=True,
    )
)
_SONG: Final = "02"

_CREMAD: Final = re.compile(r"(\d{4})_[A-Z]{3}_([A-Z]{3})_[A-Z]{1,2}\.\w+")
_CREMAD_EMOTIONS: Final = {
    "ANG": "angry", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad",
}  # fmt: skip
_DEMOGRAPHICS: Final = "VideoDemographics.csv"

_TESS: Final = re.compile(r"(OA|YA)F?_.+_(angry|disgust|fear|happy|neutral|ps|sad)\.\w+", re.IGNORECASE)

_SAVEE: Final = re.compile(r"(?:(DC|JE|JK|KL)_)?(sa|su|[adfhn])(\d\d)\.\w+")
_SAVEE_PEOPLE: Final = ("DC", "JE", "JK", "KL")
_SAVEE_EMOTIONS: Final = {
    "a": "angry", "d": "disgust", "f": "fear", "h": "happy", "n": "neutral", "sa": "sad", "su": "surprise",
}  # fmt: skip

_EMODB: Final = re.compile(r"(\d\d)[ab]\d\d([WLEAFTN])[a-z]?\.\w+")
_EMODB_EMOTIONS: Final = {
    "W": "angry", "L": "boredom", "E": "disgust", "A": "fear", "F": "happy", "T": "sad", "N": "neutral",
}  # fmt: skip
_EMODB_GENDERS: Final = {
    "03": "m", "08": "f", "09": "f", "10": "m", "11": "m", "12": "m", "13": "f", "14": "f", "15": "m", "16": "f",
}  # fmt: skip


def _ravdess(root: Path) -> Iterator[Found]:
    def parse(path: str) -> Labelled | None:
        code = _RAVDESS.fullmatch(PurePosixPath(path).name)
        emotion = _RAVDESS_EMOTIONS.get(code[3]) if code else None
        if not code or not emotion:
            return None
        return Labelled(path, code[4], "m" if int(code[4]) % 2 else "f", emotion, "en")

    for found in by_name(root, parse, title="RAVDESS", twice=False):
        code = _RAVDESS.fullmatch(PurePosixPath(found.path).name)
        if isinstance(found, Labelled) and code and code[2] == _SONG:
            yield SetAside(found.path, "not labelled: sung, not spoken")
        else:
            yield found


def _cremad(root: Path) -> Iterator[Found]:
    where = beside(root, _DEMOGRAPHICS, up=1)
    genders = {row.get("ActorID", ""): gender_of(row.get("Sex", "")) for row in table(where)} if where else {}
    if not where:
        yield SetAside(_DEMOGRAPHICS, "missing: without it nobody's gender is known")

    def parse(path: str) -> Labelled | None:
        code = _CREMAD.fullmatch(PurePosixPath(path).name)
        emotion = _CREMAD_EMOTIONS.get(code[2]) if code else None
        return Labelled(path, code[1], genders.get(code[1], ""), emotion, "en") if code and emotion else None

    # The same clips are given out three times: as WAV, as MP3 and as video. One is enough, the first is the best.
    under = next((name for name in ("AudioWAV", "AudioMP3") if (root / name).is_dir()), "")
    yield from by_name(root, parse, title="CREMA-D", under=under)


def _tess(root: Path) -> Iterator[Found]:
    def parse(path: str) -> Labelled | None:
        code = _TESS.fullmatch(PurePosixPath(path).name)
        if not code:
            return None
        emotion = {"ps": "surprise"}.get(code[2].lower(), code[2].lower())
        return Labelled(path, code[1].upper() + "F", "f", emotion, "en")

    yield from by_name(root, parse, title="TESS", twice=False)


def _savee(root: Path) -> Iterator[Found]:
    def parse(path: str) -> Labelled | None:
        code = _SAVEE.fullmatch(PurePosixPath(path).name)
        speaker = (code[1] or PurePosixPath(path).parent.name) if code else ""
        if not code or speaker not in _SAVEE_PEOPLE:
            return None
        return Labelled(path, speaker, "m", _SAVEE_EMOTIONS[code[2]], "en")

    yield from by_name(root, parse, title="SAVEE")


def _emodb(root: Path) -> Iterator[Found]:
    def parse(path: str) -> Labelled | None:
        code = _EMODB.fullmatch(PurePosixPath(path).name)
        if not code or code[1] not in _EMODB_GENDERS:
            return None
        return Labelled(path, code[1], _EMODB_GENDERS[code[1]], _EMODB_EMOTIONS[code[2]], "de")

    yield from by_name(root, parse, title="EmoDB", twice=False)


ACTED: Final = (
    Layout(
        "ravdess",
        "Actor_01/03-01-06-01-02-01-01.wav",
        lambda root: looks_like(root, ("Actor_*", "."), _RAVDESS),
        _ravdess,
    ),
    Layout(
        "cremad",
        "AudioWAV/1001_DFA_ANG_XX.wav, VideoDemographics.csv",
        lambda root: looks_like(root, ("AudioWAV", "AudioMP3", "."), _CREMAD),
        _cremad,
    ),
    Layout(
        "tess",
        "OAF_angry/OAF_back_angry.wav",
        lambda root: looks_like(root, ("OAF_*", "YAF_*", "."), _TESS),
        _tess,
    ),
    Layout(
        "savee",
        "AudioData/DC/a01.wav, or DC_a01.wav",
        lambda root: (
            looks_like(root, (*_SAVEE_PEOPLE, *(f"AudioData/{name}" for name in _SAVEE_PEOPLE)), _SAVEE)
            or looks_like(root, (".",), re.compile(r"(DC|JE|JK|KL)_(sa|su|[adfhn])\d\d\.\w+"))
        ),
        _savee,
    ),
    Layout(
        "emodb",
        "wav/03a01Fa.wav",
        lambda root: looks_like(root, ("wav", "."), _EMODB),
        _emodb,
    ),
)
"""The layouts."""
