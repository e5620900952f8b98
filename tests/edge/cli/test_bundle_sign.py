"""``earmark bundle sign``: keys, signatures, and what devices make of them."""

from __future__ import annotations

from edge.bundle import pack
from edge.bundle.locate import PACKAGED


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
