"""What is wrong with a daemon, by its own account.

Takes the status that ``Client.status`` gives. Gives sentences, none where all is well. Must hold: a status that lacks a
key (an older daemon's, say) is not thereby at fault; a microphone that a person has switched off is no fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def faults(status: Mapping[str, Any]) -> tuple[str, ...]:
    """One sentence, without a full stop, for each fault."""
    found: list[str] = []
    # A microphone may deliver sound that is of no use: ``problem`` is for one that delivers none.
    heard = (status.get("mic_reason") or "what it delivers is of no use") if status.get("mic_problem") else None
    if problem := status.get("problem") or heard:
        found.append(f"microphone: {str(problem).rstrip('.')}")
    elif status.get("listening") is False and not status.get("switched_off"):
        found.append("it does not listen any more")
    if status.get("broker") is False:
        reason = status.get("broker_problem") or "not connected yet"
        found.append(f"broker: {str(reason).rstrip('.')}")
    return tuple(found)
