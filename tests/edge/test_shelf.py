"""Bundles side by side: what a name means, at every moment, and the way back."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge.bundle import installed_bundles, open_bundle, pack, read_card
from edge.bundle.files import card_and_signature, put_signature
from edge.bundle.shelf import VERSIONS, Shelf
from edge.errors import BundleError, StorageError
from tests.edge.small_bundles import make


@pytest.fixture
def offers(tmp_path: Path) -> tuple[Path, ...]:
    """Three versions of one bundle, as files."""
    made = []
    for version in ("1", "2", "3"):
        folder = make(tmp_path / f"made-{version}", "statistics", version=version)
        made.append(tmp_path / f"small-{version}.earmark")
        pack(folder, made[-1])
    return tuple(made)


def install(shelf: Shelf, offer: Path) -> None:
    with offer.open("rb") as stream:
        shelf.use("small", shelf.put(stream))


def version(folder: Path) -> str:
    return str(read_card(installed_bundles([folder])["small"]).raw["version"])


def test_a_name_means_what_was_put_to_use_and_one_step_leads_back(offers: tuple[Path, ...], tmp_path: Path) -> None:
    folder = tmp_path / "bundles"
    shelf = Shelf(folder)
    install(shelf, offers[0])
    assert version(folder) == "1"
    install(shelf, offers[1])
    install(shelf, offers[1])
    assert version(folder) == "2"
    assert open_bundle("small", directories=[folder]).card["version"] == "2"
    assert shelf.back("small") is not None
    assert version(folder) == "1"
    with pytest.raises(BundleError, match="nothing to go back to"):
        shelf.back("small")


def test_the_same_bundle_with_another_signature_does_not_take_its_place(
    offers: tuple[Path, ...], tmp_path: Path
) -> None:
    shelf = Shelf(tmp_path / "bundles")
    kept = []
    for signature in (b"one", b"another"):
        put_signature(offers[0], signature)
        with offers[0].open("rb") as stream:
            kept.append(shelf.put(stream))
    assert [card_and_signature(path)[1] for path in kept] == [b"one", b"another"]
    assert [shelf.use("small", path) for path in (kept[0], kept[0], kept[1])] == [True, False, True]


def test_back_from_the_first_leads_to_the_bundle_that_came_with_the_package(
    offers: tuple[Path, ...], tmp_path: Path
) -> None:
    folder = tmp_path / "bundles"
    shelf = Shelf(folder)
    install(shelf, offers[0])
    assert shelf.back("small") is None
    assert not (folder / "small.earmark").is_symlink()
    assert "small" not in installed_bundles([folder])


def test_versions_are_no_bundles_of_their_own_and_only_two_of_them_stay(
    offers: tuple[Path, ...], tmp_path: Path
) -> None:
    folder = tmp_path / "bundles"
    shelf = Shelf(folder)
    for offer in offers:
        install(shelf, offer)
        shelf.tidy("small")
    assert [name for name, path in installed_bundles([folder]).items() if folder in path.parents] == ["small"]
    assert len(list((folder / VERSIONS).glob("*.earmark"))) == 2
    shelf.back("small")
    assert version(folder) == "2"


def test_what_was_put_there_by_hand_is_kept_or_stands_in_the_way(offers: tuple[Path, ...], tmp_path: Path) -> None:
    folder = tmp_path / "bundles"
    folder.mkdir()
    (folder / "small.earmark").write_bytes(offers[0].read_bytes())
    shelf = Shelf(folder)
    install(shelf, offers[1])
    shelf.tidy("small")
    assert version(folder) == "2"
    shelf.back("small")
    assert version(folder) == "1"
    make(folder / "small", "statistics", version="9")
    with pytest.raises(BundleError, match="is found before"):
        install(shelf, offers[1])
    assert version(folder) == "9"


def test_what_is_no_bundle_leaves_nothing_behind(offers: tuple[Path, ...], tmp_path: Path) -> None:
    folder = tmp_path / "bundles"
    shelf = Shelf(folder)
    for junk in (b"", b"PK\x03\x04junk", offers[0].read_bytes()[:300]):
        (tmp_path / "junk").write_bytes(junk)
        with (tmp_path / "junk").open("rb") as stream, pytest.raises(BundleError):
            shelf.put(stream)
    assert list((folder / VERSIONS).iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said_in_words(offers: tuple[Path, ...], tmp_path: Path) -> None:
    (tmp_path / "bundles").write_text("a file")
    with pytest.raises(StorageError, match="cannot be changed"):
        install(Shelf(tmp_path / "bundles"), offers[0])


def test_one_at_a_time_is_at_work_there_and_the_next_one_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf, first = Shelf(tmp_path / "bundles"), ExitStack()
    first.enter_context(shelf.alone(0))
    with pytest.raises(StorageError, match=r"another command is changing the bundles .*") as caught, shelf.alone(0):
        raise AssertionError("a second one came in")
    assert caught.value.remedy == "Try again."
    monkeypatch.setattr("edge.file_lock.time.sleep", lambda seconds: first.close())
    with shelf.alone(600):
        pass
    with shelf.alone(0):
        pass


def test_what_a_command_left_that_was_killed_while_it_copied_is_gone_with_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "bundles"
    left = folder / VERSIONS / "arriving-1.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half a bundle")
    with Shelf(folder).alone(0):
        assert not left.exists()


def test_a_version_that_is_gone_is_not_put_to_use(offers: tuple[Path, ...], tmp_path: Path) -> None:
    """Otherwise the name would mean the packaged bundle, and nobody would be told."""
    folder = tmp_path / "bundles"
    shelf = Shelf(folder)
    install(shelf, offers[0])
    with offers[1].open("rb") as stream:
        stored = shelf.put(stream)
    stored.unlink()
    with pytest.raises(BundleError, match="was removed before it could be put to use"):
        shelf.use("small", stored)
    assert version(folder) == "1"


def test_the_use_of_one_version_is_not_undone_where_another_is_in_use(offers: tuple[Path, ...], tmp_path: Path) -> None:
    folder = tmp_path / "bundles"
    shelf = Shelf(folder)
    with offers[0].open("rb") as stream:
        failed = shelf.put(stream)
    assert shelf.back("small", failed) is None, "it was not put to use yet"
    shelf.use("small", failed)
    install(shelf, offers[1])
    assert shelf.back("small", failed) == folder / "small.earmark"
    assert version(folder) == "2"
    shelf.use("small", failed)
    shelf.back("small", failed)
    assert version(folder) == "2"


def test_killed_at_any_moment_the_name_means_one_of_the_two(offers: tuple[Path, ...], tmp_path: Path) -> None:
    folder = tmp_path / "bundles"
    install(Shelf(folder), offers[0])
    chance = random.Random(7)
    for _ in range(20):
        child = os.fork()
        if child == 0:
            try:
                while True:
                    for offer in offers[:2]:
                        install(Shelf(folder), offer)
            finally:
                os._exit(1)
        time.sleep(chance.uniform(0.0, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert version(folder) in {"1", "2"}
        assert open_bundle("small", directories=[folder]).dim == 24
    install(Shelf(folder), offers[2])
    assert version(folder) == "3"
