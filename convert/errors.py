"""What goes wrong when a network is converted."""

from __future__ import annotations

from edge.errors import EXIT_NO, EarmarkError


class ConversionError(EarmarkError):
    """A network that the passes do not understand, or an int8 file that lost too much."""

    exit_code = EXIT_NO
    code = "conversion"
