"""What is remembered of one visit: the utterances that were tried.

Takes clips and results. Gives ``Voice``s for the map. Must hold: kept in memory only, at most ``_MOST``, and each clip
once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import streamlit as st

from edge.records import Result
from edge.studio.parts import Clip
from edge.studio.voices import Voice

_MOST: Final = 24
_KEY: Final = "tried"


def keep_tried(clip: Clip, results: Sequence[Result]) -> None:
    """Remember the embeddings of a clip."""
    before = [row for row in st.session_state.get(_KEY, []) if row[0] != clip.ident]
    number = 1 + sum(row[1].startswith("recording") for row in before)
    name = f"recording {number}" if clip.name == "recording.wav" else Path(clip.name).stem
    found = [result.embedding for result in results if result.embedding is not None]
    for part, embedding in enumerate(found, 1):
        called = f"{name} ({part})" if len(found) > 1 else name
        before.append((clip.ident, called, Voice(called, "tried", embedding.vector)))
    st.session_state[_KEY] = before[-_MOST:]


def tried() -> list[Voice]:
    """What was tried, oldest first."""
    return [row[2] for row in st.session_state.get(_KEY, [])]


def forget_tried() -> None:
    """Forget it."""
    st.session_state.pop(_KEY, None)
