"""Tables of a report for people.

Takes cells that are texts already. Gives a table in columns or in Markdown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, markdown: bool) -> str:
    """Lines of ``rows`` below ``head``."""
    if markdown:
        return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    )


def share(rate: Mapping[str, float], digits: int = 2) -> str:
    """``0.21 [0.05-0.40] of 8832`` in percent; a dash where nothing was tried."""
    if not rate["trials"] or math.isnan(rate["share"]):
        return "-"
    low, middle, high = (f"{100 * rate[name]:.{digits}f}" for name in ("low", "share", "high"))
    return f"{middle} [{low}-{high}] of {rate['trials']}"
