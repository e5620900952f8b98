"""Bundles side by side in one folder, and a link that says which of them a name means.

Takes: the folder ``bundles`` of a state folder, verified bundles. Gives: paths. Must hold: a name means the former
bundle or the new one at every moment, power cuts included, never a half-written one; the former one stays, so that one
step leads back to it; what somebody put there by hand is not lost; whoever puts, uses, goes back and tidies ``alone``
meets nobody else's change in between.

    bundles/accurate.earmark -> .versions/accurate-1.1.0-0f31c2a97b5d6e84.earmark
    bundles/.versions/accurate-1.0.0-9f2c41d07ab35e18.earmark
    bundles/.versions/accurate.before       the link's target before, or nothing where there was no link
    bundles/.versions/.lock                 held by whoever changes something
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from edge.bundle.card import Card, fingerprint
from edge.bundle.files import card_and_signature, read_card
from edge.bundle.locate import SUFFIX
from edge.errors import BundleError, StorageError
from edge.file_lock import lock_within
from edge.whole_file import replace_whole, sync

VERSIONS: Final = ".versions"
_PACKAGED: Final = "-"
"""In ``NAME.before``: there was no link, so that the name meant a bundle elsewhere, such as the package's own."""


class Shelf:
    """``folder``: made when something is put there. Every method raises ``StorageError`` where it cannot be written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._versions = folder / VERSIONS

    @contextmanager
    def alone(self, seconds: float) -> Iterator[None]:
        """Let nobody else be at work here meanwhile; ends with the process, however that ends.

        The daemon waits for nobody here: whoever holds this may be waiting for the daemon. Raises ``StorageError``
        where another one is not done after ``seconds``.
        """
        with ExitStack() as stack:
            with _in_words(self._folder):
                self._versions.mkdir(mode=0o755, parents=True, exist_ok=True)
                lock = os.open(self._versions / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
                stack.callback(os.close, lock)
                if not lock_within(lock, seconds):
                    raise StorageError(f"another command is changing the bundles in {self._folder}", "Try again.")
                for left in self._versions.glob("arriving-*.part"):  # as large as a bundle, of one that was killed
                    left.unlink()
            yield

    def put(self, stream: BinaryIO) -> Path:
        """Copy an ``.earmark`` file from ``stream`` beside the others; nothing refers to it yet, and its files are for
        the caller to verify there. Raises ``BundleError`` for what has no card.
        """
        with _in_words(self._folder):
            self._versions.mkdir(mode=0o755, parents=True, exist_ok=True)
            part = self._versions / f"arriving-{os.getpid()}.part"
            try:
                with part.open("wb") as file:
                    shutil.copyfileobj(stream, file)
                target = self._versions / _file_name(read_card(part), card_and_signature(part)[1])
                part.chmod(0o644)
                sync(part)
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)
            sync(self._versions)
            return target

    def use(self, name: str, version: Path) -> bool:
        """From now on ``name`` means ``version``, which ``put`` gave; whether it meant another one before."""
        with _in_words(self._folder):
            link = self._folder / f"{name}{SUFFIX}"
            if not version.is_file():
                raise BundleError(f"{version} was removed before it could be put to use", "Try again.")
            if (self._folder / name).is_dir():
                raise BundleError(
                    f"the folder {self._folder / name} is found before any file of that name",
                    "Move it elsewhere first.",
                )
            if link.exists() and not link.is_symlink():  # by hand: keep it as a version
                with link.open("rb") as stream:
                    before = os.path.join(VERSIONS, self.put(stream).name)  # noqa: PTH118 - the text of a link
            else:
                before = os.readlink(link) if link.is_symlink() else _PACKAGED  # noqa: PTH115
            target = os.path.join(VERSIONS, version.name)  # noqa: PTH118
            if before != target:
                replace_whole(self._note(name), f"{before}\n".encode(), 0o644)
            _relink(link, target)
            return before != target

    def back(self, name: str, used: Path | None = None) -> Path | None:
        """Undo the latest ``use``; gives what ``name`` means now, None where that is a bundle elsewhere.

        ``used``: undo only the use of that version; nothing happens where ``name`` means another one by now. Raises
        ``BundleError`` where there is nothing to go back to.
        """
        with _in_words(self._folder):
            link = self._folder / f"{name}{SUFFIX}"
            if used is not None and not (link.is_symlink() and link.readlink().name == used.name):
                return link if link.exists() else None
            try:
                before = self._note(name).read_text(encoding="utf-8").strip()
            except FileNotFoundError:
                raise BundleError(f"{name} was not changed here, so there is nothing to go back to") from None
            if before == _PACKAGED:
                link.unlink(missing_ok=True)
                sync(self._folder)
            else:
                _relink(link, before)
            self._note(name).unlink()
            return None if before == _PACKAGED else self._folder / before

    def tidy(self, name: str) -> None:
        """Remove the versions of ``name`` but the one in use and the one before."""
        with _in_words(self._folder):
            kept = {self._note(name).read_text(encoding="utf-8").strip()} if self._note(name).exists() else set()
            link = self._folder / f"{name}{SUFFIX}"
            if link.is_symlink():
                kept.add(os.readlink(link))  # noqa: PTH115
            for path in self._versions.glob(f"*{SUFFIX}"):
                if os.path.join(VERSIONS, path.name) not in kept and _name_of(path) == name:  # noqa: PTH118
                    path.unlink()

    def _note(self, name: str) -> Path:
        return self._versions / f"{name}.before"


def _file_name(card: Card, signature: bytes | None) -> str:
    """One name for each bundle, and for each signature of it: none takes the place of another."""
    version = "".join(c if c.isalnum() or c in "._" else "_" for c in str(card.raw["version"]))[:40]
    signed = "" if signature is None else f"-{hashlib.sha256(signature).hexdigest()[:8]}"
    return f"{card.name}-{version}-{fingerprint(card.raw)}{signed}{SUFFIX}"


def _name_of(path: Path) -> str:
    try:
        return read_card(path).name
    except BundleError:
        return ""


def _relink(link: Path, target: str) -> None:
    """Point ``link`` at ``target`` in one step. One name will do for the fresh one: the link is made whole, and whoever
    finds the name taken fails with a sentence.
    """
    fresh = link.with_name(f".{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)
    sync(link.parent)


@contextmanager
def _in_words(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StorageError(
            f"the bundles in {folder} cannot be changed: {reason}",
            "Run it as root or as the daemon's account, and see that the disk has room.",
        ) from error
