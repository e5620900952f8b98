"""The command line. ``main`` is the console script ``earmark``.

Takes arguments, gives an exit code (see ``edge.errors``). ``registry`` lists the commands, ``app`` finds, parses and
runs one, ``session`` opens settings, bundle and people for it, ``console`` and ``progress`` talk to a person. Each
command is one module with ``DESCRIPTION``, ``EXAMPLES``, ``register(parser)`` and ``run(args) -> int``.
Must hold: only the module of the chosen command is imported.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code. ``argv``: the arguments without the program's name."""
    # Before numpy is imported. The matrices here are small: more threads would only spin, and hold memory each.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from edge.cli.app import main as run

    return run(argv)
