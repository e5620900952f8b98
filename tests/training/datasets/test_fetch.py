"""Fetching: licence first, downloads that go on, checksums that hold, archives that stay in their folder."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import json
import os
import re
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from edge.errors import StorageError, UsageError
from tests.training.datasets import real_layouts as real
from training.data_command import data
from training.datasets import catalogue, download
from training.datasets import fetch as fetching
from training.datasets.catalogue import Archive, DataSet, set_named
from training.datasets.unpack import safe_name, unpack

LICENCE = "CC-TEST-1.0"


def zipped(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def tarred(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


SPEECH = zipped({"wav/03a01Fa.wav": real.clip(1), "wav/16b10Wb.wav": real.clip(2), "blob.bin": os.urandom(400_000)})


@pytest.fixture
def server(monkeypatch):
    """A server with one archive, and a set in the catalogue that points to it."""
    monkeypatch.setattr(download, "_AGAIN", (0.0, 0.0))
    with real.serve() as server:
        server.files["speech.zip"] = SPEECH
        offer(monkeypatch, Archive("speech", f"{server.url}/speech.zip", len(SPEECH), checksum(SPEECH)))
        yield server


def checksum(content: bytes) -> str:
    return f"md5:{hashlib.md5(content, usedforsecurity=False).hexdigest()}"


def offer(monkeypatch, *archives: Archive) -> None:
    toy = DataSet("toy", "Toy set", "tests", 2, "de", LICENCE, "Never ship it.", "https://example.org/toy", archives)
    monkeypatch.setattr(catalogue, "SETS", (toy,))


def fetch(folder, *options: str, licence: str = LICENCE) -> int:
    accepted = ["--accept-licence", licence] if licence else []
    return data(["fetch", "toy", "--to", str(folder), *accepted, *options])


def test_a_set_is_fetched_checked_unpacked_and_readable(tmp_path, server, capsys):
    """The licence and what follows from it are shown; a second time nothing is fetched."""
    assert fetch(tmp_path, "--json", "--quiet") == 0
    told = capsys.readouterr()
    assert LICENCE in told.err
    assert "Never ship it." in told.err
    (archive,) = json.loads(told.out)["archives"]
    assert archive["checked"] == "published"
    assert archive["sha256"] == hashlib.sha256(SPEECH).hexdigest()
    assert (tmp_path / "toy/wav/03a01Fa.wav").read_bytes() == real.clip(1)
    assert data(["check", str(tmp_path / "toy")]) == 0
    assert fetch(tmp_path) == 0
    assert "was there already" in capsys.readouterr().out
    assert len(server.asked) == 1


def test_of_two_that_fetch_one_set_the_second_waits_and_takes_what_the_first_has_fetched(
    tmp_path, server, capsys, monkeypatch
):
    """It comes by while the first one is at work."""
    lock, waited = fcntl.flock, []

    def meanwhile(handle, how):
        if how & fcntl.LOCK_NB:
            raise BlockingIOError
        monkeypatch.setattr(fcntl, "flock", lock)
        waited.append(capsys.readouterr().err)
        assert fetch(tmp_path) == 0
        assert "was there already" not in capsys.readouterr().out
        lock(handle, how)

    monkeypatch.setattr(fcntl, "flock", meanwhile)
    assert fetch(tmp_path) == 0
    assert "this one goes on when that is done" in waited[0]
    assert "was there already" in capsys.readouterr().out
    assert len(server.asked) == 1


def test_whoever_fetches_holds_the_sets_folder_until_all_is_unpacked(tmp_path, server, monkeypatch):
    stages = []

    def watched(name):
        does = getattr(fetching, name)

        def does_it(*arguments):
            handle = os.open(tmp_path / "archives" / "toy", os.O_RDONLY)
            with pytest.raises(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.close(handle)
            stages.append(name)
            return does(*arguments)

        monkeypatch.setattr(fetching, name, does_it)

    for name in ("Lock", "download", "unpack"):
        watched(name)
    assert fetch(tmp_path) == 0
    assert stages == ["Lock", "download", "unpack"]


def test_a_disk_without_locks_can_be_fetched_to(tmp_path, server, capsys, monkeypatch):
    def none(handle, how):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    assert fetch(tmp_path) == 0
    assert "cannot be locked" in capsys.readouterr().err


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_nothing_is_fetched_unless_the_licence_is_accepted(tmp_path, server, capsys, monkeypatch, answer):
    """Neither silence nor the name of another licence is consent; on a terminal it asks."""
    assert fetch(tmp_path, licence="") == 2
    assert f"--accept-licence {LICENCE}" in capsys.readouterr().err
    assert fetch(tmp_path, licence="CC0-1.0") == 2
    terminal = io.StringIO(answer)
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", terminal)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert fetch(tmp_path, licence="") == 1
    assert server.asked == []
    assert not list(tmp_path.iterdir())


def test_yes_on_a_terminal_is_consent(tmp_path, server, monkeypatch):
    terminal = io.StringIO("yes\n")
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", terminal)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert fetch(tmp_path, licence="") == 0
    assert json.loads((tmp_path / "archives/toy/lock.json").read_text())["speech.zip"]["licence"] == LICENCE


def test_a_broken_connection_is_taken_up_again(tmp_path, server):
    """Twice broken in the middle: each request asks for what is missing, and the bytes are right."""
    server.breaks = 2
    assert fetch(tmp_path) == 0
    half = len(SPEECH) // 2
    assert [wanted for _, wanted in server.asked] == [
        "",
        f"bytes={half}-",
        f"bytes={half + (len(SPEECH) - half) // 2}-",
    ]


def test_an_interrupted_download_goes_on_in_the_next_run(tmp_path, server, capsys, monkeypatch):
    """Ctrl-C in the middle keeps what is there; the same command fetches only the rest."""

    def press(advance):
        def advanced(amount: int) -> None:
            advance(amount)
            if amount > 0:
                raise KeyboardInterrupt

        return advanced

    real_download = download.download
    monkeypatch.setattr(
        "training.datasets.fetch.download",
        lambda url, path, size, advance: real_download(url, path, size, press(advance)),
    )
    with pytest.raises(KeyboardInterrupt):
        fetch(tmp_path)
    assert "goes on from here" in capsys.readouterr().err
    there = (tmp_path / "archives/toy/speech.zip.part").stat().st_size
    assert 0 < there < len(SPEECH)
    monkeypatch.setattr("training.datasets.fetch.download", real_download)
    assert fetch(tmp_path) == 0
    assert server.asked[-1] == ("speech.zip", f"bytes={there}-")
    assert not list((tmp_path / "archives/toy").glob("*.part*"))


@pytest.mark.parametrize("change", ["version", "no ranges"])
def test_two_versions_are_never_joined(tmp_path, server, change):
    """Where the file changed meanwhile, or the server knows no ranges, it begins anew."""
    store = tmp_path / "archives/toy"
    real.put(store, {"speech.zip.part": b"x" * 1000, "speech.zip.part.mark.json": '{"mark": "\\"0\\"", "size": 5}'})
    server.ranges = change != "no ranges"
    assert fetch(tmp_path) == 0
    assert (store / "speech.zip").read_bytes() == SPEECH


def test_a_wrong_checksum_is_refused_and_nothing_is_unpacked(tmp_path, server, capsys):
    server.files["speech.zip"] = SPEECH[:-1] + b"!"
    assert fetch(tmp_path) == 5
    assert "not what was published" in capsys.readouterr().err
    assert not (tmp_path / "toy").exists()
    assert not (tmp_path / "archives/toy/speech.zip").exists()
    server.files["speech.zip"] = SPEECH
    assert fetch(tmp_path) == 0


def test_an_archive_that_was_put_there_is_checked_and_never_removed(tmp_path, server, capsys):
    """Somebody's own copy saves the download where it is the right one."""
    own = real.put(tmp_path / "archives/toy", {"speech.zip": b"another file"}) / "speech.zip"
    assert fetch(tmp_path) == 5
    assert f"Remove {own}" in capsys.readouterr().err
    assert own.read_bytes() == b"another file"
    own.write_bytes(SPEECH)
    assert fetch(tmp_path) == 0
    assert server.asked == []


