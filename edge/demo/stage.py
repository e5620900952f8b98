"""The demonstration's recordings and what is known about them.

Takes the files in ``assets``; gives paths and truth. Must hold: whoever says what, the truth file decides, not a model.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

ASSETS: Final = Path(str(files("edge.demo") / "assets"))


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody to enrol: an invented first name and the clips."""

    name: str
    clips: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """What the stream holds from ``start`` to ``end`` seconds.

    ``who``: a name, ``stranger``, ``silence`` or ``noise``.
    """

    start: float
    end: float
    who: str

    @property
    def spoken(self) -> bool:
        """Whether somebody speaks."""
        return self.who not in {"silence", "noise"}


@dataclass(frozen=True, slots=True)
class Play:
    """All of it. ``seconds``: length of the stream."""

    actors: tuple[Actor, ...]
    stream: Path
    seconds: float
    scenes: tuple[Scene, ...]


def open_play(folder: Path = ASSETS) -> Play:
    """Read the index and the truth."""
    index: dict[str, Any] = json.loads((folder / "index.json").read_text("utf-8"))
    truth: dict[str, Any] = json.loads((folder / "stream.json").read_text("utf-8"))
    return Play(
        actors=tuple(
            Actor(person["name"], tuple(folder / clip["file"] for clip in person["enrol"]))
            for person in index["people"]
        ),
        stream=folder / truth["file"],
        seconds=float(truth["seconds"]),
        scenes=tuple(Scene(float(s["start"]), float(s["end"]), str(s["who"])) for s in truth["segments"]),
    )
