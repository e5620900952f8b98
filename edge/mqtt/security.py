"""TLS and credentials: from settings to what the client needs, checked before the first connection.

Takes: ``settings.Mqtt``. Gives: an ``ssl.SSLContext`` or None, and a warning where a password would travel in the
open. Must hold: TLS 1.2 at least; the broker's name is always checked; a file that cannot be used is an error that
names its key, not an endless reconnection.
"""

from __future__ import annotations

import ipaddress
import ssl

from edge.errors import SettingsError
from edge.settings import Mqtt


def tls_context(mqtt: Mqtt) -> ssl.SSLContext | None:
    """The context for a connection with TLS, None where ``mqtt.tls`` is off. Raises ``SettingsError``."""
    if not mqtt.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=mqtt.ca_file or None)
    except OSError as error:
        raise SettingsError(
            f"mqtt.ca_file {mqtt.ca_file} cannot be used: {_reason(error)}",
            "Name a readable PEM file with the authority.",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if mqtt.cert_file:
        try:
            # A key with a passphrase would make OpenSSL ask on the terminal; an empty answer makes it an error instead.
            context.load_cert_chain(mqtt.cert_file, mqtt.key_file or None, password=lambda: "")
        except OSError as error:
            raise SettingsError(
                f"mqtt.cert_file {mqtt.cert_file} with mqtt.key_file {mqtt.key_file} cannot be used: {_reason(error)}",
                "Name readable PEM files that belong together; the key without a passphrase.",
            ) from error
    return context


def open_password_warning(mqtt: Mqtt) -> str:
    """A sentence where a password would cross the network unencrypted, else empty."""
    if mqtt.tls or not mqtt.password_file or is_loopback(mqtt.host):
        return ""
    return (
        f"The password for the broker at {mqtt.host} travels unencrypted, and everybody in the network can read it. "
        "Set mqtt.tls: true."
    )


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
