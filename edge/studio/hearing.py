"""A clip through the pipeline of the device, with everything a page shows of it.

Takes the session, settings and the bytes of a recording. Gives ``Heard``. Must hold: the pipeline is the session's and
decides as `earmark simulate` does; "nothing was heard" always comes with why; what is kept is bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from edge.auth.hearing import Hearing
from edge.cli.recordings import listen, notes_of, open_recording, rejection
from edge.cli.session import Session
from edge.errors import EarmarkError
from edge.records import AudioBlock, Float32, QualityReason, Result
from edge.settings import Settings
from edge.studio.uploads import in_memory

LONGEST_SECONDS: Final = 180.0
"""Of a clip: more is left out, and that is said."""


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """One clip. ``name``: what the person calls it. ``data``: its bytes, to be played. ``samples``: float32 ``(n,)`` at
    16 kHz. ``thresholds``: log-likelihood ratios ``(unknown below, named from)``, None where nobody is enrolled.
    ``nothing``: why there is no utterance, else None; ``reason``: the same as a word.
    """

    name: str
    data: bytes
    samples: Float32
    results: tuple[Result, ...]
    thresholds: tuple[float, float] | None
    notes: tuple[str, ...] = ()
    nothing: EarmarkError | None = None
    reason: QualityReason | None = None


def hear(
    session: Session,
    data: bytes,
    name: str,
    settings: Settings | None = None,
    on_seconds: Callable[[float], None] = lambda seconds: None,
) -> Heard:
    """Hear a clip. ``settings``: instead of the session's. ``on_seconds``: told how much audio each block brought.

    Raises ``AudioFileError``, in words that name the clip, and what opening the people raises.
    """
    settings = settings or session.settings
    pipeline = session.pipeline(settings=settings)
    hearing = Hearing()
    blocks: list[AudioBlock] = []
    with in_memory(data, name) as path:
        source = open_recording(str(path), settings)
        results = tuple(
            listen(
                pipeline,
                source,
                hearing,
                limit_seconds=LONGEST_SECONDS,
                on_seconds=on_seconds,
                on_block=blocks.append,
            )
        )
        notes = [note.replace(str(path), name) for note in notes_of(source)]
    if hearing.seconds >= LONGEST_SECONDS:
        notes.append(f"Only the first {LONGEST_SECONDS:.0f} seconds were heard.")
    reason = None if results else hearing.why_nothing(settings)
    return Heard(
        name,
        data,
        np.concatenate([block.samples for block in blocks]),
        results,
        pipeline.thresholds if pipeline.voiceprints else None,
        tuple(notes),
        rejection(reason, name) if reason else None,
        reason,
    )


def telling(settings: Settings, *, gender: bool, emotion: bool) -> Settings:
    """The settings of a visit in which somebody has read the notice and wants gender or emotion told."""
    privacy = replace(settings.privacy, gender=gender, emotion=emotion, labels_acknowledged=gender or emotion)
    return replace(settings, privacy=privacy)
