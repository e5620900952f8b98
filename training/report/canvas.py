"""Where pictures are drawn: matplotlib without a screen.

Takes a size in pixels and the wanted grid of panels. Gives a figure to draw on, and PNG bytes of exactly that size (or
of a whole multiple of it, for screens with fine pixels).
Must hold: no window, no global state, no time stamp in the file; matplotlib is imported here and only when needed.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Final

from edge.errors import ExtraMissingError

DPI: Final = 100

GENUINE: Final = "#0b6e8f"
IMPOSTOR: Final = "#c4512d"
"""Two colours that people with colour blindness, and a grey printer, tell apart."""


def require() -> None:
    """Raise ``ExtraMissingError`` where pictures cannot be drawn: before the work, not after it."""
    if find_spec("matplotlib") is None:
        raise ExtraMissingError(
            "Pictures need matplotlib, which is not installed",
            "pip install 'earmark[train]' or leave the pictures out.",
        )


def figure(
    width: int,
    height: int,
    rows: int = 1,
    columns: int = 1,
    *,
    heights: Sequence[float] | None = None,
    widths: Sequence[float] | None = None,
) -> tuple[Any, list[Any]]:
    """Return a figure of ``width`` x ``height`` pixels and its panels, row by row.

    ``heights``, ``widths``: of rows and columns against each other, where they are not all the same.
    """
    require()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, layout="constrained")
    FigureCanvasAgg(made)
    panels = made.subplots(rows, columns, squeeze=False, height_ratios=heights, width_ratios=widths)
    return made, [panel for line in panels for panel in line]


def plain(text: str) -> str:
    """Return a name so that matplotlib takes it neither for mathematics nor for something to hide in the legend."""
    escaped = text.replace("$", r"\$")
    return f" {escaped}" if escaped.startswith("_") else escaped


def png(made: Any, times: int = 1) -> bytes:
    """Return a figure as the bytes of a PNG file, ``times`` as many pixels in each direction."""
    out = io.BytesIO()
    made.savefig(out, format="png", dpi=DPI * times, metadata={"Software": None})
    return out.getvalue()
