"""The sections about how the device is called and whom it talks to: ``node``, ``mqtt``, ``homeassistant``.

Takes: nothing. Gives: frozen dataclasses, for ``sections``. Must hold: as there, defaults are a working configuration;
what becomes part of a topic can be none that reaches further than it should.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from edge.settings.keys import setting

_SLUG: Final = r"[a-z0-9_-]{1,64}"
_TOPIC: Final = r"[^/+#$\s\x00][^+#\s\x00]{0,199}(?<!/)|[^/+#$\s\x00]"
_TOPIC_WORDS: Final = "an MQTT topic: no spaces, no + or #, no $ at the start, no / at the start or the end"
_HOST: Final = r"[A-Za-z0-9._:\[\]%-]{1,253}"


@dataclass(frozen=True, slots=True)
class Node:
    """This device."""

    name: str = setting(
        "earmark",
        "Name of this device in MQTT topics and in Home Assistant. Give each device its own.",
        pattern=_SLUG,
        pattern_words="lower-case letters, digits, _ and -, at most 64",
    )
    room: str = setting(
        "",
        "Room the device stands in, sent with every event; Home Assistant suggests it as the area.",
        pattern=r".{0,64}",
        pattern_words="text of at most 64 characters",
    )


@dataclass(frozen=True, slots=True)
class Mqtt:
    """The broker that events are published to."""

    enabled: bool = setting(True, "Publish to a broker at all.")
    host: str = setting(
        "127.0.0.1",
        "Name or address of the broker, without mqtt:// and without a port.",
        pattern=_HOST,
        pattern_words="a host name or an address, without scheme, user or path",
    )
    port: int | None = setting(None, "Port of the broker; empty means 1883, or 8883 with `tls`.", low=1, high=65535)
    username: str = setting("", "User at the broker; empty means none.")
    password_file: str = setting(
        "",
        "File with the broker's password (first line), or the name of a systemd credential (`LoadCredential=`). The "
        "password "
        "itself never stands in this file.",
    )
    tls: bool = setting(False, "Encrypt, and check the broker's certificate.")
    ca_file: str = setting("", "Certificate authority that signed the broker's certificate; empty trusts the system's.")
    cert_file: str = setting("", "This device's certificate, where the broker asks for one.")
    key_file: str = setting(
        "", "Key of `cert_file`, without a passphrase: a file, or the name of a systemd credential (`LoadCredential=`)."
    )
    commands: bool = setting(
        False,
        "Obey commands that come by MQTT: listening on and off, the strictness, how long somebody counts as present "
        "and, with `privacy.labels_acknowledged`, whether gender and emotion are estimated. Whoever may publish below "
        "BASE/NODE/ at the broker can then switch the microphone on.",
    )
    enrolment: bool = setting(
        False,
        "Let people be enrolled by MQTT, as from Home Assistant. Whoever may publish below BASE/NODE/ at the broker "
        "can then have the device learn the voice of whoever speaks to it, and rename and remove people.",
    )
    auth: bool = setting(
        False,
        "Say what came of attempts to be verified (`earmark verify`, PAM): matched, failed, a repeat, locked out. No "
        "proof: whoever may publish at the broker can say so, too.",
    )
    updates: bool = setting(
        False,
        "Let a newer version of the bundle, which somebody has put into the folder `updates` of the state folder, be "
        "installed by MQTT, as from Home Assistant. Needs `control.enabled`.",
    )
    audio: bool = setting(
        False, "Say how loud it is, every 5 s while the device listens: level, background, whether somebody speaks."
    )
    protocol: Literal["3.1.1", "5"] = setting("3.1.1", "MQTT version. Every broker knows 3.1.1.")
    base_topic: str = setting(
        "earmark", "First part of every topic: BASE/NODE/...", pattern=_TOPIC, pattern_words=_TOPIC_WORDS
    )
    keepalive_seconds: int = setting(30, "Longest silence towards the broker.", unit="s", low=5, high=3600)
    reconnect_max_seconds: float = setting(
        60.0, "Longest wait between two attempts to reach the broker.", unit="s", low=1, high=3600
    )

    @property
    def effective_port(self) -> int:
        """``port``, or the standard one for the kind of connection."""
        return self.port if self.port is not None else (8883 if self.tls else 1883)


@dataclass(frozen=True, slots=True)
class HomeAssistant:
    """MQTT discovery for Home Assistant."""

    enabled: bool = setting(True, "Announce this device to Home Assistant.")
    prefix: str = setting(
        "homeassistant", "Discovery prefix of Home Assistant.", pattern=_TOPIC, pattern_words=_TOPIC_WORDS
    )
    status_topic: str = setting(
        "homeassistant/status",
        "Topic on which Home Assistant says that it has started; the device is announced again then.",
        pattern=_TOPIC,
        pattern_words=_TOPIC_WORDS,
    )
    hold_seconds: int = setting(
        120, "How long a speaker counts as present after the last utterance.", unit="s", low=10, high=3600
    )
    house: tuple[str, ...] = setting(
        (),
        "Nodes of this house, this one among them: with the same list on each of them, Home Assistant shows in which "
        "room each person was last heard. None may be called `house`.",
        pattern=_SLUG,
        pattern_words="a list of nodes' names",
    )
