"""From the text of an entry to a value of the key's type, within its bounds; and values that contradict each other.

Takes: a key and an entry. Gives: a value, or the end of a sentence that says what must be there.
Must hold: what is written is what is meant: no number becomes text, no word becomes a boolean, no octal.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable
from typing import Any, Final

from edge.settings.document import Entry
from edge.settings.keys import Key
from edge.settings.sections import Settings, fits

_TRUE: Final = frozenset({"true", "yes", "on"})
_FALSE: Final = frozenset({"false", "no", "off"})
_WHOLE: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_REAL: Final = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")

Outcome = tuple[Any, str]
"""A value and an empty text, or None and what is wrong."""


def convert(key: Key, entry: Entry) -> Outcome:
    """The value of ``entry`` for ``key``, or None and the rest of a sentence that began with the key's name."""
    if entry.kind == "null" or (key.optional and entry.kind == "environment" and not entry.text):
        return None, ""
    if entry.kind == "other" or (entry.kind == "list" and key.kind is not tuple):
        return None, f"must be {expected(key)}, not a list, a group, a date or a tagged value"
    if key.choices:
        return _choice(key, entry)
    return _BY_KIND.get(key.kind, _text)(key, entry)


def expected(key: Key) -> str:
    """What belongs there, in words: for messages and for the generated manual."""
    words = key.words
    if key.choices:
        return ", ".join(key.choices[:-1]) + f" or {key.choices[-1]}"
    if key.kind is bool:
        return "true or false"
    if key.kind is str:
        return words.pattern_words or "text"
    if key.kind is tuple:
        return words.pattern_words or "a list of texts"
    kind = "a whole number" if key.kind is int else "a number"
    unit = f" {words.unit}" if words.unit else ""
    if words.low is not None and words.high is not None:
        return f"{kind} from {words.low:g} to {words.high:g}{unit}"
    return f"{kind}{unit}"


def _choice(key: Key, entry: Entry) -> Outcome:
    if entry.text in key.choices:
        return entry.text, ""
    near = difflib.get_close_matches(entry.text.lower(), key.choices, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return None, f"must be {expected(key)}, not {_show(entry.text)}{hint}"


def _boolean(_key: Key, entry: Entry) -> Outcome:
    word = entry.text.lower()
    from_environment = entry.kind == "environment"
    if entry.kind == "bool" or from_environment:
        if word in _TRUE or (from_environment and word == "1"):
            return True, ""
        if word in _FALSE or (from_environment and word == "0"):
            return False, ""
    hint = " (without quotes)" if entry.kind == "quoted" and word in _TRUE | _FALSE else ""
    return None, f"must be true or false{hint}, not {_show(entry.text)}"


def _number(key: Key, entry: Entry) -> Outcome:
    text = entry.text.strip()
    if entry.kind == "quoted":
        return None, f"must be {expected(key)}, without quotes"
    pattern = _WHOLE if key.kind is int else _REAL
    if not pattern.fullmatch(text):
        return None, f"must be {expected(key)}, not {_show(entry.text)}"
    value = int(text) if key.kind is int and len(text) < 20 else float(text)
    low, high = key.words.low, key.words.high
    if not math.isfinite(value) or (low is not None and value < low) or (high is not None and value > high):
        return None, f"must be {expected(key)}, not {_show(entry.text)}"
    return value, ""


def _list(key: Key, entry: Entry) -> Outcome:
    """A list as YAML writes it, or texts with commas between, as a variable of the environment must."""
    items = (
        entry.items if entry.kind == "list" else tuple(part.strip() for part in entry.text.split(",") if part.strip())
    )
    if entry.kind in {"bool", "int", "float"} or any(not fits(key.words.pattern or ".*", one) for one in items):
        return None, f"must be {expected(key)}, not {_show(entry.text or ', '.join(items))}"
    return items, ""


def _text(key: Key, entry: Entry) -> Outcome:
    if entry.kind in {"bool", "int", "float"}:
        what = "a truth value" if entry.kind == "bool" else "a number"
        return (
            None,
            f'must be text, but YAML takes {_show(entry.text)} for {what}: put it in quotes, "{entry.text[:40]}"',
        )
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in entry.text):
        return None, "must not hold control characters or line breaks"
    if key.words.pattern and not fits(key.words.pattern, entry.text):
        # A URL may hold a password.
        shown = "that" if "@" in entry.text else _show(entry.text)
        return None, f"must be {expected(key)}, not {shown}"
    return entry.text, ""


_BY_KIND: Final[dict[type, Callable[[Key, Entry], Outcome]]] = {
    bool: _boolean,
    tuple: _list,
    int: _number,
    float: _number,
}


def _show(text: str) -> str:
    return f"'{text}'" if len(text) <= 40 else f"'{text[:40]}...'"


def disagreements(settings: Settings, faulty: set[str]) -> list[str]:
    """Values that are each fine and together make no sense. Those that involve a ``faulty`` key are left out."""
    mqtt, segment, assistant = settings.mqtt, settings.segment, settings.homeassistant
    rules: tuple[tuple[bool, tuple[str, ...], str], ...] = (
        (
            bool(mqtt.password_file) and not mqtt.username,
            ("mqtt.password_file", "mqtt.username"),
            "mqtt.password_file needs mqtt.username",
        ),
        (
            bool(mqtt.cert_file) != bool(mqtt.key_file),
            ("mqtt.cert_file", "mqtt.key_file"),
            "mqtt.cert_file and mqtt.key_file are only of use together",
        ),
        (
            bool(mqtt.ca_file or mqtt.cert_file) and not mqtt.tls,
            ("mqtt.ca_file", "mqtt.cert_file", "mqtt.tls"),
            "mqtt.ca_file and mqtt.cert_file need mqtt.tls: true",
        ),
        (
            assistant.enabled and assistant.prefix == mqtt.base_topic,
            ("homeassistant.prefix", "mqtt.base_topic"),
            "homeassistant.prefix and mqtt.base_topic must differ",
        ),
        (
            mqtt.updates and not settings.control.enabled,
            ("mqtt.updates", "control.enabled"),
            "mqtt.updates needs control.enabled: true",
        ),
        (
            bool(assistant.house) and settings.node.name not in assistant.house,
            ("homeassistant.house", "node.name"),
            "homeassistant.house must name this node, too",
        ),
        (
            "house" in assistant.house,
            ("homeassistant.house",),
            "no node in homeassistant.house may be called house, which would be in the way of what they share",
        ),
        (
            segment.min_speech_ms / 1000 >= segment.max_utterance_seconds,
            ("segment.min_speech_ms", "segment.max_utterance_seconds"),
            "segment.min_speech_ms must be shorter than segment.max_utterance_seconds",
        ),
        (
            settings.decide.min_speech_seconds > segment.max_utterance_seconds,
            ("decide.min_speech_seconds", "segment.max_utterance_seconds"),
            "decide.min_speech_seconds must not exceed segment.max_utterance_seconds",
        ),
    )
    return [sentence for broken, keys, sentence in rules if broken and not faulty & set(keys)]
