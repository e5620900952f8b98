"""What the service behind is, told as one that also knows voices.

Takes and gives the data of a Wyoming ``info`` event. Must hold: everything but the names and descriptions of the
speech-to-text programs stays as it was, fields of later versions included.
"""

from __future__ import annotations

import copy
from typing import Any, Final

_NAME: Final = "earmark"


def described(info: dict[str, Any]) -> dict[str, Any]:
    """The same with ``earmark-`` before each speech-to-text program's name, so that both can be told apart."""
    told = copy.deepcopy(info)
    for program in told.get("asr") or ():
        if isinstance(program, dict) and not str(program.get("name", "")).startswith(_NAME):
            program["name"] = f"{_NAME}-{program.get('name', '')}"
            program["description"] = f"{program.get('description') or program['name']}, with Earmark listening along"
    return told
