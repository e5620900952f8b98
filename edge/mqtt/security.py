"""TLS and credentials: from settings to what the client needs, checked before the first connection.

Takes: ``settings.Mqtt``. Gives: an ``ssl.SSLContext`` or None, and a warning for each way in which a secret lies open.
Must hold: TLS 1.2 at least; the broker's name is always checked; a file that cannot be used is an error that
names its key, not an endless reconnection; no message holds what is in a file.
"""

from __future__ import annotations

import ipaddress
import ssl
from pathlib import Path

from edge.errors import SettingsError
from edge.settings import Mqtt, credential_path, readable_by_all


def tls_context(mqtt: Mqtt) -> ssl.SSLContext | None:
    """The context for a connection with TLS, None where ``mqtt.tls`` is off. Raises ``SettingsError``."""
    if not mqtt.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=_path(mqtt.ca_file))
    except OSError as error:
        raise SettingsError(
            f"mqtt.ca_file {mqtt.ca_file} cannot be used: {_reason(error)}",
            "Name a readable PEM file with the authority.",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    certificate = _path(mqtt.cert_file)
    if certificate is not None:
        try:
            # A key with a passphrase would make OpenSSL ask on the terminal; an empty answer makes it an error instead.
            context.load_cert_chain(certificate, _path(mqtt.key_file), password=lambda: "")
        except OSError as error:
            raise SettingsError(
                f"mqtt.cert_file {mqtt.cert_file} with mqtt.key_file {mqtt.key_file} cannot be used: {_reason(error)}",
                "Name readable PEM files that belong together; the key without a passphrase.",
            ) from error
    return context


def exposed(mqtt: Mqtt) -> tuple[SettingsError, ...]:
    """What lets others read a secret, on the way to the broker or on this machine's disk: to be told, not raised."""
    if not mqtt.enabled:
        return ()
    found = []
    if mqtt.password_file and not mqtt.tls and not is_loopback(mqtt.host):
        found.append(
            SettingsError(
                f"The password for the broker at {mqtt.host} travels unencrypted, and everybody in the network can "
                "read it",
                "Set mqtt.tls: true.",
            )
        )
    for key, name in (("mqtt.password_file", mqtt.password_file), ("mqtt.key_file", mqtt.key_file)):
        if name and readable_by_all(name):
            found.append(SettingsError(f"Every user of this machine can read {key} {name}", "Run `chmod 600` on it."))
    return tuple(found)


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def _path(name: str) -> Path | None:
    return credential_path(name) if name else None


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
