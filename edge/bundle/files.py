"""The files of a bundle: read from a folder or a zip, within limits, and checked against the card.

Takes: a path. Gives: bytes by name; arrays by name. Also writes: ``seal`` a folder, ``pack`` it.
Must hold: nothing outside of the bundle is ever read; a zip cannot unpack to more than the limits; no pickle is loaded;
every file that the card lists is there and has the hash that the card gives.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from edge.bundle.card import Card, parse_card
from edge.bundle.keys import CARD_NAME, FILE_NAME, parse_object
from edge.bundle.label_card import PACK_KIND, PackCard, parse_pack
from edge.bundle.signature import LARGEST_SIGNATURE_BYTES, SIGNATURE_NAME, check
from edge.errors import BundleError, StorageError
from edge.records import Float32
from edge.whole_file import replace_whole, replacing, unfinished

LARGEST_CARD_BYTES: Final = 1 << 20
LARGEST_FILE_BYTES: Final = 64 << 20
LARGEST_BUNDLE_BYTES: Final = 96 << 20
MOST_FILES: Final = 64

_NPY_MAGIC: Final = b"\x93NUMPY"
_FLOATS: Final = (np.dtype("<f4"), np.dtype("<f2"))
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Others have errors of their own, and promise windows of any size."""
_AGAIN: Final = "Get the bundle again."
_OPEN: Final = 0o666
"""A bundle is no secret: the umask alone says who reads it."""
_Checked = TypeVar("_Checked", Card, PackCard)
_UNPACK_FAULTS: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)


def read_bundle(path: Path, trusted: Collection[str] = ()) -> tuple[Card, dict[str, bytes]]:
    """The card and the verified bytes of every file that it lists.

    ``path``: a folder or a zip. ``trusted``: where there are any, one of these public keys must have signed it. Raises
    ``BundleError`` that names the file at fault.
    """
    return _read(path, parse_card, trusted)


def read_pack(path: Path, trusted: Collection[str] = ()) -> tuple[PackCard, dict[str, bytes]]:
    """As ``read_bundle``, for a pack of label heads."""
    return _read(path, parse_pack, trusted)


def _read(
    path: Path, parse: Callable[[bytes], _Checked], trusted: Collection[str]
) -> tuple[_Checked, dict[str, bytes]]:
    data, signature = card_and_signature(path)
    if trusted:
        check(path, data, signature, trusted)
    card = parse(data)
    try:
        if path.is_dir():
            contents = {name: _read_file(path, name, LARGEST_FILE_BYTES) for name in _limited(card.files)}
        else:
            contents = _unpack_all(path, _open_zip(path)[1], _limited(card.files))
    except OSError as error:
        raise _unreadable(path, error) from error
    for name, digest in card.files.items():
        if hashlib.sha256(contents[name]).hexdigest() != digest:
            raise BundleError(
                f"the file {name} of the bundle {path} is not the one that its card names (SHA-256 differs)",
                "It was changed or damaged. " + _AGAIN,
            )
    return card, contents


def read_card(path: Path) -> Card:
    """The card alone; the files that it lists are not looked at.

    ``path``: a folder or a zip. Raises ``BundleError``.
    """
    return parse_card(_card_bytes(path))


def is_pack(path: Path) -> bool:
    """Whether a pack of label heads lies there, and no bundle; what cannot be read is taken for a bundle."""
    try:
        return parse_object(_card_bytes(path)).get("kind") == PACK_KIND
    except BundleError:
        return False


def card_and_signature(path: Path) -> tuple[bytes, bytes | None]:
    """The bytes of the card and of its signature, None where there is none. Raises ``BundleError``."""
    try:
        if path.is_dir():
            data = _read_file(path, CARD_NAME, LARGEST_CARD_BYTES)
            there = os.path.lexists(path / SIGNATURE_NAME)
            return data, _read_file(path, SIGNATURE_NAME, LARGEST_SIGNATURE_BYTES) if there else None
        data, members = _open_zip(path)
        if SIGNATURE_NAME not in members:
            return data, None
        with zipfile.ZipFile(path) as archive:
            return data, _unpack(archive, members[SIGNATURE_NAME], LARGEST_SIGNATURE_BYTES)
    except OSError as error:
        raise _unreadable(path, error) from error
    except _UNPACK_FAULTS as error:
        raise _no_zip(path, error) from error


