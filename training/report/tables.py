"""Tables for people: aligned columns for a terminal, or Markdown.

Takes rows of finished cells, the first one the heads. Gives text. Must hold: both forms have the same cells.
"""

from __future__ import annotations

from collections.abc import Sequence


def layout(rows: Sequence[Sequence[str]], *, markdown: bool = False, left: int = 1) -> str:
    """Lay rows of equal length out. ``left``: how many columns, from the first, are aligned to the left."""
    if markdown:
        ruled = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
        return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in ruled)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(widths[i]) if i < left else cell.rjust(widths[i]) for i, cell in enumerate(row))
        for row in rows
    )
