"""How a command of these rooms ends.

Takes what a command does and its parsed arguments. Gives an exit code. Must hold: an expected error is one sentence on
standard error, never a traceback.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from edge.errors import EXIT_OK, EarmarkError


def finish(work: Callable[[argparse.Namespace], None], options: argparse.Namespace) -> int:
    """Do ``work``; 0, or the code of the error that it raised."""
    try:
        work(options)
    except EarmarkError as error:
        print(f"earmark: {error.sentence()}", file=sys.stderr)
        return error.exit_code
    return EXIT_OK
