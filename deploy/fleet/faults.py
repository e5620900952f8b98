"""What can go wrong with a fleet: one sentence with its remedy and an exit code, like every error of Earmark."""

from __future__ import annotations

from edge.errors import EXIT_ENVIRONMENT, EXIT_NO, EXIT_USAGE, EarmarkError


class InventoryError(EarmarkError):
    """The inventory cannot be used; names the line or the host."""

    exit_code = EXIT_USAGE
    code = "inventory"


class RolloutError(EarmarkError):
    """A rollout that may not begin, or go on."""

    exit_code = EXIT_NO
    code = "rollout"


class HostError(EarmarkError):
    """A host that cannot be reached, or does not let us do what we must."""

    exit_code = EXIT_ENVIRONMENT
    code = "host"


class ChangeFailed(EarmarkError):
    """A change did not do on a host. ``as_before``: whether the host is as it was before, by its own word. ``ended``:
    whether what was begun there has ended; otherwise it may still change the host.
    """

    exit_code = EXIT_NO
    code = "change_failed"

    def __init__(self, cause: str, remedy: str = "", *, as_before: bool, ended: bool = True) -> None:
        super().__init__(cause, remedy)
        self.as_before = as_before
        self.ended = ended
