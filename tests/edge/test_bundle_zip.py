"""An ``.earmark`` file: packed the same each time, and never a way out of the bundle."""

from __future__ import annotations

import stat
import zipfile

import numpy as np
import pytest

from edge.bundle import files as bundle_files
from edge.bundle import open_bundle, pack
from edge.errors import BundleError, StorageError
from tests.edge import small_bundles
from tests.edge.small_bundles import sound


@pytest.fixture
def folder(tmp_path):
    return small_bundles.make(tmp_path / "small")


def refusal(path):
    with pytest.raises(BundleError) as caught:
        open_bundle(path)
    assert caught.value.remedy
    return caught.value.sentence()


def test_a_packed_bundle_is_the_same_bundle(folder, tmp_path):
    pack(folder, tmp_path / "small.earmark")
    packed, plain = open_bundle(tmp_path / "small.earmark"), open_bundle(folder)
    assert packed.encoder == plain.encoder
    np.testing.assert_array_equal(packed.embed(sound(4)), plain.embed(sound(4)))
    pack(folder, tmp_path / "again.earmark")
    assert (tmp_path / "again.earmark").read_bytes() == (tmp_path / "small.earmark").read_bytes()


def test_two_that_pack_to_one_place_at_once_each_make_the_whole_of_theirs(folder, tmp_path, monkeypatch):
    """The second one begins and ends while the first has written half."""
    target, write = tmp_path / "small.earmark", zipfile.ZipFile.writestr

    def meanwhile(archive, *member):
        monkeypatch.setattr(zipfile.ZipFile, "writestr", write)
        write(archive, *member)
        pack(small_bundles.make(tmp_path / "second", version="2"), target)
        assert open_bundle(target).card["version"] == "2"

    monkeypatch.setattr(zipfile.ZipFile, "writestr", meanwhile)
    pack(folder, target)
    assert open_bundle(target).card["version"] == "1"
    assert list(tmp_path.glob("small.earmark*")) == [target]


def test_a_damaged_bundle_is_not_packed(folder, tmp_path):
    (folder / "head.npz").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"the file head\.npz"):
        pack(folder, tmp_path / "small.earmark")
    assert not list(tmp_path.glob("*.earmark*"))


def test_a_place_that_cannot_be_written_is_a_storage_error(folder, tmp_path):
    with pytest.raises(StorageError, match="cannot be written"):
        pack(folder, tmp_path / "gone" / "small.earmark")


def zipped(folder, path, extra=(), skip=()):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            if file.name not in skip:
                archive.write(file, file.name)
        for name, data in extra:
            archive.writestr(name, data)
    return path


def link():
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "a/b", "a\\b", "..", ".hidden", "C:evil", "x\nname", link()], ids=str
)
def test_a_zip_with_a_path_in_it_is_refused(folder, tmp_path, name):
    path = zipped(folder, tmp_path / "evil.earmark", [(name, b"x")])
    assert "not a plain file name" in refusal(path)
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_card_that_is_compressed_otherwise_is_refused_whole_and_damaged(tmp_path, method):
    """An error of such a compression is none that a bundle may end in: the daemon looks at cards while it listens."""
    path = tmp_path / "x.earmark"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("card.json", bytes(range(256)) * 4)
    data = path.read_bytes()
    for at in range(40, len(data) // 2):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        with pytest.raises(BundleError):
            bundle_files.card_and_signature(path)
    path.write_bytes(data)
    assert "compressed in a way" in refusal(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_with_a_name_twice_is_refused(folder, tmp_path):
    assert "head.npz twice" in refusal(zipped(folder, tmp_path / "x.earmark", [("head.npz", b"x")]))


def test_a_zip_with_a_missing_file_is_refused(folder, tmp_path):
    assert "lacks the file head.npz" in refusal(zipped(folder, tmp_path / "x.earmark", skip=["head.npz"]))
    assert "lacks the file card.json" in refusal(zipped(folder, tmp_path / "x.earmark", skip=["card.json"]))


def test_a_zip_bomb_is_refused(folder, tmp_path):
    bomb = zipped(folder, tmp_path / "x.earmark", [("zeros", b"\0" * (97 << 20))])
    assert bomb.stat().st_size < 1 << 20
    assert "unpacks to more than" in refusal(bomb)


def test_a_zip_that_lies_about_sizes_is_refused(folder, tmp_path, monkeypatch):
    """The directory promises a small file; the reading stops at the limit all the same."""
    monkeypatch.setattr(bundle_files, "LARGEST_FILE_BYTES", 1000)
    assert "is larger than" in refusal(zipped(folder, tmp_path / "x.earmark"))


def test_too_many_files_are_refused(folder, tmp_path):
    extra = [(f"x{number}", b"") for number in range(80)]
    assert "more than 64 files" in refusal(zipped(folder, tmp_path / "x.earmark", extra))


@pytest.mark.parametrize("damage", ["truncated", "no zip", "empty", "flipped"])
def test_a_damaged_zip_is_refused(folder, tmp_path, damage):
    path = zipped(folder, tmp_path / "x.earmark")
    raw = path.read_bytes()
    middle = raw.index(b"encoder.int8") + 300
    path.write_bytes(
        {
            "truncated": raw[: len(raw) // 2],
            "no zip": b"hello" * 100,
            "empty": b"",
            "flipped": raw[:middle] + bytes(255 - byte for byte in raw[middle : middle + 40]) + raw[middle + 40 :],
        }[damage]
    )
    assert "is no readable .earmark file" in refusal(path)


def test_an_encrypted_zip_is_refused(folder, tmp_path):
    path = zipped(folder, tmp_path / "x.earmark")
    raw = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = raw.find(signature)
        while start >= 0:
            raw[start + offset] |= 1
            start = raw.find(signature, start + 4)
    path.write_bytes(raw)
    assert "is no readable .earmark file" in refusal(path)
