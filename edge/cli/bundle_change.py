"""What ``earmark bundle`` does: offers, changes, and the way back.

Takes the parsed arguments. Gives an ``Offer`` or a ``Change``, or raises what stands against it. Must hold: nothing is
in use but the bytes that were verified, out of reach of the daemon's account; after an error the bundle in use is the
one of before; people who would have to enrol again are never a surprise.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.bundle import Card, comparable, fingerprint, in_words, open_bundle, pack, read_card
from edge.bundle.locate import locate
from edge.bundle.shelf import Shelf
from edge.cli.at_account import in_folder_of
from edge.cli.opening import open_settings
from edge.cli.reload import Outcome, Status, hang_up, new_faults, wait_for_reload
from edge.cli.status import find_daemon
from edge.control.peer import Peer
from edge.errors import BundleError, ControlError, IncompatibleBundleError, RolledBackError
from edge.settings import Settings, bundle_dirs, state_dir


@dataclass(frozen=True, slots=True)
class Offer:
    """A bundle that somebody offers. ``sha256``: of the file, empty for a folder."""

    path: Path
    card: Card
    sha256: str

    @property
    def model(self) -> str:
        """Name and version, as events carry it."""
        return f"{self.card.name}-{self.card.raw['version']}"

    def to_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "name": self.card.name,
            "version": str(self.card.raw["version"]),
            "model": self.model,
            "encoder": self.card.encoder,
            "space": self.card.space,
            "fingerprint": fingerprint(self.card.raw),
            "sha256": self.sha256 or None,
            "path": str(self.path),
        }

    def words(self) -> dict[str, str]:
        """For people."""
        return {
            "bundle": self.model,
            "embeddings": in_words(self.card),
            "encoder": self.card.encoder,
            "SHA-256": self.sha256 or "(a folder)",
            "verified": "every file is the one that its card names, and it computes here",
        }


@dataclass(frozen=True, slots=True)
class Change:
    """What was done. ``before``, ``after``: models, None where no daemon runs. ``enrol_again``: how many people."""

    action: str
    name: str
    before: str | None
    after: str | None
    changed: bool
    enrol_again: int = 0

    def to_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {slot: getattr(self, slot) for slot in self.__slots__}

    def sentence(self) -> str:
        """For people."""
        if not self.changed:
            return f"The daemon listens with {self.after} already; nothing was changed."
        if self.after is None:
            return f"{self.name} is in place; no daemon runs here, and the next one will use it."
        return f"The daemon listens with {self.after} now, and with {self.before} no more."

    def advice(self) -> list[str]:
        """What is left to do."""
        if not self.enrol_again:
            return []
        return [f"{_people(self.enrol_again)} must be enrolled again: `earmark enroll NAME --add ...`."]


@dataclass(frozen=True, slots=True)
class Running:
    """The daemon on this machine as it was found."""

    status: Status
    peer: Peer


def offered(args: argparse.Namespace) -> Offer:
    """The bundle that was named. Raises ``BundleError`` for what is none, or not the one that was meant."""
    path = locate(args.what, bundle_dirs(open_settings(args), args.state)).absolute()
    digest = ""
    if path.is_file():
        digest = _sha256(path)
    if args.sha256 and args.sha256.lower() != digest:
        raise BundleError(
            f"{path} has not the SHA-256 that was asked for ({digest[:16] or 'it is a folder'}...)", "Get it again."
        )
    return Offer(path, read_card(path), digest)


def verify(path: Path, settings: Settings, place: Path) -> None:
    """Open it as the daemon with the state folder ``place`` would. Raises what keeps it from being used."""
    open_bundle(path, settings.models, directories=bundle_dirs(settings, place))


def install(args: argparse.Namespace) -> Change:
    """Put the bundle that was named to use."""
    offer = offered(args)
    settings = open_settings(args)
    with _alone(settings, args) as (daemon, place):
        return _install(offer, settings, daemon, place, args)


def _install(offer: Offer, settings: Settings, daemon: Running | None, place: Path, args: argparse.Namespace) -> Change:
    wanted, name = fingerprint(offer.card.raw), offer.card.name
    # With --force all the same: its signature may be another one.
    if daemon and daemon.status.get("fingerprint") == wanted and not args.force:
        return Change("install", name, offer.model, offer.model, changed=False)
    _refuse_another_name(offer.card, settings, daemon)
    if not args.force:
        _refuse_strangers(offer, settings, daemon, place)
    account = daemon.peer.uid if daemon else None
    # Copied as whoever runs this: the daemon's account cannot look into their home, nor swap what root computes with.
    with _private_copy(offer.path) as copy:
        if fingerprint(read_card(copy).raw) != wanted or offer.sha256 not in ("", _sha256(copy)):
            raise BundleError(f"{offer.path} changed while it was being read", "Try again.")
        verify(copy, settings, place)
        digest = _sha256(copy)
        with copy.open("rb") as stream, in_folder_of(account, place) as folder:
            shelf = Shelf(folder / "bundles")
            stored = shelf.put(stream)
            if _sha256(stored) != digest:
                raise BundleError(f"{place / stored} is not what was copied there", "Check the disk, and try again.")
            another = shelf.use(name, stored)
    if daemon is None:
        return Change("install", name, None, None, changed=True)
    try:
        outcome = _reload(daemon, wanted, settings, args)
        if outcome.why or outcome.status is None:
            raise RolledBackError(
                f"the daemon did not come back well with it ({outcome.why}), so the former bundle is in use again",
                "The daemon's log says more.",
            )
        status = outcome.status
    except BaseException:
        if another:
            with in_folder_of(account, place) as folder:
                Shelf(folder / "bundles").back(name, stored)
        _settle_back(daemon, settings, args)
        raise
    with in_folder_of(account, place) as folder:
        Shelf(folder / "bundles").tidy(name)
    lost = int(daemon.status.get("enrolled", 0)) - int(status.get("enrolled", 0))
    return Change("install", name, str(daemon.status.get("model")), offer.model, True, max(0, lost))


def back(args: argparse.Namespace) -> Change:
    """Let the name that was given mean the bundle that it meant before."""
    settings = open_settings(args)
    with _alone(settings, args) as (daemon, place):
        return _back(settings, daemon, place, args)


def _back(settings: Settings, daemon: Running | None, place: Path, args: argparse.Namespace) -> Change:
    with in_folder_of(daemon.peer.uid if daemon else None, place) as folder:
        Shelf(folder / "bundles").back(args.what)
    if daemon is None:
        return Change("back", args.what, None, None, changed=True)
    card = read_card(locate(args.what, bundle_dirs(settings, place)))
    model = f"{card.name}-{card.raw['version']}"
    outcome = _reload(daemon, fingerprint(card.raw), settings, args)
    if outcome.why:
        raise _not_well(model, outcome.why)
    return Change("back", args.what, str(daemon.status.get("model")), model, changed=True)


@contextlib.contextmanager
def _alone(settings: Settings, args: argparse.Namespace) -> Iterator[tuple[Running | None, Path]]:
    """The daemon and its state folder, while no other command changes the bundles there: also until the daemon has
    taken the change, since what it then says, and the way back, belong to that change.
    """
    daemon = _running(settings, args)
    place = _place(settings, daemon, args)
    patience = 2 * args.wait + args.settle  # as long as another one may take that is taken back
    with contextlib.ExitStack() as stack:
        with in_folder_of(daemon.peer.uid if daemon else None, place) as folder:
            stack.enter_context(Shelf(folder / "bundles").alone(patience))
        daemon = _running(settings, args)  # the other one may have made it reload
        if _place(settings, daemon, args) != place:
            raise ControlError("The daemon was started or ended meanwhile", "Try again.")
        yield daemon, place


def _running(settings: Settings, args: argparse.Namespace) -> Running | None:
    """The daemon, None where none answers. Raises ``ControlError`` where there is one that this account may not ask."""
    try:
        client = find_daemon(settings, args)
    except ControlError as error:
        if error.__cause__ is not None:
            raise
        return None
    with client:
        return Running(client.status(), client.peer)


def _place(settings: Settings, daemon: Running | None, args: argparse.Namespace) -> Path:
    """The daemon's state folder, or the one in which it would be, made where it is missing."""
    return Path(str(daemon.status["state"])) if daemon else state_dir(settings, args.state)


