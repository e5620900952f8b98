"""Bundles and packs of label heads, as folders and as files, with every file in them damaged or made up."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import struct
import zipfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

from edge.bundle import analyses, open_bundle, open_pack, pack, parse_card, parse_pack, read_card
from edge.bundle.files import load_npy, load_npz
from edge.runtime import Network
from edge.runtime.interpreters import installed
from edge.scoring import Calibration, Scorer
from edge.settings import Models, Privacy
from tests.edge import small_bundles
from tests.edge.cli.voice_bundle import CALIBRATION
from tests.edge.made_labels import make_pack
from tests.edge.small_bundles import CHANNELS, GOLDEN, sound
from tests.fuzz.mutate import mutate_json
from tests.fuzz.target import Target, command, only_earmark_errors


@cache
def bundles() -> Path:
    """A folder with a bundle with a network, one without, and a pack for the first; made once in a process."""
    place = Path(mkdtemp(prefix="earmark-fuzz-seeds-"))
    small_bundles.make(place / "small", calibration=CALIBRATION, space=f"made-{small_bundles.DIM}/1")
    small_bundles.make(place / "stats", "statistics", name="stats", calibration=CALIBRATION)
    make_pack(place / "made-up", place / "small", 2 * CHANNELS)
    for name in ("small", "stats", "made-up"):
        pack(place / name, place / f"{name}.earmark")
    return place


def use(path: Path, packs: Sequence[Path] = ()) -> None:
    """Everything that the daemon does with a bundle, once."""
    with only_earmark_errors():
        read_card(path)
    with only_earmark_errors():
        bundle = open_bundle(path, Models(packs=tuple(map(str, packs))))
        scorer = Scorer(Calibration.from_json(bundle.calibration), bundle.cohort)
        analyses(bundle, Privacy(gender=True, emotion=True, labels_acknowledged=True))
        embedding = bundle.analyse(sound(1.2))
        scorer.score(embedding, [], speech_seconds=1.0, snr_db=20.0)
        for far in (0.01, 0.003, 0.001):
            scorer.calibration.threshold(far)
        json.dumps([bundle.gender(sound(0.7)), bundle.emotion(sound(0.7))])


def with_file(of: Path, name: str, data: bytes, place: Path) -> Path:
    """A copy of a bundle in which one file is another, as its card says."""
    folder = Path(shutil.copytree(of, place / of.name))
    (folder / name).write_bytes(data)
    card: dict[str, Any] = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    card["files"][name] = hashlib.sha256(data).hexdigest()
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    return folder


def _cards(_: Path) -> list[bytes]:
    return [(bundles() / name / "card.json").read_bytes() for name in ("small", "stats", "made-up")]


def _card(data: bytes, place: Path) -> None:
    for parse in (parse_card, parse_pack):
        with only_earmark_errors():
            parse(data)
    for name in ("small", "stats"):
        folder = Path(shutil.copytree(bundles() / name, place / name))
        (folder / "card.json").write_bytes(data)
        use(folder)
    folder = Path(shutil.copytree(bundles() / "made-up", place / "made-up"))
    (folder / "card.json").write_bytes(data)
    with only_earmark_errors():
        open_pack(folder)
    use(bundles() / "small", [folder])


def _zips(_: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(bundles().glob("*.earmark"))] + _bombs()


def _bombs() -> list[bytes]:
    """Files of a few kilobytes that would unpack to gigabytes, lie about it, or lead out of the bundle."""
    card = (bundles() / "small" / "card.json").read_bytes()
    found = []
    for names, size in ((("encoder.int8.tflite",), 300 << 20), (("head.npz", "cohort.npy"), 60 << 20)):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            archive.writestr("card.json", card)
            for name in names:
                archive.writestr(name, bytes(size))
        found.append(file.getvalue())
        small = struct.pack("<I", size)
        found.append(file.getvalue().replace(small, struct.pack("<I", 100)))  # the sizes are lies
    odd = io.BytesIO()
    with zipfile.ZipFile(odd, "w") as archive:
        archive.writestr("card.json", card)
        archive.writestr("../../outside", b"x")
        link = zipfile.ZipInfo("head.npz")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return [*found, odd.getvalue()]


def _zip(data: bytes, place: Path) -> None:
    path = place / "b.earmark"
    path.write_bytes(data)
    use(path)
    with only_earmark_errors():
        open_pack(path)


def _models(_: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(GOLDEN.glob("*.int8.tflite"))]


def _model(data: bytes, _: Path) -> None:
    for engine in installed():
        with only_earmark_errors():
            network = Network(data, prefer=engine.kind, doubt=True)
            network(np.zeros(network.input_shape, np.float32))


def _model_in_bundle(data: bytes, place: Path) -> None:
    use(with_file(bundles() / "small", "encoder.int8.tflite", data, place))


def _arrays(_: Path) -> list[bytes]:
    found = [(bundles() / "small" / "head.npz").read_bytes()]
    found += [path.read_bytes() for path in sorted((bundles() / "made-up").glob("*.npz"))]
    stored = io.BytesIO()  # not deflated, so that what is changed is seen by the reader of arrays
    with zipfile.ZipFile(stored, "w") as archive, zipfile.ZipFile(io.BytesIO(found[0])) as other:
        for info in other.infolist():
            archive.writestr(info.filename, other.read(info))
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("kernel.npy", _header("(60000, 60000)"))
        archive.writestr("bias.npy", bytes(60 << 20))
    return [*found, stored.getvalue(), bomb.getvalue()]


def _header(shape: str, kind: str = "<f4") -> bytes:
    """The head of an .npy file that promises this much."""
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def _array(data: bytes, place: Path) -> None:
    with only_earmark_errors():
        load_npz(data, "head.npz")
    use(with_file(bundles() / "small", "head.npz", data, place))
    heads = next((bundles() / "made-up").glob("*.npz")).name
    with only_earmark_errors():
        open_pack(with_file(bundles() / "made-up", heads, data, place))


def _npys(_: Path) -> list[bytes]:
    shapes = (
        "(1000000000000, 24)",
        "(-1, 24)",
        "(2147483648, 2147483648)",
        "(0, 24)",
        "()",
        f"({'1, ' * 40})",
        "(True, 24)",
    )
    found = [_header(shape) for shape in shapes] + [
        _header("(5, 24)", kind) for kind in ("|O", "<f8", "<U9999999", ">f4")
    ]
    return [(bundles() / "small" / "cohort.npy").read_bytes(), *found]


def _npy(data: bytes, place: Path) -> None:
    with only_earmark_errors():
        load_npy(data, "cohort.npy")
    use(with_file(bundles() / "small", "cohort.npy", data, place))


def _by_command(data: bytes, place: Path) -> None:
    """A bundle's card, as the commands and the doctor see it."""
    home = {"EARMARK_STATE": str(place / "state"), "HOME": str(place), "EARMARK_BUNDLES": str(place)}
    folder = Path(shutil.copytree(bundles() / "stats", place / "stats"))
    (folder / "card.json").write_bytes(data)
    clip = shutil.copy(clip_file(), place / "clip.wav")
    command("identify", clip, "--bundle", "stats", environ=home)
    command("doctor", "--only", "models", "--json", "--bundle", folder, environ=home)


@cache
def clip_file() -> Path:
    """A recording of a made-up voice; made once in a process."""
    import soundfile

    path = bundles() / "clip.wav"
    soundfile.write(path, sound(2.5), 16_000)
    return path


TARGETS = (
    Target("card", _cards, _card, mutate_json),
    Target("card-bytes", _cards, _card),
    Target("bundle-file", _zips, _zip),
    Target("network", _models, _model),
    Target("network-in-bundle", _models, _model_in_bundle),
    Target("arrays", _arrays, _array),
    Target("cohort", _npys, _npy),
    Target("bundle-command", _cards, _by_command, mutate_json, cost=6),
)