def _card_bytes(path: Path) -> bytes:
    try:
        return _read_file(path, CARD_NAME, LARGEST_CARD_BYTES) if path.is_dir() else _open_zip(path)[0]
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> BundleError:
    return BundleError(f"the bundle {path} cannot be read: {error.strerror or type(error).__name__}", _AGAIN)


def _limited(files: Mapping[str, str]) -> Iterable[str]:
    if len(files) > MOST_FILES:
        raise BundleError(f"the bundle lists {len(files)} files, and {MOST_FILES} is the limit", _AGAIN)
    return files


def _read_file(folder: Path, name: str, limit: int) -> bytes:
    path = folder / name
    try:
        # Not following links and not waiting on a pipe: only a plain file in the folder itself will do.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise BundleError(f"the bundle {folder} lacks the file {name}", _AGAIN) from error
    except OSError as error:
        reason = "it is a link" if path.is_symlink() else error.strerror
        raise BundleError(f"the file {name} of the bundle {folder} cannot be read: {reason}", _AGAIN) from error
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BundleError(f"{name} of the bundle {folder} is not a plain file", _AGAIN)
        return _bounded(file, name, limit)


def _bounded(file: Any, name: str, limit: int) -> bytes:
    data: bytes = file.read(limit + 1)
    if len(data) > limit:
        raise BundleError(f"the bundle's file {name} is larger than {limit >> 20} MB", _AGAIN)
    return data


def _open_zip(path: Path) -> tuple[bytes, dict[str, zipfile.ZipInfo]]:
    """The bytes of the card in a zip, and its members by name."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive.infolist(), path)
            if CARD_NAME not in members:
                raise BundleError(f"the bundle {path} lacks the file {CARD_NAME}", _AGAIN)
            return _unpack(archive, members[CARD_NAME], LARGEST_CARD_BYTES), members
    except _UNPACK_FAULTS as error:
        raise _no_zip(path, error) from error


def _unpack_all(path: Path, members: Mapping[str, zipfile.ZipInfo], names: Iterable[str]) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in names:
                if name not in members:
                    raise BundleError(f"the bundle {path} lacks the file {name}", _AGAIN)
                contents[name] = _unpack(archive, members[name], LARGEST_FILE_BYTES)
    except _UNPACK_FAULTS as error:
        raise _no_zip(path, error) from error
    return contents


def _no_zip(path: Path, error: Exception) -> BundleError:
    short = " ".join(str(error).split())[:120]
    return BundleError(f"the bundle {path} is no readable .earmark file: {short}", _AGAIN)


def _members(infos: list[zipfile.ZipInfo], path: Path) -> dict[str, zipfile.ZipInfo]:
    """Members by name, all of them plain files at the top, none twice, not too many and not too large together."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        if not FILE_NAME.fullmatch(info.filename) or stat.S_ISLNK(info.external_attr >> 16):
            raise BundleError(f"the bundle {path} holds {info.filename!r}, which is not a plain file name", _AGAIN)
        if info.filename in members:
            raise BundleError(f"the bundle {path} holds {info.filename} twice", _AGAIN)
        members[info.filename] = info
    if len(members) > MOST_FILES or sum(info.file_size for info in infos) > LARGEST_BUNDLE_BYTES:
        raise BundleError(
            f"the bundle {path} unpacks to more than {MOST_FILES} files or {LARGEST_BUNDLE_BYTES >> 20} MB", _AGAIN
        )
    return members


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    if info.compress_type not in _METHODS:
        raise BundleError(f"the bundle's {info.filename} is compressed in a way that no bundle is", _AGAIN)
    with archive.open(info) as file:  # the size in the directory may be a lie, so the reading is bounded too
        return _bounded(file, info.filename, limit)


