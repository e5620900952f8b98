"""Shows a licence before anything is fetched, and asks.

Takes a ``DataSet`` and what was given on the command line; gives consent or ends the command. Must hold: without a
terminal nobody is taken to have agreed; what is asked names the licence and what follows from it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import ClassVar, Final

from edge.cli.console import Console
from edge.errors import EXIT_NO, EarmarkError, UsageError
from training.datasets.catalogue import Archive, DataSet, readable

_YES: Final = ("y", "yes")


class DeclinedError(EarmarkError):
    """A licence was not agreed to."""

    exit_code: ClassVar[int] = EXIT_NO
    code = "declined"


def notice(dataset: DataSet, archives: Sequence[Archive]) -> str:
    """What is shown: licence, consequence, home page, size."""
    known = sum(one.size for one in archives)
    size = readable(known) + ("" if all(one.size for one in archives) else ", not all sizes known")
    return (
        f"{dataset.title}: {dataset.purpose}\n"
        f"licence      {dataset.licence}\n"
        f"consequence  {dataset.consequence}\n"
        f"home page    {dataset.home}\n"
        f"download     {', '.join(one.part for one in archives)}: {size if known else 'size unknown'}"
    )


def ask(dataset: DataSet, archives: Sequence[Archive], accepted: Sequence[str], console: Console) -> None:
    """Show the notice, and return where the licence is accepted, by name or by answering yes.

    Raises ``DeclinedError`` where the answer is another, ``UsageError`` where nobody can be asked.
    """
    console.clear_live()
    sys.stderr.write(notice(dataset, archives) + "\n")  # --quiet too: what is agreed to has to be seen
    sys.stderr.flush()
    if {name.lower() for name in accepted} & {dataset.licence.lower(), dataset.name.lower()}:
        return
    remedy = f"Read it at {dataset.home}, and say --accept-licence {dataset.licence}."
    if accepted:
        raise UsageError(f"{dataset.title} is under {dataset.licence}, not under {accepted[0]}", remedy)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"The licence of {dataset.title} was not accepted", remedy)
    sys.stderr.write(f"Do you accept {dataset.licence}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in _YES:
        raise DeclinedError("The licence was not accepted", "Nothing was fetched.")
