"""The topic tree: which topics there are, how each is published, and which commands are listened to.

Takes: base topic, node name, Home Assistant's discovery prefix. Gives: ``Message``s and topic names. Pure. Must
hold: QoS and retain of a topic stand in ``ROUTES`` and nowhere else; a name that would change the meaning of a topic
(``/``, ``+``, ``#``, spaces) is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from edge.errors import SettingsError, UsageError
from edge.mqtt.house import HouseTopics
from edge.records import Message

ONLINE: Final = b"online"
OFFLINE: Final = b"offline"
LARGEST_COMMAND_BYTES: Final = 1024

_SLUG: Final = re.compile(r"[a-z0-9_-]{1,64}")
_LEVEL: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BASE: Final = re.compile(r"[^/+#$\s\x00][^+#\s\x00]{0,199}")

RouteName = Literal[
    "availability", "info", "utterance", "last", "person", "health", "speaking", "setting", "enrolment", "audio",
    "auth", "response", "update",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Route:
    """One kind of topic below ``<base>/<node>/``. ``schema``: name of the payload's JSON Schema, empty for plain
    text.
    """

    path: str
    qos: Literal[0, 1]
    retain: bool
    meaning: str
    schema: str = ""

    @property
    def kind(self) -> Literal["event", "state"]:
        """What is retained is a state, and so is what is not worth a second attempt: only the latest counts."""
        return "state" if self.retain or self.qos == 0 else "event"


ROUTES: Final[dict[RouteName, Route]] = {
    "availability": Route("availability", 1, True, "`online` or `offline`; `offline` is also the last will"),
    "info": Route("info", 1, True, "what runs on the device", "info"),
    "utterance": Route("utterance", 1, False, "one utterance was heard, every attempt", "utterance"),
    "auth": Route("auth", 1, False, "what came of an attempt to be verified", "auth"),
    "last": Route("last", 1, True, "the last utterance that was identified or unknown", "last"),
    "person": Route("person/{}/state", 1, True, "whether this person was heard within the hold time", "person"),
    "health": Route("health", 0, True, "how the device is, once a minute", "health"),
    "speaking": Route("speaking/state", 0, True, "`ON` while somebody speaks, else `OFF`"),
    "setting": Route("cfg/{}/state", 1, True, "current value of a setting that can be changed by MQTT"),
    "enrolment": Route("enrol/state", 1, True, "how the enrolment of somebody goes", "enrolment"),
    "response": Route("response/{}", 1, False, "the answer to a request", "response"),
    "audio": Route("audio", 0, False, "how loud it is, every 5 s", "audio"),
    "update": Route("update/state", 1, True, "whether a newer model can be installed", "update"),
}

SETTINGS: Final[dict[str, tuple[str, ...]]] = {
    "listening": ("ON", "OFF"),
    "profile": ("relaxed", "balanced", "strict"),
    "analyse_gender": ("ON", "OFF"),
    "analyse_emotion": ("ON", "OFF"),
}
"""Settings that can be changed on ``cfg/<name>/set``, with the values accepted."""


NOT_SET: Final = "None"
"""What stands for a number that is not set; Home Assistant's own word for it."""


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers that a setting may have: both ends, and every ``step`` between them. ``optional``: or none at all."""

    low: float
    high: float
    unit: str = ""
    step: float = 1
    optional: bool = False

    def text(self, number: float) -> str:
        """The nearest number that there is, as it is written."""
        whole = round(min(max(number, self.low), self.high) / self.step)
        return f"{whole * self.step:g}"


NUMBERS: Final = {"hold_time": Range(10, 3600, "s"), "threshold": Range(0.5, 0.99, step=0.01, optional=True)}
"""Settings that are numbers. One that is too small or too large becomes the nearest."""
ENROL_NAME: Final = "enrol_name"
"""On ``cfg/enrol_name/set``: whom ``enrol_start`` will enrol."""
ENROL_START: Final = "enrol_start"
ENROL_CANCEL: Final = "enrol_cancel"
UPDATE_INSTALL: Final = "update_install"
ACTIONS: Final = (ENROL_START, ENROL_CANCEL, UPDATE_INSTALL)
"""What can be asked for on ``cmd/<name>``, with any payload."""
REQUESTS: Final = ("status", "people", "rename", "remove")
"""What can be asked on ``request/<verb>`` with a JSON object, to be answered on ``response/<verb>``."""
LONGEST_NAME: Final = 32


def values(setting: str) -> tuple[str, ...]:
    """Every value of a setting."""
    if setting in NUMBERS:
        bounds = NUMBERS[setting]
        steps = range(round((bounds.high - bounds.low) / bounds.step) + 1)
        numbers = tuple(bounds.text(bounds.low + index * bounds.step) for index in steps)
        return (*numbers, NOT_SET) if bounds.optional else numbers
    return SETTINGS[setting]


def accepted(setting: str, text: str) -> str | None:
    """The value that ``text`` gives a setting, as it is echoed; None where there is no such setting or value."""
    if setting in NUMBERS:
        bounds = NUMBERS[setting]
        if bounds.optional and text.casefold() == NOT_SET.casefold():
            return NOT_SET
        return bounds.text(float(text)) if re.fullmatch(r"-?\d{1,9}(\.\d{1,9})?", text, re.ASCII) else None
    return next((value for value in SETTINGS.get(setting, ()) if value.casefold() == text.casefold()), None)


@dataclass(frozen=True, slots=True)
class Command:
    """Something that was asked of this device. ``kind``: ``set`` (``cfg/<name>/set``), ``do`` (``cmd/<name>``) or
    ``ask`` (``request/<name>``).
    """

    kind: Literal["set", "do", "ask"]
    name: str
    payload: bytes

    @property
    def text(self) -> str:
        """The payload as text without surrounding spaces; bytes that are no UTF-8 become question marks."""
        return self.payload.decode("utf-8", "replace").strip()


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one device.

    Raises ``SettingsError`` where a part cannot stand in a topic, or the base equals the discovery prefix.
    """

    base: str = "earmark"
    node: str = "earmark"
    discovery_prefix: str = "homeassistant"

    def __post_init__(self) -> None:
        """Check the parts."""
        if not _SLUG.fullmatch(self.node):
            raise SettingsError(
                f"node.name '{self.node}' cannot stand in a topic",
                "Use lower-case letters, digits, _ and -, at most 64 of them.",
            )
        for key, value in (("mqtt.base_topic", self.base), ("homeassistant.prefix", self.discovery_prefix)):
            if not _BASE.fullmatch(value) or value.endswith("/"):
                raise SettingsError(
                    f"{key} '{value}' is no topic",
                    "Use a name without spaces, + or #, not beginning with $ or ending with /.",
                )
        if self.base == self.discovery_prefix:
            raise SettingsError("homeassistant.prefix equals mqtt.base_topic", "Give them different names.")

    @property
    def prefix(self) -> str:
        """What all topics of this device begin with, with the slash."""
        return f"{self.base}/{self.node}/"

    @property
    def device_id(self) -> str:
        """Identifier of this device in Home Assistant."""
        return f"earmark_{self.node}"

    @property
    def discovery(self) -> str:
        """Topic of the discovery document."""
        return f"{self.discovery_prefix}/device/{self.device_id}/config"

    @property
    def commands(self) -> tuple[str, ...]:
        """Patterns to subscribe to where commands are listened to."""
        return (f"{self.prefix}cmd/#", f"{self.prefix}cfg/+/set", f"{self.prefix}request/+")

    def of(self, route: RouteName, name: str = "") -> str:
        """The topic of a route; ``name`` fills its gap (a person's id, a setting's name)."""
        path = ROUTES[route].path
        if "{}" in path and not _LEVEL.fullmatch(name):
            raise UsageError(f"'{name}' cannot stand in a topic", "Use letters, digits, _ and -.")
        return self.prefix + path.format(name)

    def person_in(self, topic: str) -> str | None:
        """The id of the person whose state is published there, None for any other topic."""
        before, after = (re.escape(part) for part in ROUTES["person"].path.split("{}"))
        found = re.fullmatch(f"{re.escape(self.prefix)}{before}({_LEVEL.pattern}){after}", topic)
        return found[1] if found else None

    def command_topic(self, setting: str) -> str:
        """Where a setting is changed."""
        return self.of("setting", setting).removesuffix("state") + "set"

    def action_topic(self, action: str) -> str:
        """Where something is asked for."""
        return f"{self.prefix}cmd/{action}"

    def hears(self, topic: str) -> bool:
        """Whether this device listens there for commands, so that nothing of its own is kept there."""
        asked = topic.startswith((f"{self.prefix}cmd/", f"{self.prefix}request/"))
        return asked or (topic.startswith(self.prefix) and topic.endswith("/set"))

    def message(self, route: RouteName, payload: bytes, name: str = "") -> Message:
        """A message with the QoS and retain flag of its route."""
        found = ROUTES[route]
        return Message(self.of(route, name), payload, found.qos, found.retain, found.kind)

    def availability(self, online: bool) -> Message:
        """Birth message or last will."""
        return self.message("availability", ONLINE if online else OFFLINE)

    def speaking(self, speaking: bool) -> Message:
        """Whether somebody speaks now."""
        return self.message("speaking", b"ON" if speaking else b"OFF")

    def setting(self, name: str, value: str) -> Message:
        """The value of a setting, as echoed after a command."""
        return self.message("setting", value.encode(), name)

    def owns(self, topic: str) -> bool:
        """Whether a retained topic is one of this device's."""
        # The house's, too, though others share it: this is no name of ours that was given up, and to be cleared.
        shared = HouseTopics(self.base, self.discovery_prefix).discovery
        return topic.startswith(self.prefix) or topic in {self.discovery, shared}

    def command(self, topic: str, payload: bytes, retained: bool) -> Command | None:
        """What was asked, None for anything that is no command.

        A retained message is never one: it would be obeyed again after every reconnection.
        """
        if retained or len(payload) > LARGEST_COMMAND_BYTES or not topic.startswith(self.prefix):
            return None
        match topic.removeprefix(self.prefix).split("/"):
            case ["cfg", name, "set"] if _LEVEL.fullmatch(name):
                return Command("set", name, payload)
            case ["cmd", name] if _LEVEL.fullmatch(name):
                return Command("do", name, payload)
            case ["request", name] if _LEVEL.fullmatch(name):
                return Command("ask", name, payload)
        return None
