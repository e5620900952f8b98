"""The broker: whether it can be reached and takes this device.

Takes a ``Case``; gives a finding. Must hold: nothing is published, and a daemon that is connected stays connected.
"""

from __future__ import annotations

from edge.doctor.case import Case
from edge.doctor.findings import Finding, fault
from edge.errors import BrokerError, SettingsError
from edge.mqtt import Topics
from edge.mqtt.probe import probe


def broker(case: Case) -> Finding:
    """One short connection with the settings' name, password and certificates."""
    mqtt = case.known.mqtt
    if not mqtt.enabled:
        return Finding("broker", "ok", "Publishing is switched off (mqtt.enabled).", facts={"enabled": False})
    where = f"{mqtt.host}:{mqtt.effective_port}"
    facts = {"enabled": True, "broker": where, "tls": mqtt.tls, "user": mqtt.username or None}
    topics = Topics(mqtt.base_topic, case.known.node.name, case.known.homeassistant.prefix)
    try:
        refusals = probe(mqtt, topics.commands if mqtt.commands else ())
    except (BrokerError, SettingsError) as error:
        return fault("broker", error, facts=facts)
    if refusals:
        return fault("broker", refusals[0], "warn", facts)
    safely = " with TLS" if mqtt.tls else ""
    who = f"takes {mqtt.username}" if mqtt.username else "takes this device without a user name"
    return Finding("broker", "ok", f"The broker at {where} answers{safely} and {who}.", facts=facts)
