"""The public sets that Earmark knows: what each is for, its licence and what follows from it, and where it is.

Takes a name; gives ``DataSet``. Must hold: a checksum or a size stands here only where it was published; where none
was, the first download's is noted beside the archive and holds from then on (``locks``). Nothing here is legal advice;
the home page of a set decides.

LibriSpeech: MD5 sums of openslr.org/resources/12/md5sum.txt, sizes as TensorFlow Datasets records them. RAVDESS: MD5
sum and size of the Zenodo record. Speech Commands: SHA-256 sum and size as TensorFlow Datasets records them. TESS: MD5
sum that PaddleSpeech publishes with its mirror.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final
from urllib.parse import unquote, urlsplit

from edge.errors import UsageError


@dataclass(frozen=True, slots=True)
class Archive:
    """A file to fetch. ``part``: what people call it. ``size``: bytes, 0 where unknown. ``checksum``: ``md5:...`` or
    ``sha256:...``, "" where none was published.
    """

    part: str
    url: str
    size: int = 0
    checksum: str = ""

    @property
    def file(self) -> str:
        """Its name on the disk."""
        return unquote(urlsplit(self.url).path.rsplit("/", 1)[-1])


@dataclass(frozen=True, slots=True)
class DataSet:
    """A set. ``name``: as commands take it. ``purpose``: what it is good for here. ``people``: how many speak, 0 where
    that changes. ``licence``: its short name. ``consequence``: what follows for whoever trains on it. ``by_hand``: how
    to get it where a program can't, or what else is to be known.
    """

    name: str
    title: str
    purpose: str
    people: int
    languages: str
    licence: str
    consequence: str
    home: str
    archives: tuple[Archive, ...] = ()
    by_hand: str = ""


_ATTRIBUTE: Final = "Models may be shipped, also commercially; name the set."
_NOT_COMMERCIAL: Final = (
    "What is trained on it goes into a bundle of its own that is marked non-commercial and under the same licence, "
    "never into the default one."
)
_OPENSLR: Final = "https://www.openslr.org/resources/12"

_LIBRISPEECH: Final = tuple(
    Archive(part, f"{_OPENSLR}/{part}.tar.gz", size, f"md5:{digest}")
    for part, size, digest in (
        ("dev-clean", 337926286, "42e2234ba48799c1f50f24a7926300a1"),
        ("dev-other", 314305928, "c8d0bcc9cca99d4f8b62fcc847357931"),
        ("test-clean", 346663984, "32fa31d27d2e1cad72775fee3f4849a9"),
        ("test-other", 328757843, "fb5a50374b501bb3bac4815ee91d3135"),
        ("train-clean-100", 6387309499, "2a93770f6d5c6c964bc36631d331a522"),
        ("train-clean-360", 23049477885, "c0e676e450a7ff2f54aeade5171606fa"),
        ("train-other-500", 30593501606, "d1a0fd59409feb2c614ce4d30c387708"),
    )
)

SETS: Final = (
    DataSet(
        "librispeech", "LibriSpeech", "speakers, gender", 2484, "en", "CC-BY-4.0", _ATTRIBUTE,
        "https://www.openslr.org/12", _LIBRISPEECH,
    ),
    DataSet(
        "librivox", "LibriVox audiobooks", "speakers (closed set), long recordings", 0, "many", "Public-Domain",
        "The recordings are in the public domain in the USA; elsewhere the text itself may still be protected.",
        "https://librivox.org", (),
        "Take the zip of each book from archive.org with --url, and put each reader's books into a folder of the "
        "reader's name.",
    ),
    DataSet(
        "voxceleb1", "VoxCeleb 1", "speakers, gender", 1251, "many", "VoxCeleb-terms",
        "Published terms disagree, the sound stays with those who uploaded it, and nobody in it was asked: no shipped "
        "bundle may depend on it.",
        "https://mm.kaist.ac.kr/datasets/voxceleb/", (),
        "Ask there for access, join the parts (cat vox1_dev* > vox1_dev_wav.zip), unpack, and put vox1_meta.csv beside "
        "the folder wav.",
    ),
    DataSet(
        "voxceleb2", "VoxCeleb 2", "speakers, gender", 6112, "many", "VoxCeleb-terms",
        "Published terms disagree, the sound stays with those who uploaded it, and nobody in it was asked: no shipped "
        "bundle may depend on it.",
        "https://mm.kaist.ac.kr/datasets/voxceleb/", (),
        "Ask there for access, join the parts (cat vox2_dev_aac* > vox2_aac.zip), unpack, and put vox2_meta.csv beside "
        "the folder dev. Its M4A files need ffmpeg.",
    ),
    DataSet(
        "commonvoice", "Common Voice", "gender, many voices and languages", 0, "many", "CC0-1.0",
        "Models may be shipped. Whoever downloads it promises not to find out who the people are; labels are noisy.",
        "https://commonvoice.mozilla.org/datasets", (),
        "Choose a language there, agree to the terms, and unpack the archive.",
    ),
    DataSet(
        "ravdess", "RAVDESS (speech)", "emotion, gender", 24, "en", "CC-BY-NC-SA-4.0", _NOT_COMMERCIAL,
        "https://zenodo.org/records/1188976",
        (
            Archive(
                "speech", "https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip", 208468073,
                "md5:bc696df654c87fed845eb13823edef8a",
            ),
        ),
    ),
    DataSet(
        "cremad", "CREMA-D", "emotion, gender", 91, "en", "ODbL-1.0",
        "Models may be shipped with the set named; a database made of it has to be given under the same licence.",
        "https://github.com/CheyneyComputerScience/CREMA-D", (),
        "Its sound lies in Git LFS, which archives of the repository leave out: "
        "git lfs clone https://github.com/CheyneyComputerScience/CREMA-D.git",
    ),
    DataSet(
        "tess", "TESS", "emotion", 2, "en", "CC-BY-NC-ND-4.0",
        "Not commercial. Whether a model is an adaptation, which this licence forbids to give away, is disputed: keep "
        "what is trained on it to yourself, or use it to test.",
        "https://doi.org/10.5683/SP2/E8H2MF",
        (
            Archive(
                "speech", "https://bj.bcebos.com/paddleaudio/datasets/TESS_Toronto_emotional_speech_set.zip", 0,
                "md5:1465311b24d1de704c4c63e4ccc470c7",
            ),
        ),
        "The archive is a mirror of PaddleSpeech; the home page has the original.",
    ),
    DataSet(
        "savee", "SAVEE", "emotion", 4, "en", "SAVEE-research-only",
        "For research only: nothing trained on it may be shipped.",
        "http://kahlan.eps.surrey.ac.uk/savee/Download.html", (),
        "Register there and unpack AudioData.zip.",
    ),
    DataSet(
        "emodb", "EmoDB", "emotion, gender", 10, "de", "EmoDB-terms",
        "Free to use, but the copies in circulation state different licences: to test, and in the bundle of its own "
        "that holds what RAVDESS trained.",
        "http://emodb.bilderbar.info",
        (Archive("speech", "http://emodb.bilderbar.info/download/download.zip"),),
    ),
    DataSet(
        "fsdd", "Free Spoken Digit Dataset", "digits", 6, "en", "CC-BY-SA-4.0",
        "Models may be shipped with the set named; what is an adaptation of it has to be under the same licence.",
        "https://github.com/Jakobovski/free-spoken-digit-dataset",
        (Archive("speech", "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/v1.0.10.zip"),),
    ),
    DataSet(
        "audiomnist", "AudioMNIST", "digits, gender", 60, "en", "MIT",
        "Models may be shipped; keep the notice.",
        "https://github.com/soerenab/AudioMNIST",
        (Archive("speech", "https://github.com/soerenab/AudioMNIST/archive/master.zip"),),
    ),
    DataSet(
        "speechcommands", "Speech Commands 2", "words, many voices", 2618, "en", "CC-BY-4.0", _ATTRIBUTE,
        "https://arxiv.org/abs/1804.03209",
        (
            Archive(
                "speech", "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
                2428923189, "sha256:af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
            ),
        ),
    ),
)  # fmt: skip
"""All of them, in the order of ``earmark data list``."""


def set_named(name: str) -> DataSet:
    """The set of that name. Raises ``UsageError`` that names the nearest, or all."""
    known = {one.name: one for one in SETS}
    if name.lower() in known:
        return known[name.lower()]
    near = get_close_matches(name.lower(), known, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(known)}."
    raise UsageError(f"There is no set {name!r}", hint)


def facts_of(name: str) -> tuple[str, str]:
    """Licence and home page of a set, both "" for a name that is not of the catalogue."""
    return next(((one.licence, one.home) for one in SETS if one.name == name), ("", ""))


def parts_of(dataset: DataSet, names: Iterable[str]) -> tuple[Archive, ...]:
    """The archives that ``names`` choose, ``all`` among them; the only one where nothing is chosen.

    Raises ``UsageError``.
    """
    chosen = list(names)
    known = {one.part: one for one in dataset.archives}
    sizes = ", ".join(f"{one.part} ({readable(one.size)})" for one in dataset.archives)
    if "all" in chosen or (not chosen and len(known) == 1):
        return dataset.archives
    if not chosen:
        raise UsageError(f"{dataset.title} comes in parts", f"Choose with --part: {sizes}, or all.")
    for name in chosen:
        if name not in known:
            raise UsageError(f"{dataset.title} has no part {name!r}", f"It has {sizes or 'none'}.")
    return tuple(known[name] for name in dict.fromkeys(chosen))


def readable(size: float) -> str:
    """Bytes for people: 338 MB."""
    if not size:
        return "size unknown"
    for unit in ("bytes", "kB", "MB"):
        if size < 999.5:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