def load_npy(data: bytes, name: str) -> Float32:
    """A float32 array from the bytes of an .npy file of float32 or, widened, of float16; read-only. Raises
    ``BundleError`` for anything else, and for NaN.
    """
    if not data.startswith(_NPY_MAGIC):
        raise BundleError(f"the bundle's {name} is no .npy file", _AGAIN)
    try:
        array: Float32 = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, SyntaxError, MemoryError, EOFError, RecursionError, tokenize.TokenError, TypeError) as error:
        short = " ".join(str(error).split())[:120]
        raise BundleError(f"the bundle's {name} is truncated or damaged: {short}", _AGAIN) from error
    if array.dtype not in _FLOATS:
        raise BundleError(f"the bundle's {name} is {array.dtype}, and float32 or float16 is needed", _AGAIN)
    if not np.isfinite(array).all():
        raise BundleError(f"the bundle's {name} holds values that are not finite numbers", _AGAIN)
    array = np.ascontiguousarray(array, np.float32).reshape(array.shape)
    array.setflags(write=False)
    return array


def load_npz(data: bytes, name: str) -> dict[str, Float32]:
    """The arrays of an .npz file by name, each as ``load_npy`` gives it. Raises ``BundleError``."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            if len(infos) > MOST_FILES or sum(info.file_size for info in infos) > LARGEST_FILE_BYTES:
                raise BundleError(f"the bundle's {name} unpacks to too much", _AGAIN)
            return {
                info.filename.removesuffix(".npy"): load_npy(
                    _unpack(archive, info, LARGEST_FILE_BYTES), f"{name}, {info.filename}"
                )
                for info in infos
            }
    except _UNPACK_FAULTS as error:
        raise BundleError(
            f"the bundle's {name} is no .npz file: {' '.join(str(error).split())[:120]}", _AGAIN
        ) from error


def seal(folder: Path, card: Mapping[str, Any]) -> None:
    """Write ``card``, a bundle's or a pack's, as the folder's card.json, with ``files`` made from all other files that
    lie there. A signature of an earlier card goes.

    Raises ``BundleError`` where the card or the name of a file will not do, ``StorageError`` where it cannot be
    written.
    """
    own = {CARD_NAME, SIGNATURE_NAME}
    files = sorted(path for path in folder.iterdir() if path.is_file() and not own & {path.name, unfinished(path.name)})
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    text = json.dumps({**card, "files": hashes}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    if card.get("kind") == PACK_KIND:
        parse_pack(text.encode())
    else:
        parse_card(text.encode())
    try:
        replace_whole(folder / CARD_NAME, text.encode(), _OPEN)
        (folder / SIGNATURE_NAME).unlink(missing_ok=True)  # of the card before
    except OSError as error:
        raise StorageError(
            f"{folder / CARD_NAME} cannot be written: {error.strerror}", "Choose another folder."
        ) from error


def pack(folder: Path, target: Path) -> None:
    """Write the verified bundle or pack in ``folder`` as one .earmark file, the same bytes for the same bundle, with
    its signature where it has one.

    Raises ``BundleError`` for a faulty bundle, ``StorageError`` where the file cannot be written.
    """
    card_bytes, signature = card_and_signature(folder)
    _, contents = read_pack(folder) if is_pack(folder) else read_bundle(folder)
    _write_zip(target, card_bytes, signature, contents)


def put_signature(path: Path, signature: bytes) -> None:
    """Put a signature of its card into the verified bundle or pack at ``path``, folder or .earmark file.

    Raises ``BundleError`` for a faulty bundle, ``StorageError`` where it cannot be written.
    """
    if not path.is_dir():
        card_bytes, _ = card_and_signature(path)
        _, contents = read_pack(path) if is_pack(path) else read_bundle(path)
        _write_zip(path, card_bytes, signature, contents)
        return
    try:
        replace_whole(path / SIGNATURE_NAME, signature, 0o644)
    except OSError as error:
        raise StorageError(f"{path / SIGNATURE_NAME} cannot be written: {error.strerror}", "See its folder.") from error


def _write_zip(target: Path, card: bytes, signature: bytes | None, contents: Mapping[str, bytes]) -> None:
    try:
        with replacing(target, _OPEN) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            signed = [] if signature is None else [(SIGNATURE_NAME, signature)]
            for name, data in [(CARD_NAME, card), *signed, *sorted(contents.items())]:
                info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
                info.external_attr = 0o644 << 16
                archive.writestr(info, data, zipfile.ZIP_DEFLATED)
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {error.strerror}", "Choose another place.") from error
