"""``python -m edge.cli``: the same as the command ``earmark``, for a checkout that is not installed."""

from __future__ import annotations

import sys

from edge.cli import main

if __name__ == "__main__":
    sys.exit(main())