@contextlib.contextmanager
def _private_copy(path: Path) -> Iterator[Path]:
    """A bundle as one ``.earmark`` file in a folder that only whoever runs this may enter."""
    with tempfile.TemporaryDirectory(prefix="earmark-bundle-") as folder:
        copy = Path(folder) / f"{path.stem}.earmark"  # its name may stand in a sentence
        if path.is_dir():
            pack(path, copy)
        else:
            shutil.copyfile(path, copy)
        yield copy


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refuse_another_name(card: Card, settings: Settings, daemon: Running | None) -> None:
    used = str(daemon.status.get("bundle")) if daemon else settings.models.bundle
    if used != card.name:
        raise BundleError(
            f"{'the daemon listens with' if daemon else 'the settings name'} {used}, and this bundle is {card.name}",
            "Name it in models.bundle of the settings first, or take a bundle of that name.",
        )


def _refuse_strangers(offer: Offer, settings: Settings, daemon: Running | None, place: Path) -> None:
    """Raise ``IncompatibleBundleError`` where people are enrolled whom this bundle could not recognise."""
    card = offer.card
    if daemon is not None:
        status = daemon.status
        people = int(status.get("enrolled", 0))
        same = status.get("encoder") == card.encoder or (bool(card.space) and card.space == status.get("space"))
        used = f"space {status['space']}" if status.get("space") else "a space of its own"
        who = f"{_people(people)} enrolled here"
    else:
        try:
            other = read_card(locate(settings.models.bundle, bundle_dirs(settings, place)))
        except BundleError:
            return  # none is in use, so that nobody can have enrolled with it
        people = int((place / "people.sqlite").exists())  # whom only the daemon's account may count
        same, used, who = comparable(other, card), in_words(other), "whoever is enrolled here"
    if people and not same:
        raise IncompatibleBundleError(
            f"{offer.model} makes embeddings of another kind ({in_words(card)}) than the bundle in use ({used}): "
            f"{who} would not be recognised any more until enrolled again",
            "Take a bundle of the same space, or give --force and enrol everybody again.",
        )


