"""``earmark data``: speech and the features that training makes of it.

Takes arguments, gives an exit code (see ``edge.errors``). Each sub-command is one module with ``DESCRIPTION``,
``EXAMPLES``, ``register(parser)`` and ``run(args, console) -> int``. Must hold: only the module of the chosen one does
any work; results go to standard output, all else to standard error.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import Final

from edge.cli.console import Console
from edge.errors import EarmarkError

COMMANDS: Final = {
    "fetch": "training.data.command_fetch",
    "import": "training.data.command_import",
    "prepare": "training.data.command_prepare",
    "list": "training.data.command_list",
    "check": "training.data.command_check",
}
"""Sub-commands and their modules."""


def data(argv: Sequence[str] | None = None) -> int:
    """Run ``earmark data`` with the arguments after its name; gives the exit code."""
    # Before numpy is imported, here and in processes started from here: each has a core to itself.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    modules = {name: import_module(module) for name, module in COMMANDS.items()}
    args = _parser(modules).parse_args(argv)
    console = Console(json_output=args.json, quiet=args.quiet, no_colour=True)
    try:
        code: int = modules[args.command].run(args, console)
    except EarmarkError as error:
        console.warn(error.sentence())
        if args.json:
            console.emit({"error": {"code": error.code, "message": error.cause, "remedy": error.remedy}})
        return error.exit_code
    return code


def _parser(modules: dict[str, ModuleType]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="earmark data", description="Speech, and features made of it.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in modules.items():
        command = commands.add_parser(
            name,
            help=module.DESCRIPTION,
            description=module.DESCRIPTION,
            epilog=module.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.register(command)
        command.add_argument("--json", action="store_true", help="results as JSON, errors too")
        command.add_argument("--quiet", action="store_true", help="results and errors only")
    return parser
