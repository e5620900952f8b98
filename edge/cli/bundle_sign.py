"""``earmark bundle sign``: make a key, sign bundles with it, and see who has signed one."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.bundle.files import card_and_signature, is_pack, put_signature, read_bundle, read_pack
from edge.bundle.locate import locate
from edge.bundle.signature import signature_of, signer
from edge.cli import options
from edge.cli.console import Console, printable
from edge.cli.new_file import refuse_existing, write_new
from edge.cli.passphrase import add_passphrase, read_passphrase
from edge.errors import EXIT_NO, EXIT_OK, UsageError
from edge.settings import bundle_dirs, load
from edge.vault import passphrase, signing

DESCRIPTION = """
Sign a bundle or a pack with a private key, so that devices whose `models.trusted_keys` names the public one know that
it comes from you. Make the key on the machine where bundles are made, and keep it there: no device needs it. With a
passphrase (asked for, or from --passphrase-file) the key file is encrypted; an empty answer leaves it in clear.

`--show` tells who has signed a bundle, and whether every file is the one that was signed.

exit codes: 0 done, 1 not signed, 2 usage, or a wrong key or passphrase, 5 a faulty bundle
"""
EXAMPLES = """
earmark bundle sign --new-key ~/earmark-signing.pem    prints the public key, for models.trusted_keys
earmark bundle sign accurate.earmark --key ~/earmark-signing.pem
earmark bundle sign accurate.earmark --show
earmark bundle-sign emotion/ --key signing.pem         a pack, too; one word or two
"""
_MOST_KEY_BYTES = 16_384


def register(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("bundle", metavar="BUNDLE", nargs="?", help="an .earmark file, a folder, or an installed name")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--new-key", metavar="FILE", help="make a private key in a new file")
    what.add_argument("--key", metavar="FILE", help="sign with the private key in this file")
    what.add_argument("--show", action="store_true", help="who has signed it")
    add_passphrase(parser)
    options.add_place(parser)


def run(args: argparse.Namespace) -> int:
    """Make a key, sign, or show."""
    if (args.bundle is None) != (args.new_key is not None):
        raise UsageError("Name a bundle, or make a key with --new-key", "`earmark bundle sign --help` shows examples.")
    if args.new_key is not None:
        return _new_key(args)
    path = locate(args.bundle, bundle_dirs(load(args.config), args.state))
    read_pack(path) if is_pack(path) else read_bundle(path)  # every hash, before anybody vouches for it
    return _show(args.console, path) if args.show else _sign(args, path)


def _new_key(args: argparse.Namespace) -> int:
    console: Console = args.console
    target = Path(args.new_key)
    refuse_existing(target)
    secret = read_passphrase(args.passphrase_file, fresh=True, may_be_empty=True)
    if secret:
        passphrase.check_form(secret)
    pem = signing.new_private_key(secret)
    write_new(target, pem)
    public = signing.public_key(pem, secret)
    if console.json:
        console.emit({"key": public, "file": args.new_key, "encrypted": bool(secret)})
    else:
        console.say(public)
        console.note("Put this line into models.trusted_keys on the devices; the file is for you alone.")
    return EXIT_OK


def _sign(args: argparse.Namespace, path: Path) -> int:
    console: Console = args.console
    pem = _pem(args.key)
    card, _ = card_and_signature(path)
    try:
        made = signature_of(card, pem)
    except signing.NeedsPassphrase:
        made = signature_of(card, pem, read_passphrase(args.passphrase_file, fresh=False))
    put_signature(path, made)
    key = signer(path, *card_and_signature(path))
    if console.json:
        console.emit({"bundle": str(path), "key": key})
    else:
        console.say(f"{printable(str(path))} is signed by {key}.")
    return EXIT_OK


def _show(console: Console, path: Path) -> int:
    key = signer(path, *card_and_signature(path))
    if console.json:
        console.emit({"bundle": str(path), "key": key})
    elif key is None:
        console.say(f"{printable(str(path))} is not signed.")
    else:
        console.say(f"{printable(str(path))} is signed by {key}.")
    return EXIT_NO if key is None else EXIT_OK


def _pem(name: str) -> bytes:
    try:
        with Path(name).open("rb") as file:
            return file.read(_MOST_KEY_BYTES)
    except OSError as error:
        raise UsageError(
            f"{printable(name)} cannot be read: {error.strerror}", "Name the private key's file."
        ) from error