def test_an_archive_of_another_size_is_not_even_fetched(tmp_path, server, capsys):
    server.files["speech.zip"] = SPEECH + b"more"
    assert fetch(tmp_path) == 5
    assert "instead of" in capsys.readouterr().err


def test_without_a_published_checksum_the_first_download_decides(tmp_path, server, capsys, monkeypatch):
    """It says so, notes it beside the archive, and refuses other bytes afterwards."""
    offer(monkeypatch, Archive("speech", f"{server.url}/speech.zip"))
    assert fetch(tmp_path) == 0
    told = capsys.readouterr()
    assert "no checksum is published" in told.err
    assert "as at its first download" in told.out
    lock = json.loads((tmp_path / "archives/toy/lock.json").read_text())["speech.zip"]
    assert (lock["sha256"], lock["checked"]) == (hashlib.sha256(SPEECH).hexdigest(), "first download")
    lock["unpacked"] = False
    (tmp_path / "archives/toy/lock.json").write_text(json.dumps({"speech.zip": lock}))
    (tmp_path / "archives/toy/speech.zip").unlink()
    server.files["speech.zip"] = zipped({"wav/03a01Fa.wav": b"something else"})
    assert fetch(tmp_path) == 5
    assert "lock.json" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../out.txt", "/tmp/out.txt", "a/../../out.txt", "..\\out.txt", "C:\\out.txt"])
