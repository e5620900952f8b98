"""``earmark status``: how is the daemon on this machine?"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from edge.cli import options
from edge.cli.console import Console, count, printable, table

if TYPE_CHECKING:
    from edge.control import Client
    from edge.settings import Settings

DESCRIPTION = """
Ask the daemon how it is: version, bundle, microphone, broker, people, messages waiting, time since its start or reload.

exit codes: 0 it runs and all is well; 1 it runs, and something is wrong; 5 no daemon answers
"""
EXAMPLES = """
earmark status
sudo earmark status --json
earmark status --state /var/lib/kitchen
earmark status --prometheus > earmark.prom        for the textfile collector of node_exporter
"""


def register(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "--prometheus", action="store_true", help="as metrics that Prometheus reads; earmark_up 0 where none answers"
    )
    options.add_place(parser)


def run(args: argparse.Namespace) -> int:
    """Ask, and show."""
    from edge.cli.opening import open_settings
    from edge.cli.prometheus import exposition
    from edge.control import faults
    from edge.errors import EXIT_NO, EXIT_OK, ControlError

    console: Console = args.console
    try:
        with find_daemon(open_settings(args), args) as daemon:
            status = daemon.status()
    except ControlError:
        if args.prometheus:
            console.say(exposition(None).rstrip("\n"))
        raise
    wrong = faults(status)
    if args.prometheus:
        console.say(exposition(status).rstrip("\n"))
    elif console.json:
        console.emit(status | {"healthy": not wrong, "faults": list(wrong)})
    else:
        for line in table(rows(status)):
            console.say(printable(line))
        for fault in wrong:
            console.say(console.style(f"fault: {printable(fault)}", "red"))
    return EXIT_NO if wrong else EXIT_OK


def find_daemon(settings: Settings, args: argparse.Namespace) -> Client:
    """A connection to the daemon here. Raises ``ControlError`` where there is none, or it may not be asked."""
    import os

    from edge.control import candidates, first_daemon
    from edge.errors import ControlError
    from edge.settings import state_place

    only_here = args.state is not None or "EARMARK_STATE" in os.environ
    paths = candidates(settings.control, state_place(settings, args.state), only_here=only_here)
    client = first_daemon(paths)
    if client is None:
        tried = " nor ".join(str(path) for path in paths)
        raise ControlError(
            f"No daemon answers at {tried}",
            "Start it (`systemctl start earmark`, or `earmark run`), or name its state folder with --state.",
        )
    return client


def rows(status: dict[str, Any]) -> list[tuple[str, str]]:
    """What a person wants to know, in two columns."""
    ear = (
        "switched off" if status.get("switched_off") else ("listening" if status.get("listening") else "not listening")
    )
    broker = {None: "none", True: "connected", False: "not connected"}[status.get("broker")]
    dropped = status.get("outbox_dropped", 0)
    waiting = count(status.get("outbox_pending", 0), "message") + " waiting"
    return [
        ("version", str(status.get("version"))),
        ("bundle", f"{status.get('model')} ({status.get('bundle_path')})"),
        ("space", str(status.get("space") or f"its own (encoder {status.get('encoder')})")),
        ("sound", f"{status.get('source')}: {ear}"),
        ("broker", broker),
        ("outbox", waiting + (f", {dropped} given up" if dropped else "")),
        ("people", str(status.get("enrolled"))),
        ("since", f"{status.get('started')} ({duration(status.get('uptime_s', 0))})"),
    ]


def duration(seconds: float) -> str:
    """``3 d 4 h``, ``2 h 5 min``, ``41 s``: the two largest units."""
    left = int(seconds)
    parts: list[str] = []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if left >= size or (unit == "s" and not parts):
            parts.append(f"{left // size} {unit}")
            left %= size
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts)