def _reload(daemon: Running, wanted: str, settings: Settings, args: argparse.Namespace) -> Outcome:
    """Make the daemon reload; gives how it is then."""
    hang_up(daemon.peer)
    return wait_for_reload(
        lambda: find_daemon(settings, args), daemon.status, wanted, args.wait + args.settle, args.settle
    )


def _settle_back(daemon: Running, settings: Settings, args: argparse.Namespace) -> None:
    """After the link leads back: the daemon must be as before. Raises ``ControlError`` where it is not."""
    with contextlib.suppress(ControlError):
        now = _running(settings, args)
        if (
            now
            and now.status.get("fingerprint") == daemon.status.get("fingerprint")
            and not new_faults(daemon.status, now.status)
        ):
            return  # it never took the new one
        if now:
            hang_up(now.peer)
    before = daemon.status | {"started": None, "reload_refused": None}  # type: ignore[operator]
    outcome = wait_for_reload(
        lambda: find_daemon(settings, args), before, str(daemon.status.get("fingerprint")), args.wait, 0
    )
    if outcome.why:
        raise _not_well("the former bundle", outcome.why)


def _not_well(what: str, why: str) -> ControlError:
    return ControlError(
        f"{what} is in place again, but the daemon is not well: {why}",
        "`systemctl status earmark` and its log say more.",
    )


def _people(number: int) -> str:
    return "1 person" if number == 1 else f"{number} people"
