"""``earmark verify`` through the daemon, which holds the microphone.

Takes the parsed arguments; gives an exit code, or None where no daemon listens to a microphone here. Must hold: a
person is told who listens; the answer has the form that it has without a daemon; a daemon is never passed over in
silence.
"""

from __future__ import annotations

import argparse
import os
from typing import Any, Final

from edge.auth.words import REMEDIES
from edge.challenge import MOST_SECONDS
from edge.cli.console import Console, printable
from edge.cli.opening import open_settings
from edge.control import Answer, Client, VerifyRequest, candidates, first_daemon
from edge.control.protocol import DEFAULT_SECONDS, LONGEST_SECONDS
from edge.errors import EXIT_OK, ControlError, UsageError
from edge.settings import state_dir

_PATIENCE_SECONDS: Final = 15.0
"""Beyond the sound asked for: the daemon starts, judges, and ends by itself before this."""


def verify_at_daemon(args: argparse.Namespace) -> int | None:
    """The exit code of a verification by the daemon; None where none holds a microphone, or it may not be asked.

    Raises ``UsageError`` for options that only a command of its own could follow, and ``ControlError`` where the daemon
    begins and does not end.
    """
    console: Console = args.console
    client = _daemon(args, console)
    if client is None:
        return None
    with client:
        if not _holds_a_microphone(client, console):
            return None
        if given := [f"--{name}" for name in ("bundle", "profile") if getattr(args, name, None)]:
            raise UsageError(
                f"The daemon holds the microphone and judges by its own settings, not by {' and '.join(given)}",
                "Leave that out, stop the daemon, or give a recording.",
            )
        seconds = min(args.timeout or (MOST_SECONDS if args.challenge else DEFAULT_SECONDS), LONGEST_SECONDS)
        request = VerifyRequest(
            "verify", args.person, args.challenge, max(1.0, seconds), language=getattr(args, "language", "en")
        )
        answer = client.ask(request, seconds + _PATIENCE_SECONDS, lambda told: _progress(console, request, told))
    return _tell(console, answer)


def _daemon(args: argparse.Namespace, console: Console) -> Client | None:
    settings = open_settings(args)
    only_here = args.state is not None or "EARMARK_STATE" in os.environ
    try:
        return first_daemon(candidates(settings.control, state_dir(settings, args.state), only_here=only_here))
    except ControlError as error:
        _pass_over(error, console)
        return None


def _pass_over(error: ControlError, console: Console) -> None:
    """A daemon is there and may hold the microphone, but it cannot be asked."""
    console.note(f"{error.sentence()} Trying the microphone without it.")


def _holds_a_microphone(client: Client, console: Console) -> bool:
    """Whether the daemon listens to a live source; one that plays a recording leaves the microphone to others."""
    try:
        status = client.status()
    except ControlError as error:
        _pass_over(error, console)
        return False
    return status.get("listening") is True and status.get("live") is True


def _progress(console: Console, request: VerifyRequest, told: dict[str, Any]) -> None:
    seconds = told.get("seconds")
    if told.get("stage") == "challenge":
        console.prompt(f"Say: {printable(str(told.get('text', '')))}")
    elif told.get("stage") == "listening" and not request.challenge:
        most = f" for at most {seconds:g} s" if isinstance(seconds, int | float) else ""
        console.note(f"The daemon holds the microphone and listens{most}: say a sentence.")


def _tell(console: Console, answer: Answer) -> int:
    error = answer.error
    if error is not None:
        if console.json:
            console.emit({"error": answer.body["error"]})
        else:
            remedy = f" {error['remedy']}" if error["remedy"] else ""
            console.warn(printable(f"{error['message']}.{remedy}"))
        return answer.exit_code
    attempt = answer.body.get("attempt")
    attempt = attempt if isinstance(attempt, dict) else {}
    if console.json:
        console.emit(attempt)
        return answer.exit_code
    sentence = printable(str(answer.body.get("sentence", "")))
    console.say(console.style(sentence, "green" if answer.exit_code == EXIT_OK else "yellow"))
    if attempt.get("outcome") == "uncertain":
        console.note("Say more: evidence adds up.")
    elif attempt.get("outcome") == "no_decision":
        console.note(REMEDIES.get(str(attempt.get("reason")), ""))
    return answer.exit_code
