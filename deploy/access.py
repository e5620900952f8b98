"""What a device may do at the broker: the lines of a mosquitto access list.

Takes the settings. Gives the text. Must hold: what the device publishes and hears stands here, and nothing else (a
test compares the list with the topic tree, and tries it at a mosquitto); what comes from a person is checked before it
stands in a file that root will trust.
"""

from __future__ import annotations

import re
from typing import Final

from edge.errors import UsageError
from edge.settings import Settings

PUBLISHED: Final = (
    "availability",
    "info",
    "utterance",
    "auth",
    "last",
    "person/+/state",
    "health",
    "speaking/state",
    "cfg/+/state",
    "enrol/state",
    "response/+",
    "audio",
    "update/state",
)
"""What the device says below BASE/NODE/. It needs no right to read any of it."""
HEARD: Final = ("cmd/#", "cfg/+/set", "request/+")
"""What it listens to there where ``mqtt`` has ``commands``, ``enrolment`` or ``updates``. It need not say any of it."""


def acl(settings: Settings) -> str:
    """The lines that let this device do its work and nothing else.

    Raises ``UsageError`` where the settings name no broker account, since a list is about accounts.
    """
    mqtt, home, node = settings.mqtt, settings.homeassistant, settings.node.name
    if not re.fullmatch(r"[^\s#]\S{0,63}", mqtt.username):
        raise UsageError(
            "the settings name no account at the broker",
            "Set mqtt.username, or say --user NAME; the list gives rights to that account.",
        )
    base = f"{mqtt.base_topic}/{node}"
    lines = [
        f"# What {node} may do. Made by `earmark deploy acl`; append it to mosquitto's acl_file.",
        f"user {mqtt.username}",
        *(f"topic write {base}/{topic}" for topic in PUBLISHED),
    ]
    if mqtt.commands or mqtt.enrolment or mqtt.updates:
        lines += [f"topic read {base}/{topic}" for topic in HEARD]
    if home.enabled:
        lines += [
            f"topic write {home.prefix}/device/earmark_{node}/config",
            f"topic read {home.status_topic}",
        ]
        if home.house:
            lines += [
                f"topic write {mqtt.base_topic}/house/person/+",
                f"topic write {home.prefix}/device/earmark_house/config",
            ]
    return "\n".join(lines) + "\n"
