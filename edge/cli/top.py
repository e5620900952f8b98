"""``earmark top``: watch the daemon on this machine."""

from __future__ import annotations

import argparse
import os
import select
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from edge.cli import options
from edge.cli.console import Console

if TYPE_CHECKING:
    from edge.control import Client
    from edge.settings import Settings

DESCRIPTION = """
Watch the daemon: level and background, whether somebody speaks, the last decisions, broker, outbox, what is wrong. It
asks the daemon on this machine over its control socket; only root and the daemon's own account are told who spoke. q or
Ctrl-C ends it.

exit codes: 0 ended by you, 5 no daemon answers, or it does not tell this account
"""
EXAMPLES = """
sudo earmark top
sudo earmark top --once                 one look, then the prompt again
sudo earmark top --json --interval 5    a JSON object every five seconds
"""
_SCREEN: Final = "\x1b[?1049h\x1b[?25l"
_BACK: Final = "\x1b[?25h\x1b[?1049l"


def register(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--once", action="store_true", help="show it once; so does output that is no terminal")
    parser.add_argument(
        "--interval", type=options.seconds, default=0.5, metavar="SECONDS", help="how often to look (%(default)s)"
    )
    options.add_place(parser)


def run(args: argparse.Namespace) -> int:
    """Look until somebody has seen enough."""
    from edge.cli.opening import open_settings
    from edge.cli.status import find_daemon
    from edge.errors import EXIT_OK

    console: Console = args.console
    settings = open_settings(args)
    with find_daemon(settings, args) as daemon:
        looks = _look(daemon)
    if console.json:
        console.emit(looks)
        with suppress(KeyboardInterrupt):
            while not args.once:
                time.sleep(args.interval)
                with find_daemon(settings, args) as daemon:
                    console.emit(_look(daemon))
    elif args.once or not (sys.stdout.isatty() and sys.stdin.isatty()):
        for line in _lines(looks, console, 10_000):
            console.say(line)
    else:
        with suppress(KeyboardInterrupt), _screen():
            _watch(settings, args, console)
    return EXIT_OK


def _look(daemon: Client) -> dict[str, Any]:
    return {"status": daemon.status(), "recent": daemon.recent()}


def _lines(looks: dict[str, Any], console: Console, height: int) -> list[str]:
    from edge.cli.top_frame import frame

    width = shutil.get_terminal_size((100, 24)).columns
    return frame(looks["status"], looks["recent"], width, height, console.style)


def _watch(settings: Settings, args: argparse.Namespace, console: Console) -> None:
    """Until q. A daemon that goes, as at an upgrade, is waited for."""
    from edge.cli.status import find_daemon
    from edge.errors import ControlError

    daemon: Client | None = None
    try:
        while True:
            try:
                daemon = daemon or find_daemon(settings, args)
                lines = _lines(_look(daemon), console, shutil.get_terminal_size((100, 24)).lines - 1)
            except ControlError as error:
                if daemon is not None:
                    daemon.close()
                daemon, lines = None, [error.sentence(), "", "Waiting for it; q ends this."]
            sys.stdout.write("\x1b[H" + "".join(f"{line}\x1b[K\r\n" for line in lines) + "\x1b[J")
            sys.stdout.flush()
            if _asked_to_end(args.interval):
                return
    finally:
        if daemon is not None:
            daemon.close()


def _asked_to_end(seconds: float) -> bool:
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(ready) and os.read(sys.stdin.fileno(), 16)[:1] in (b"q", b"Q", b"\x04", b"")


@contextmanager
def _screen() -> Iterator[None]:
    """The terminal's other screen, single keys at once; as it was at the end, whatever happens."""
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        sys.stdout.write(_SCREEN)
        yield
    finally:
        sys.stdout.write(_BACK)
        sys.stdout.flush()
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
