"""``earmark studio``: a page in the browser on which a person tries it."""

from __future__ import annotations

import argparse
import secrets
from importlib.util import find_spec
from typing import Final

from edge.cli import options
from edge.cli.console import Console
from edge.cli.session import open_session
from edge.errors import EXIT_OK, ExtraMissingError, UsageError

DESCRIPTION = """
Try Earmark in a browser: record or upload a voice and see whose it is and why, enrol and remove people, look at the
household's voices on a map, choose thresholds, read the models' cards. The same settings, models, pipeline and people
as `earmark run`, which may be running. Open the address that is printed; it carries a key, and only this machine
reaches it. Needs `earmark[studio]`.

exit codes: 0 ended by SIGTERM or Ctrl-C, 2 usage or a port that is taken, 5 no model or not installed
"""
EXAMPLES = """
earmark studio
earmark studio --port 8600 --profile strict
sudo earmark studio                                          on an installed Pi: the daemon's people
ssh -t -L 8501:127.0.0.1:8501 pi sudo earmark studio         the same, in this machine's browser
"""
PORT: Final = 8501


def register(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--port", type=_port, default=PORT, metavar="N", help="port of the page (%(default)s)")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to serve; another one than %(default)s opens the page to other machines",
    )
    options.add_place(parser)
    options.add_model(parser)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 1 to 65535")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Serve until it is ended."""
    console: Console = args.console
    if find_spec("streamlit") is None:
        raise ExtraMissingError("The studio is not installed", "Install it: pip install 'earmark[studio]'")
    from edge.studio.opened import Opened, use
    from edge.studio.server import Place, is_free, is_loopback, serve

    place = Place(args.host, args.port)
    if not is_free(place):
        raise UsageError(
            f"{place.host}, port {place.port}, is taken or not an address of this machine", "Choose another --port."
        )
    key = secrets.token_urlsafe(18)
    with open_session(args) as session:
        opened = Opened(session, args, key)
        use(opened)
        if not is_loopback(place.host):
            console.warn(
                f"OTHER MACHINES REACH THIS PAGE at {place.host}: whoever has its address with the key hears what you "
                "play, and enrols and removes people. The connection is not encrypted, and browsers let such a page "
                f"record nothing. Better: ssh -L {place.port}:127.0.0.1:{place.port} to this machine."
            )
        try:
            serve(place, key, lambda url: console.say(f"The studio is at {url}\nCtrl-C ends it."), debug=args.debug)
        finally:
            opened.close()
    return EXIT_OK