def test_a_member_that_leads_out_of_the_folder_is_refused(tmp_path, name):
    """In both kinds of archive, on whatever system the name means a way out."""
    assert not safe_name(name)
    archive = tmp_path / "bad"
    for content in (zipped({"good.txt": b"1", name: b"2"}), tarred((tarfile.TarInfo(name), b"2"))):
        archive.write_bytes(content)
        with pytest.raises(StorageError, match="leads out of the folder"):
            unpack(archive, tmp_path / "deep/inside", lambda done: None)
        assert [path for path in (tmp_path / "deep").rglob("*") if path.is_file()] == []
        assert not (tmp_path / "out.txt").exists()


def test_links_and_devices_are_left_out_and_told(tmp_path):
    """And a link that lies in the folder already is not followed out of it."""
    link, device, good = tarfile.TarInfo("link"), tarfile.TarInfo("null"), tarfile.TarInfo("dir/good.txt")
    link.type, link.linkname, device.type = tarfile.SYMTYPE, "/etc/passwd", tarfile.CHRTYPE
    archive = tmp_path / "links.tar.gz"
    archive.write_bytes(tarred((link, b""), (device, b""), (good, b"fine")))
    assert unpack(archive, tmp_path / "to", lambda done: None) == ["link", "null"]
    assert [path.name for path in sorted((tmp_path / "to").rglob("*"))] == ["dir", "good.txt"]
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "again").mkdir()
    (tmp_path / "again/dir").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="leads out"):
        unpack(archive, tmp_path / "again", lambda done: None)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_damaged_archive_is_a_sentence(tmp_path):
    for content in (b"no archive", SPEECH[: len(SPEECH) // 2], tarred((tarfile.TarInfo("a"), os.urandom(9999)))[:-500]):
        (tmp_path / "a").write_bytes(content)
        with pytest.raises(StorageError, match="damaged or no archive"):
            unpack(tmp_path / "a", tmp_path / "to", lambda done: None)


def test_what_cannot_be_fetched_says_how_to_get_it(tmp_path, server, capsys, monkeypatch):
    """Parts have to be chosen, sets behind a registration are explained, addresses are checked."""
    monkeypatch.undo()
    for arguments, word in (
        (["librispeech"], "train-clean-100 (6.4 GB)"), (["librispeech", "--part", "dev"], "no part 'dev'"),
        (["cremad"], "git lfs clone"), (["ravdes"], "Did you mean ravdess"),
        (["librivox", "--url", "https://example.org/page.html"], "does not end like an archive"),
    ):  # fmt: skip
        assert data(["fetch", *arguments, "--to", str(tmp_path)]) == 2
        assert word in capsys.readouterr().err
    assert data(["fetch", "librivox", "--to", str(tmp_path), "--url", f"{server.url}/gone.zip?key=1",
                 "--accept-licence", "public-domain"]) == 2  # fmt: skip
    assert "404" in capsys.readouterr().err
    with pytest.raises(UsageError, match="no address"):
        download.download("file:///etc/passwd", tmp_path / "x", 0, lambda done: None)


def test_a_mirror_and_an_own_address_are_fetched_from(tmp_path, server, monkeypatch, capsys):
    offer(monkeypatch, replace(set_named("toy").archives[0], url="http://127.0.0.1:9/gone/speech.zip"))
    assert fetch(tmp_path / "a", "--mirror", server.url, "--remove-archives") == 0
    assert not (tmp_path / "a/archives/toy/speech.zip").exists()
    assert fetch(tmp_path / "a", "--mirror", server.url) == 0
    assert fetch(tmp_path / "b", "--url", f"{server.url}/speech.zip?key=secret", "--no-unpack") == 0
    assert not (tmp_path / "b/toy").exists()
    assert "secret" not in (tmp_path / "b/archives/toy/lock.json").read_text()
    server.files["speech.zip"] = b"x" * len(SPEECH)
    assert fetch(tmp_path / "d", "--url", f"{server.url}/speech.zip") == 5
    assert "not what was published" in capsys.readouterr().err
    assert len(server.asked) == 3
    assert fetch(tmp_path / "c") == 5
    assert "the same command goes on" in capsys.readouterr().err


def test_the_catalogue_is_complete_and_says_what_follows():
    """Every set has a licence, a consequence, a home page, and a way to get it; checksums have the right length."""
    assert len({one.name for one in catalogue.SETS}) == len(catalogue.SETS) == 13
    for one in catalogue.SETS:
        assert one.licence and one.consequence and one.home.startswith("http")
        assert one.archives or one.by_hand
        for archive in one.archives:
            kind, _, digest = archive.checksum.partition(":")
            assert len(digest) == {"md5": 32, "sha256": 64, "": 0}[kind]
            assert archive.url.startswith("http")


def test_the_page_about_sets_tells_of_every_one_and_its_checksum():
    """The table of sets, and the sentence that names those whose checksum nobody published."""
    page = (Path(__file__).parents[3] / "docs/datasets.md").read_text(encoding="utf-8")
    assert all(f"`{one.name}`" in page for one in catalogue.SETS)
    (sentence,) = re.findall(r"\*\*For ([^*]*) none is known\*\*", page)
    unknown = [one.title for one in catalogue.SETS if any(not archive.checksum for archive in one.archives)]
    assert sentence.startswith("EmoDB, FSDD, AudioMNIST and")
    assert unknown == ["EmoDB", "Free Spoken Digit Dataset", "AudioMNIST"]


@pytest.mark.parametrize("command", ["fetch", "import"])
def test_help_shows_examples(capsys, command):
    with pytest.raises(SystemExit):
        data([command, "--help"])
    assert f"earmark data {command}" in capsys.readouterr().out.split("examples:")[1]


def test_the_list_shows_every_set_with_its_licence(capsys):
    assert data(["list"]) == 0
    shown = capsys.readouterr().out
    assert all(one.name in shown and one.licence in shown for one in catalogue.SETS)
    assert data(["list", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["known"]) == len(catalogue.SETS)


def test_ctrl_c_while_unpacking_leaves_only_whole_files(tmp_path):
    """And the next time goes on with what is missing."""
    archive = tmp_path / "speech.zip"
    archive.write_bytes(SPEECH)

    def press(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(archive, tmp_path / "to", press)
    files = [path for path in (tmp_path / "to").rglob("*") if path.is_file()]
    assert [path.read_bytes() for path in files] == [real.clip(1)]
    unpack(archive, tmp_path / "to", lambda done: None)
    assert (tmp_path / "to/wav/16b10Wb.wav").read_bytes() == real.clip(2)
