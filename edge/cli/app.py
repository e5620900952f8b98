"""Find the command, parse its arguments, run it, and turn whatever happens into one sentence and an exit code.

Takes the arguments, gives the exit code. Must hold: no traceback without ``--debug``; a full disk, a closed pipe and
Ctrl-C end as quietly as they should; every error has the same form, in text and in JSON.
"""

from __future__ import annotations

import argparse
import errno
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, Final

from edge import __version__
from edge.cli import options, registry
from edge.cli.console import Console, printable
from edge.cli.interrupt import every_interrupt_counts
from edge.errors import EXIT_ENVIRONMENT, EXIT_INTERRUPTED, EXIT_OK, EarmarkError, LockedOut, StorageError, UsageError

EXIT_PIPE: Final = 141
"""What a shell reports for a program whose reader went away (128 + SIGPIPE)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Never raises, except for ``SystemExit`` from a command of another room."""
    words = list(sys.argv[1:] if argv is None else argv)
    console = Console(json_output=_wants_json(words), no_colour="--no-colour" in words or "--no-color" in words)
    debug = "--debug" in words
    try:
        with every_interrupt_counts():
            code = _dispatch(words)
            sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        console.clear_live()
        _restore_terminal()
        console.warn("stopped.")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _abandon_stdout()
        return EXIT_PIPE
    except EarmarkError as error:
        return _report(error, console, debug)
    except OSError as error:
        return _report(_storage(error), console, debug)
    except Exception as error:
        return _unexpected(error, console, debug)


def _wants_json(words: list[str]) -> bool:
    """Whether an error is to be told as JSON. What ``--json`` means to a command of another room is its own affair."""
    name = _split(words)[1]
    ours = any(command.name == name for command in registry.BUILT_IN)
    return "--json" in words and (ours or name not in registry.outside())


def _dispatch(words: list[str]) -> int:
    before, name, rest = _split(words)
    top = options.Parser("earmark")
    # What is not given must not hide the defaults of the command.
    top.argument_default = argparse.SUPPRESS
    top.add_argument("--version", action="version", version=f"earmark {__version__}")
    for add in (options.add_output, options.add_place, options.add_model):
        add(top)
    if not name and {"-h", "--help"} & set(before):
        before, name = [], "help"
    try:
        args = top.parse_args(before)
        if name == "help" and rest:
            name, rest = rest[0], ["--help"]
        if name in {"", "help"}:
            Console().say(registry.overview())
            return EXIT_OK
        if f"{name} {rest[0] if rest else ''}" in registry.PAIRS:
            name, rest = f"{name}-{rest[0]}", rest[1:]
        for command in registry.BUILT_IN:
            if command.name == name and command.exists():
                return _run(command, args, rest)
        point = registry.outside().get(name)
        if point is None:
            raise registry.unknown(name)
        if before:
            raise UsageError(f"{before[0]} stands before {name!r}", f"Write it after: `earmark {name} {before[0]}`.")
        return registry.load_outside(point)(rest)
    except SystemExit as done:  # how argparse ends --help and --version
        return done.code if isinstance(done.code, int) else EXIT_OK


def _split(words: list[str]) -> tuple[list[str], str, list[str]]:
    """Options before the command, its name, and what follows."""
    skip = False
    for i, word in enumerate(words):
        if skip:
            skip = False
        elif word in options.VALUED:
            skip = True
        elif not word.startswith("-"):
            return words[:i], word, words[i + 1 :]
    return words, "", []


def _run(command: registry.Command, args: argparse.Namespace, rest: list[str]) -> int:
    module = command.load()
    examples = "examples:\n" + "\n".join("  " + line for line in module.EXAMPLES.strip().splitlines())
    parser = options.Parser(f"earmark {command.name}", module.DESCRIPTION.strip(), examples)
    module.register(parser)
    options.add_output(parser)
    # Intermixed: `enroll Ada --add clip.wav` is what people type, and plain argparse refuses it.
    parser.parse_intermixed_args(rest, namespace=args)
    for name in options.SHARED:
        vars(args).setdefault(name, None)
    args.console = _console(args)
    _log_to_nobody(args.debug)
    return module.run(args)


def _log_to_nobody(debug: bool) -> None:
    """What a command has to say it prints; without this, warnings of the rooms would appear twice."""
    if debug:
        logging.basicConfig(level=logging.DEBUG)
    elif not logging.getLogger("edge").handlers:
        logging.getLogger("edge").addHandler(logging.NullHandler())


def _console(args: argparse.Namespace) -> Console:
    return Console(json_output=args.json, quiet=args.quiet, no_colour=args.no_colour)


def _report(error: EarmarkError, console: Console, debug: bool) -> int:
    console.clear_live()
    if debug:
        traceback.print_exception(error)
    try:
        if console.json:
            console.emit(error_json(error))
        else:
            console.warn(error.sentence())
    except BrokenPipeError:
        _abandon_stdout()
    return error.exit_code


def error_json(error: EarmarkError) -> dict[str, dict[str, Any]]:
    """The form of every error with ``--json``; ``reason`` where the audio was at fault or somebody is locked out, and
    then ``retry_seconds``: when to try again, null where waiting does not help.
    """
    body: dict[str, Any] = {"code": error.code, "message": error.cause, "remedy": error.remedy}
    if reason := getattr(error, "reason", None):
        body["reason"] = str(reason)
    if isinstance(error, LockedOut):
        body["retry_seconds"] = None if error.seconds is None else round(error.seconds, 1)
    return {"error": body}


def _storage(error: OSError) -> EarmarkError:
    """The sentence for an operating-system error that no room turned into one of its own."""
    where = f" ({printable(str(error.filename))})" if error.filename else ""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        _abandon_stdout()
        return StorageError(f"The disk is full{where}", "Free some space and try again.")
    if error.errno == errno.EROFS:
        return StorageError(f"The file system is read-only{where}", "Name another place, or mount it for writing.")
    reason = error.strerror or type(error).__name__
    return StorageError(f"{reason}{where}", "Check that the path exists and that this user may use it.")


def _unexpected(error: Exception, console: Console, debug: bool) -> int:
    console.clear_live()
    if debug:
        traceback.print_exception(error)
    detail = printable(str(error).split("\n")[0])[:200]
    wrapped = EarmarkError(
        f"Earmark made a mistake ({type(error).__name__}{': ' if detail else ''}{detail})",
        "Please report it, with what the same command prints with --debug.",
    )
    _report(wrapped, console, False)
    return EXIT_ENVIRONMENT


def _abandon_stdout() -> None:
    """Point stdout at nothing, or the interpreter complains when it flushes at exit."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return


def _restore_terminal() -> None:
    """Default colours and a visible cursor, whatever the command had switched."""
    for stream in (sys.stdout, sys.stderr):
        if stream.isatty():
            stream.write("\x1b[0m\x1b[?25h")
            stream.flush()
