"""The model as an entity that can be updated.

Takes: this device's topics. Gives: key -> component. Must hold: Home Assistant refuses a state with a key that it does
not know, so the template names those it gets.
"""

from __future__ import annotations

from edge.homeassistant.entities import Component
from edge.mqtt.topics import UPDATE_INSTALL, Topics


def update(topics: Topics) -> dict[str, Component]:
    """What ``mqtt.updates`` lets people do."""
    passed = ", ".join(
        f"'{key}': value_json.{key}" for key in ("installed_version", "latest_version", "title", "in_progress")
    )
    return {
        "model_update": {
            "p": "update",
            "name": "Model update",
            "icon": "mdi:package-up",
            "state_topic": topics.of("update"),
            "value_template": (
                f"{{{{ {{{passed}, 'release_summary': value_json.release_summary | default('')}} | tojson }}}}"
            ),
            "command_topic": topics.action_topic(UPDATE_INSTALL),
            "payload_install": "INSTALL",
            "entity_category": "config",
            "enabled_by_default": False,
        }
    }
