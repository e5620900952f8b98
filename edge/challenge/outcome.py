"""What came of a challenge.

Takes nothing, gives a type. Must hold: ``said_right`` is true for the reason ``said`` alone.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

Reason = Literal["said", "other_digits", "unsure", "nothing_heard", "expired", "used"]

_SENTENCES: Final[dict[str, str]] = {
    "said": "The digits were said as asked.",
    "other_digits": "Other digits were heard than those asked for.",
    "unsure": "The digits could not be told for sure; say them a little slower and closer to the microphone.",
    "nothing_heard": "No digits were heard.",
    "expired": "The digits were not said in time; ask for new ones.",
    "used": "These digits have been used already; ask for new ones.",
}


@dataclass(frozen=True, slots=True)
class ChallengeOutcome:
    """The answer of ``Challenge.check``.

    ``said_right``: whether exactly the digits asked for were said, in order. ``heard``: the digits heard, whatever was
    asked. ``probability``: 0 to 1, that the digits asked for were said, if half of those at the threshold were; at
    least 0.5 exactly where ``said_right``. ``reason``: why, as one word. ``start_seconds``, ``end_seconds``: where in
    the audio the digits lie, both 0 where none were heard.
    """

    said_right: bool
    heard: tuple[int, ...]
    probability: float
    reason: Reason
    start_seconds: float = 0.0
    end_seconds: float = 0.0

    def sentence(self) -> str:
        """The reason, for a person; never says which digits were expected."""
        return _SENTENCES[self.reason]

    def to_json(self) -> dict[str, Any]:
        """Plain values, under the names of the fields."""
        return asdict(self) | {"heard": list(self.heard), "probability": round(self.probability, 4)}
