"""Settings: one YAML file and the environment in, one frozen ``Settings`` out.

Takes: ``--config``, ``$EARMARK_CONFIG``, ``/etc/earmark/earmark.yaml`` or ``$XDG_CONFIG_HOME/earmark/earmark.yaml``
(the first that exists), then ``EARMARK_SECTION__KEY`` variables, which win.
Gives: ``Settings``, a frozen dataclass per section; ``state_dir``; ``mqtt_password``.
Must hold: every key is documented in exactly one place (``sections`` and ``network``), from which the manual and the
sample file are made; an unknown key, a wrong type or a value out of bounds is an error that names the key; all
errors come together; secrets come by file only and are never printed.
"""

from edge.settings.folders import ASSISTANT_FOLDER, bundle_dirs, state_dir, state_place
from edge.settings.loading import ENVIRONMENT, find_config, load
from edge.settings.network import HomeAssistant, Mqtt, Node
from edge.settings.secrets import Secret, credential_path, mqtt_password, readable_by_all
from edge.settings.sections import (
    DEFAULT_BUNDLE,
    Audio,
    Auth,
    Control,
    Decide,
    Enrolment,
    Log,
    Models,
    Privacy,
    Segment,
    Settings,
    State,
)

__all__ = [
    "ASSISTANT_FOLDER",
    "DEFAULT_BUNDLE",
    "ENVIRONMENT",
    "Audio",
    "Auth",
    "Control",
    "Decide",
    "Enrolment",
    "HomeAssistant",
    "Log",
    "Models",
    "Mqtt",
    "Node",
    "Privacy",
    "Secret",
    "Segment",
    "Settings",
    "State",
    "bundle_dirs",
    "credential_path",
    "find_config",
    "load",
    "mqtt_password",
    "readable_by_all",
    "state_dir",
    "state_place",
]
