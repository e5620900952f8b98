"""Signed bundles: where keys are trusted, nothing else is opened, and each refusal is one clear sentence."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from edge.bundle import open_bundle, pack, read_card, seal
from edge.bundle.files import card_and_signature, put_signature, read_bundle
from edge.bundle.locate import PACKAGED
from edge.bundle.signature import SIGNATURE_NAME, signature_of, signer
from edge.errors import BundleError, EarmarkError, UsageError
from edge.settings import Models
from edge.vault import signing

PEM = signing.new_private_key()
KEY = signing.public_key(PEM)
OTHER = signing.public_key(signing.new_private_key())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An unsigned copy of the smallest bundle."""
    return Path(shutil.copytree(PACKAGED / "baseline", tmp_path / "mine"))


def signed(path: Path) -> Path:
    put_signature(path, signature_of(card_and_signature(path)[0], PEM))
    return path


def trusting(*keys: str) -> Models:
    return Models(trusted_keys=keys)


@pytest.mark.parametrize("form", ["folder", "file", "packed after signing"])
def test_a_signed_bundle_is_opened_and_says_who_signed_it(folder, tmp_path, form):
    path = folder
    if form == "packed after signing":
        signed(folder)
    if form != "folder":
        path = tmp_path / "mine.earmark"
        pack(folder, path)
    if form != "packed after signing":
        signed(path)
    assert open_bundle(path, trusting(OTHER, KEY)).name == "baseline"
    assert open_bundle(path).name == "baseline", "nobody has to trust anybody"
    assert signer(path, *card_and_signature(path)) == KEY
    assert read_card(path).name == "baseline"


def test_what_is_not_signed_by_a_trusted_key_is_refused_in_one_sentence(folder):
    with pytest.raises(BundleError, match=r"is not signed, and models\.trusted_keys asks for it"):
        open_bundle(folder, trusting(KEY))
    signed(folder)
    with pytest.raises(BundleError, match=r"signed with a key that models\.trusted_keys does not name") as caught:
        open_bundle(folder, trusting(OTHER))
    assert KEY in caught.value.cause


@pytest.mark.parametrize(
    "change",
    [
        {"key": OTHER},
        {"signature": "AAAA"},
        {"signature": "no base64!"},
        {"signature": None},
        {"schema": 2},
        {"key": None},
        {"key": ["x"]},
    ],
)
def test_a_signature_that_was_changed_is_refused(folder, change):
    signed(folder)
    path = folder / SIGNATURE_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BundleError):
        open_bundle(folder, trusting(KEY, OTHER))


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"{", b"[" * 4000])
def test_a_signature_that_makes_no_sense_is_refused(folder, data):
    (folder / SIGNATURE_NAME).write_bytes(data)
    with pytest.raises(BundleError, match="signature"):
        open_bundle(folder, trusting(KEY))


def test_a_card_and_files_that_were_changed_after_signing_are_refused(folder):
    signed(folder)
    before = (folder / SIGNATURE_NAME).read_bytes()
    card = json.loads((folder / "card.json").read_text())
    (folder / "head.npz").write_bytes((folder / "head.npz").read_bytes() + b"x")
    with pytest.raises(BundleError, match="SHA-256 differs"):
        open_bundle(folder, trusting(KEY))
    seal(folder, card | {"summary": "something else"})
    assert not (folder / SIGNATURE_NAME).exists(), "a new card needs a new signature"
    (folder / SIGNATURE_NAME).write_bytes(before)
    with pytest.raises(BundleError, match="is not one of its card"):
        open_bundle(folder, trusting(KEY))


def test_a_signature_is_no_file_of_the_card(folder):
    """A card that lists it would have to contain its own signature's hash."""
    signed(folder)
    card = json.loads((folder / "card.json").read_text())
    seal(folder, card)
    assert SIGNATURE_NAME not in json.loads((folder / "card.json").read_text())["files"]
    raw = card | {"files": card["files"] | {SIGNATURE_NAME: "0" * 64}}
    (folder / "card.json").write_text(json.dumps(raw))
    with pytest.raises(BundleError, match=r"card\.sig"):
        read_bundle(folder)


def test_what_comes_with_the_package_needs_no_signature():
    assert open_bundle("baseline", trusting(KEY), directories=[]).name == "baseline"


def test_a_copy_of_it_elsewhere_does_even_by_a_link(folder, tmp_path):
    (tmp_path / "bundles").mkdir()
    (tmp_path / "bundles" / "baseline").symlink_to(folder)
    with pytest.raises(BundleError, match="is not signed"):
        open_bundle("baseline", trusting(KEY), directories=[tmp_path / "bundles"])


def test_a_key_made_by_openssl_signs_and_openssl_agrees(folder, tmp_path):
    pem, public, message = (tmp_path / name for name in ("key.pem", "public.pem", "message"))
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", pem], check=True)
    subprocess.run(["openssl", "pkey", "-in", pem, "-pubout", "-out", public], check=True)
    put_signature(folder, signature_of(card_and_signature(folder)[0], pem.read_bytes()))
    assert open_bundle(folder, trusting(signing.public_key(pem.read_bytes()))).name == "baseline"
    message.write_bytes(b"earmark bundle 1\0" + (folder / "card.json").read_bytes())
    (tmp_path / "sig").write_bytes(signing.sign(pem.read_bytes(), message.read_bytes()))
    check = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", "-in", message, "-sigfile"]
    subprocess.run([*check, tmp_path / "sig"], check=True, capture_output=True)


def test_what_is_no_ed25519_key_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no private key"):
        signing.sign(b"a shopping list", b"")
    pem = tmp_path / "rsa.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-out", pem], check=True, capture_output=True)
    with pytest.raises(UsageError, match="not of the kind Ed25519"):
        signing.sign(pem.read_bytes(), b"")
    assert not signing.fits("ed25519:" + "A" * 42, b"x" * 64, b"")
    assert not signing.fits(KEY, b"short", b"")


def test_an_encrypted_key_asks_for_its_passphrase():
    pem = signing.new_private_key("correct horse battery staple")
    with pytest.raises(signing.NeedsPassphrase):
        signing.sign(pem, b"")
    with pytest.raises(EarmarkError, match="its passphrase is another"):
        signing.sign(pem, b"", "something else")
    made = signing.sign(pem, b"message", "correct horse battery staple")
    assert signing.fits(signing.public_key(pem, "correct horse battery staple"), made, b"message")
    assert signing.sign(PEM, b"message", "not needed")
