"""What an event is called on the page.

Takes an event. Gives short texts, not yet escaped. Must hold: a name stands only where the event names somebody.
"""

from __future__ import annotations

from edge.events import UtteranceEvent


def named(event: UtteranceEvent) -> str:
    """The person, or ``unknown``, ``uncertain``, ``rejected``."""
    return event.speaker if event.event_type == "identified" else event.event_type


def also(event: UtteranceEvent) -> str:
    """Reason, flags, and what the voice sounds like, where it was told."""
    words = [event.reason or "", *(flag for flag in event.flags if flag != event.reason)]
    words += [label for label in (event.gender, event.emotion) if label]
    return ", ".join(word.replace("_", " ") for word in words if word)


def clock(seconds: float) -> str:
    """``1:02:03.4``; hours only where there are some."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{head}:{rest // 10:02d}.{rest % 10}"


def share(value: float | None) -> str:
    """Two decimals, nothing where it is not known."""
    return "" if value is None else f"{value:.2f}"
