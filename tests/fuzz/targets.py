"""All targets by name."""

from __future__ import annotations

from typing import Final

from tests.fuzz import (
    targets_assistant,
    targets_bundle,
    targets_fleet,
    targets_sound,
    targets_state,
    targets_text,
    targets_wire,
)
from tests.fuzz.target import Target

TARGETS: Final[dict[str, Target]] = {
    target.name: target
    for target in (
        *targets_bundle.TARGETS,
        *targets_state.TARGETS,
        *targets_sound.TARGETS,
        *targets_text.TARGETS,
        *targets_wire.TARGETS,
        *targets_assistant.TARGETS,
        *targets_fleet.TARGETS,
    )
}
