"""``earmark wyoming``: tell a voice assistant's speakers apart, in front of its speech-to-text service."""

from __future__ import annotations

import argparse
import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from edge import __version__
from edge.cli import options
from edge.cli.console import Console
from edge.cli.session import Session, open_session
from edge.errors import EXIT_OK, EarmarkError, ExtraMissingError
from edge.settings import ASSISTANT_FOLDER

if TYPE_CHECKING:
    from edge.assistant.companion import Companion
    from edge.assistant.feed import Feed
    from edge.assistant.identity import Identity

DESCRIPTION = """
Stand between a voice assistant and its Wyoming speech-to-text service: the sound goes on unchanged and at once, the
speaker is decided meanwhile, told over MQTT, and stands beside the transcript (`context`), never in its text. Needs
`earmark[wyoming]`.

exit codes: 0 ended by SIGTERM or Ctrl-C, 2 usage or an address that is taken, 5 no model
"""
EXAMPLES = """
earmark wyoming --service tcp://127.0.0.1:10300
earmark wyoming --service tcp://nas.lan:10300 --uri tcp://0.0.0.0:10301 --zeroconf
earmark wyoming --service tcp://127.0.0.1:10300 --only enrolled      strangers get an empty transcript
earmark wyoming --service tcp://127.0.0.1:10300 --only Ada --only Ben
"""
_LOG = logging.getLogger(__name__)
_TICK_SECONDS: Final = 5.0


def register(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--service", required=True, metavar="URI", help="the speech-to-text service behind")
    parser.add_argument(
        "--uri", default="tcp://127.0.0.1:10301", metavar="URI", help="where to serve assistants (%(default)s)"
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="WHO",
        help="transcribe only for this person, or for everybody `enrolled`; may be repeated. No lock: see the docs",
    )
    parser.add_argument(
        "--wait",
        type=options.seconds,
        default=0.25,
        metavar="SECONDS",
        help="a transcript waits for the speaker at most so long (%(default)s)",
    )
    parser.add_argument("--node", metavar="NAME", help="name of this node in MQTT (the daemon's with -assistant)")
    parser.add_argument("--no-mqtt", action="store_true", help="tell nobody but the assistant")
    parser.add_argument(
        "--zeroconf", nargs="?", const="earmark", default="", metavar="NAME", help="be found by Home Assistant"
    )
    options.add_place(parser)
    options.add_model(parser)


def run(args: argparse.Namespace) -> int:
    """Serve."""
    console: Console = args.console
    if find_spec("wyoming") is None:
        raise ExtraMissingError("The Wyoming protocol is not installed", "Install it: pip install 'earmark[wyoming]'")
    from edge.assistant.permission import permission
    from edge.assistant.relay import Terms
    from edge.assistant.server import check_uri, serve
    from edge.daemon.logs import configure

    check_uri(args.uri)
    check_uri(args.service)
    with open_session(args) as session, ExitStack() as stack:
        configure(session.settings.log)
        may = permission(args.only, lambda who: session.store.find(who).id)
        feed = stack.enter_context(_feed(session, args)) if session.settings.mqtt.enabled and not args.no_mqtt else None

        def listen() -> Companion:
            from edge.assistant.companion import Companion

            # Whoever was enrolled a moment ago is known, and whoever was removed is not.
            pipeline = session.pipeline()
            if feed is not None:
                feed.people(pipeline.voiceprints)
            return Companion(pipeline, session.settings, feed.result if feed else lambda result, latency_ms: None)

        terms = Terms(args.service, may, listen, lambda who: _shown(who, session), args.wait)

        def ready() -> None:
            known = len(session.voiceprints)
            people = "1 person" if known == 1 else f"{known} people"
            console.note(f"Serving {args.uri} for {args.service}; {people} enrolled. Ctrl-C ends it.")

        serve(args.uri, terms, found_as=args.zeroconf, ready=ready)
    return EXIT_OK


def _shown(who: Identity, session: Session) -> dict[str, Any]:
    """What the assistant is told: the name as ``privacy.mqtt_names`` allows it."""
    from edge.events import shown_name

    values = who.to_json()
    if who.person_id is not None:
        mode = session.settings.privacy.mqtt_names
        values["speaker"] = shown_name(who.person_id, who.name or "", mode)
        if mode == "none":
            del values["speaker_id"]
    return values


@contextmanager
def _feed(session: Session, args: argparse.Namespace) -> Iterator[Feed]:
    """The feed to the broker, with a thread that lets time pass for it."""
    from edge.assistant.feed import Feed
    from edge.cli.delivery import Delivery

    folder = session.folder / ASSISTANT_FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    node = args.node or f"{session.settings.node.name}-assistant"
    settings = replace(session.settings, node=replace(session.settings.node, name=node))
    apart = replace(session, settings=settings, folder=folder)
    ended = threading.Event()
    with Delivery(apart) as publish:
        feed = Feed(session.settings, node, session.model, __version__, publish)
        feed.begin(session.voiceprints, publish.states)

        def tick() -> None:
            seen = -1
            while not ended.wait(_TICK_SECONDS):
                feed.tick()
                try:
                    if (now := session.store.generation()) != seen:
                        feed.people(session.voiceprints)
                        seen = now
                except EarmarkError as error:
                    _LOG.warning("the people enrolled cannot be read, and stay as they were: %s", error.sentence())

        clock = threading.Thread(target=tick, name="assistant-clock", daemon=True)
        clock.start()
        try:
            yield feed
        finally:
            ended.set()
            clock.join(_TICK_SECONDS)
