"""``python -m deploy.fleet``: the command in a checkout that is not installed."""

import sys

from deploy.fleet.commands import fleet
from edge.errors import EarmarkError

try:
    sys.exit(fleet())
except EarmarkError as error:
    sys.stderr.write(f"earmark: {error.sentence()}\n")
    sys.exit(error.exit_code)
