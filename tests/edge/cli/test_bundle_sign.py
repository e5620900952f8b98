"""``earmark bundle sign``: keys, signatures, and what devices make of them."""

from __future__ import annotations

import errno
import os

import pytest

from edge.bundle import pack
from edge.bundle.locate import PACKAGED
from edge.cli.new_file import write_new


def test_the_command_makes_a_key_signs_and_shows(earmark, tmp_path, monkeypatch) -> None:
    pem, secret, file = tmp_path / "key.pem", tmp_path / "secret", tmp_path / "mine.earmark"
    pack(PACKAGED / "baseline", file)
    secret.write_text("correct horse battery staple\n")
    assert earmark("bundle", "sign", file, "--show").code == 1
    key = earmark("bundle", "sign", "--new-key", pem, "--passphrase-file", secret, "--json").json["key"]
    assert pem.stat().st_mode & 0o777 == 0o600
    assert b"ENCRYPTED" in pem.read_bytes()
    assert earmark("bundle", "sign", "--new-key", pem).code == 2
    monkeypatch.setenv("EARMARK_MODELS__TRUSTED_KEYS", key)
    refused = earmark("doctor", "--only", "bundle", "--bundle", file, "--json").json["checks"][0]
    assert refused["status"] == "fail" and "is not signed" in refused["sentence"]
    told = earmark("bundle", "sign", file, "--key", pem, "--passphrase-file", secret, "--json")
    assert told.json == {"bundle": str(file), "key": key}
    assert earmark("doctor", "--only", "bundle", "--bundle", file, "--json").json["checks"][0]["status"] != "fail"
    assert key in earmark("bundle-sign", file, "--show").out
    plain = earmark("bundle", "sign", "--new-key", tmp_path / "plain.pem", "--json").json
    assert not plain["encrypted"]
    assert earmark("bundle", "sign", file).code == 2


def test_a_name_means_the_bundle_in_the_state_folder_that_the_settings_name(earmark, tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("EARMARK_STATE", raising=False)
    home, settings = tmp_path / "elsewhere", tmp_path / "earmark.yaml"
    (home / "bundles").mkdir(parents=True)
    pack(PACKAGED / "baseline", home / "bundles" / "mine.earmark")
    settings.write_text(f"state: {{dir: {home}}}\n")
    done = earmark("bundle", "sign", "mine", "--show", "--config", settings, "--json")
    assert (done.code, done.json["bundle"]) == (1, str(home / "bundles" / "mine.earmark"))


def test_nothing_is_left_of_a_key_that_the_disk_does_not_hold(earmark, tmp_path, monkeypatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    done = earmark("bundle", "sign", "--new-key", tmp_path / "key.pem")
    assert done.code == 5 and "disk is full" in done.err
    assert not (tmp_path / "key.pem").exists()


def test_a_new_file_is_never_written_over_one_that_came_meanwhile(tmp_path) -> None:
    (tmp_path / "there").write_text("kept")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "there", b"new")
    assert (tmp_path / "there").read_text() == "kept"
