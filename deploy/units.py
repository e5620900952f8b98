"""The systemd unit.

Takes: where Earmark is installed, its settings file, an account. Gives: the text of ``earmark.service``.
Must hold: the text passes ``systemd-analyze verify``; its exposure stays low (tests/deploy measures it) while the
microphone, the state folder and a broker in the house can be reached.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from importlib.resources import files
from string import Template
from typing import Final

from edge.errors import UsageError
from edge.settings import Settings

HOME_NETWORKS: Final = ("localhost", "link-local", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
"""Where a broker in the house can be: RFC 1918 and RFC 4193 addresses, and this device itself."""

UNSEEN: Final = frozenset({"home", "root", "tmp"})
"""Top-level folders that ``ProtectHome`` and ``PrivateTmp`` hide from the service."""

PASSWORD: Final = "mqtt-password"
"""The usual name of the credential with the broker's password."""

VOICEPRINT_KEY: Final = "earmark-voiceprint-key"
"""The credential with the key of the people database; without it the key lies in the state folder."""

FOLDER: Final = "/etc/earmark"


def unit(settings: Settings, *, prefix: str, config: str, user: str = "", encrypted: bool = False) -> str:
    """The text of ``earmark.service``.

    ``prefix``: folder whose ``bin/earmark`` runs. ``config``: settings file for ``earmark run``. ``user``: an existing
    account; empty lets systemd make one that exists only while the service runs. ``encrypted``: secrets lie in
    /etc/credstore.encrypted, as `systemd-creds encrypt` makes them. Raises ``UsageError`` for a path or a name that
    systemd would read as something else.
    """
    for option, path in (("--prefix", prefix), ("--config", config)):
        if not re.fullmatch(r"/[A-Za-z0-9/_.+-]+", path):
            raise UsageError(
                f"{option} {path!r} is no absolute path made of letters, digits and / _ . + -",
                "Name the folder or file as systemd will see it, such as /opt/earmark.",
            )
        if path.split("/")[1] in UNSEEN:
            raise UsageError(
                f"{option} {path} lies where the service cannot look: homes are hidden from it, and /tmp is its own",
                "Install Earmark under /opt or /srv, and its settings under /etc.",
            )
    if user and not re.fullmatch(r"[a-z_][a-z0-9_-]{0,30}", user):
        raise UsageError(f"--user {user!r} is no account name", "Name an account that exists, such as earmark.")
    account = f"User={user}" if user else "DynamicUser=yes\nUser=earmark"
    # The group that may ask at the control socket becomes the service's own: nothing has to be handed over to it.
    account += f"\nGroup={settings.control.group}" if settings.control.group else ""
    return Template(template("earmark.service")).substitute(
        prefix=prefix.rstrip("/"),
        config=config,
        account=account,
        password=password(settings),
        credentials=credential_lines(credentials(settings), encrypted=encrypted),
        addresses=" ".join((*HOME_NETWORKS, *broker_address(settings))),
    )


def password(settings: Settings) -> str:
    """The name of the systemd credential with the broker's password: the one in the settings, else the usual one."""
    name = settings.mqtt.password_file
    return name if _names_credential(name) else PASSWORD


def credentials(settings: Settings) -> tuple[str, ...]:
    """The names of all credentials: password, key of the voiceprints, and what the settings name for TLS."""
    mqtt = settings.mqtt
    tls = (name for name in (mqtt.ca_file, mqtt.cert_file, mqtt.key_file) if _names_credential(name))
    return tuple(dict.fromkeys((password(settings), VOICEPRINT_KEY, *tls)))


def credential_lines(names: Iterable[str], *, encrypted: bool) -> str:
    """The lines of the unit that load them; an empty line is the value where there is no file."""
    where = ("LoadCredentialEncrypted", "/etc/credstore.encrypted") if encrypted else ("LoadCredential", FOLDER)
    return "\n".join(f"{where[0]}={name}:{where[1]}/{name}\nSetCredential={name}:\\n" for name in names)


def _names_credential(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9_.-]+", name) is not None


def broker_address(settings: Settings) -> tuple[str, ...]:
    """The broker's address where the settings give one outside the house; a name cannot be looked up in advance."""
    try:
        address = ipaddress.ip_address(settings.mqtt.host.strip("[]"))
    except ValueError:
        return ()
    return () if address.is_private else (str(address),)


def template(name: str) -> str:
    """The text of a file in ``deploy/templates``."""
    return (files("deploy") / "templates" / name).read_text(encoding="utf-8")
