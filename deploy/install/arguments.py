"""The words of the installer, for ``earmark deploy`` and for a kit that is run by itself.

Takes arguments. Gives lines or JSON, and an exit code. Must hold: what goes wrong is one sentence; what was done is
said with the version that runs now.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Final

from deploy.install import kits, microphones
from deploy.install.faults import EXIT_INTERRUPTED, InstallFault
from deploy.install.flows import Flows, Outcome
from deploy.install.layout import CURRENT, PREVIOUS, Layout
from deploy.install.platforms import ask, base_python
from deploy.install.service import Services
from deploy.install.signals import interruptible
from deploy.install.sources import open_source, sha256

WATCH_SECONDS: Final = 10.0
EXAMPLES: Final = """examples:
  sudo python3 earmark-0.1.0-arm64.pyz                     a kit installs itself, or upgrades what is there
  sudo python3 -m deploy.install                           from a checkout, with the network
  sudo earmark deploy upgrade earmark-0.2.0-arm64.pyz      with a self-test before and a health check after
  sudo earmark deploy rollback                             back to the version before
  earmark deploy kit --release bookworm --release trixie   one file for Pis without a network
  earmark deploy microphones
  sudo earmark deploy uninstall                            people and settings stay; --purge removes them
"""

_SENTENCES: Final = {
    "installed": "Earmark {version} is installed.",
    "upgraded": "Earmark {version} is installed; {before} is kept, and `sudo earmark deploy rollback` returns to it.",
    "unchanged": "Earmark {version} is installed already, and passes its self-test.",
    "rolled back": "Earmark {version} runs again, instead of {before}.",
    "recovered": "Earmark {version} runs, as before the upgrade that was cut off.",
    "nothing to recover": "No upgrade was cut off.",
    "removed": "Earmark is removed.",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the installer by itself. Without a word it installs. Gives the exit code; never raises."""
    top = argparse.ArgumentParser(
        prog="earmark-install",
        description="Install Earmark, upgrade it, go back, or remove it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    words = top.add_subparsers(dest="what", metavar="WHAT")
    add_words(words)
    given = list(sys.argv[1:] if argv is None else argv)
    if not given or (given[0].startswith("-") and given[0] not in {"-h", "--help"}):
        given = ["install", *given]
    options = top.parse_args(given)
    code: int = options.act(options)
    return code


def add_words(words: Any) -> None:
    """Add the installer's words to the subparsers of a command. Each sets ``act``, which gives the exit code."""
    for name, text in (
        ("install", "put Earmark on this machine, or upgrade it: a kit, a wheel or a checkout"),
        ("upgrade", "the same, where it is installed already"),
    ):
        word = words.add_parser(name, help=text)
        word.add_argument("source", nargs="?", default="", help="kit, wheel or checkout; a kit takes itself")
        word.add_argument("--python", type=Path, default=base_python(), help="the Python to use (%(default)s)")
        word.add_argument(
            "--microphone",
            metavar="CARD",
            default="",
            help="give this USB microphone the name earmark for good: a number, or auto where there is one only",
        )
        word.add_argument(
            "--watch",
            type=float,
            metavar="SECONDS",
            help=f"how long a service that is ready must go on to count as healthy ({WATCH_SECONDS:g})",
        )
        word.add_argument("--no-apt", action="store_true", help="install no Debian packages")
        _finish(word, _install)
    _finish(words.add_parser("rollback", help="go back to the version before"), _rollback)
    word = words.add_parser("recover", help="undo an upgrade that was cut off")
    word.add_argument("--at-start", action="store_true", help=argparse.SUPPRESS)
    _finish(word, _recover)
    word = words.add_parser("uninstall", help="remove Earmark; people and settings stay")
    word.add_argument("--purge", action="store_true", help="remove people, settings and waiting messages, too")
    _finish(word, _uninstall)
    _finish(
        words.add_parser("versions", help="which versions are installed, and which one runs"), _versions, root=False
    )

    word = words.add_parser("kit", help="make one file that installs Earmark without a network")
    word.add_argument("source", nargs="?", default="", help="wheel or checkout (this checkout)")
    word.add_argument("--release", action="append", choices=sorted(kits.RELEASES), help="for which; may be repeated")
    word.add_argument("--arch", choices=sorted(kits.MACHINES), default="arm64", help="for which machines (%(default)s)")
    word.add_argument("--debs", type=Path, help="folder of .deb files to put in, for what the Pi's system lacks")
    word.add_argument("--out", type=Path, help="file to write (earmark-VERSION-ARCH.pyz)")
    word.set_defaults(act=_kit)

    word = words.add_parser("microphones", help="the USB microphones, and the rule that gives each a lasting name")
    word.add_argument("--json", action="store_true", help="print JSON")
    word.add_argument("--root", type=Path, default=Path("/"), help=argparse.SUPPRESS)
    word.set_defaults(act=_microphones)


def _finish(word: argparse.ArgumentParser, act: Any, *, root: bool = True) -> None:
    word.add_argument(
        "--json", action="store_true", help="print the outcome as JSON; what is being done goes to stderr"
    )
    word.add_argument("--root", type=Path, default=Path("/"), help="a folder to treat as the root; nothing is started")
    word.set_defaults(watch=WATCH_SECONDS)
    word.set_defaults(act=lambda options: _reported(options, act, needs_root=root))


def _reported(options: argparse.Namespace, act: Any, *, needs_root: bool) -> int:
    layout = Layout(options.root.resolve())
    try:
        if needs_root and layout.live and os.geteuid() != 0:
            raise InstallFault("Only root may do that", "Put sudo before the command.")
        running = layout.live and Path("/run/systemd/system").is_dir()
        services = Services(layout, running, watch_seconds=options.watch)
        flows = Flows(layout, services, _say(options), apt=not getattr(options, "no_apt", False))
        os.umask(0o022)
        with interruptible():
            told = act(flows, options)
    except InstallFault as fault:
        return _failed(options, fault)
    except KeyboardInterrupt:
        running_now = layout.linked(CURRENT)
        said = f"Stopped; {running_now} runs as before." if running_now else "Stopped; nothing is installed."
        _print(said, sys.stderr)
        return EXIT_INTERRUPTED
    except OSError as error:
        named = f" ({error.filename})" if error.filename else ""
        return _failed(options, InstallFault(f"{error.strerror or error}{named}", "See that root may write there."))
    if options.json:
        _print(json.dumps(asdict(told) if isinstance(told, Outcome) else told))
    elif isinstance(told, Outcome):
        _print(_SENTENCES[told.action].format(version=told.version, before=told.before))
    return 0


def _say(options: argparse.Namespace) -> Any:
    return lambda text: _print(text, sys.stderr if options.json else None)


def _print(text: str, file: IO[str] | None = None) -> None:
    """Print a line. Whoever listened may be gone, with an SSH session say; a way back must not end because of that."""
    with contextlib.suppress(OSError):
        print(text, file=file, flush=True)


def _failed(options: argparse.Namespace, fault: InstallFault) -> int:
    if getattr(options, "json", False):
        _print(json.dumps({"error": {"code": "install", "message": fault.cause, "remedy": fault.remedy}}))
    else:
        _print(fault.sentence(), sys.stderr)
    return fault.exit_code


def _install(flows: Flows, options: argparse.Namespace) -> Outcome:
    outcome = flows.install(options.source, options.python, upgrade=options.what == "upgrade")
    if options.microphone:
        flows.name_microphone(options.microphone)
    if outcome.action == "installed" and not options.json:
        _print("Next: sudo earmark enroll NAME, and sudo earmark doctor for what is missing.")
    return outcome


def _rollback(flows: Flows, options: argparse.Namespace) -> Outcome:
    return flows.rollback()


def _recover(flows: Flows, options: argparse.Namespace) -> Outcome:
    return flows.recover(at_start=options.at_start)


def _uninstall(flows: Flows, options: argparse.Namespace) -> Outcome:
    outcome = flows.uninstall(purge=options.purge)
    if not options.purge:
        kept = f"{flows.layout.settings.parent} and {flows.layout.state}"
        flows.say(f"Kept: {kept}, with voiceprints. `sudo rm -r {kept.replace(' and', '')}` removes them.")
    return outcome


def _versions(flows: Flows, options: argparse.Namespace) -> list[dict[str, Any]]:
    layout = flows.layout
    marks = {layout.linked(PREVIOUS): "before", layout.linked(CURRENT): "runs"}
    rows = [
        {"name": name, "use": marks.get(name, "")} | asdict(record)
        for name in layout.versions()
        if (record := layout.record(name)) is not None
    ]
    for row in [] if options.json else rows:
        made = f"Python {row['python']}, {row['installed'][:19]}, {row['source']}"
        print(f"{row['name']:<16} {row['use'] or '-':<7} {made}")
    if not rows and not options.json:
        print("No version is installed.")
    return rows


def _kit(options: argparse.Namespace) -> int:
    releases = options.release or list(kits.RELEASES)
    try:
        with tempfile.TemporaryDirectory(prefix="earmark-") as work, interruptible():
            source = open_source(options.source, Path(work), ask(base_python()))
            out = options.out or Path(f"earmark-{source.version}-{options.arch}.pyz")
            size = kits.make_kit(source, out.resolve(), releases, options.arch, Path(work), debs=options.debs)
    except InstallFault as fault:
        return _failed(options, fault)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    print(f"{out}: Earmark {source.version} for {' and '.join(releases)} on {options.arch}, {size / 1e6:.0f} MB.")
    print(f"SHA-256 {sha256(out)}")
    print(f"On the Pi: sudo python3 {out.name}")
    return 0


def _microphones(options: argparse.Namespace) -> int:
    known = microphones.cards(options.root)
    if options.json:
        print(json.dumps([asdict(card) for card in known]))
        return 0
    for card in known:
        rule = shlex.join(["earmark", "deploy", "udev", *card.choice(known)])
        serial = f", serial {card.serial}" if card.serial else ""
        print(f"card {card.number} [{card.id}]  {card.name}, {card.vendor}:{card.product}, port {card.port}{serial}")
        print(f"    {rule} | sudo tee /etc/udev/rules.d/85-earmark-microphone.rules")
    if not known:
        print("No USB microphone is plugged in.")
    return 0
