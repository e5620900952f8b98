"""How a long scenario tells what came of it: a table for people, JSON for programs, an exit code for `make`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

STARTED = time.time()


@dataclass(frozen=True, slots=True)
class Check:
    """One promise: ``name``, the figure found, and whether it holds (None: a figure only)."""

    name: str
    found: Any
    holds: bool | None = None


def add_arguments(parser: argparse.ArgumentParser, bundle: str) -> None:
    """What all scenarios take; ``bundle``: the models by default. SIGTERM ends them as Ctrl-C does, tidied up."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn by lot")
    parser.add_argument(
        "--bundle",
        default=bundle,
        help=f"the models: a name or a path; {bundle or 'a small one made on the spot'} by default",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures into a file, too")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def finish(name: str, args: argparse.Namespace, checks: Sequence[Check]) -> int:
    """Print the table; 0 where everything holds, else 1."""
    broken = [one for one in checks if one.holds is False]
    width = max(len(one.name) for one in checks)
    for one in checks:
        mark = {True: "ok", False: "BROKEN", None: ""}[one.holds]
        print(f"{one.name:{width}}  {one.found!s:>14}  {mark}")
    print(f"{name}: {'everything holds' if not broken else f'{len(broken)} promises broken'}")
    sys.stdout.flush()
    if args.json:
        said = {
            "scenario": name,
            "arguments": {key: str(value) for key, value in vars(args).items()},
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(STARTED)),
            "seconds": round(time.time() - STARTED),
            "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()},
            "holds": not broken,
            "checks": [asdict(one) for one in checks],
        }
        args.json.write_text(json.dumps(said, indent=1, default=str) + "\n")
    return 1 if broken else 0
