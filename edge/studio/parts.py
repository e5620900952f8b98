"""Pieces that several pages draw: errors, the foot of the side bar, where a clip comes from.

Takes what was opened. Draws. Must hold: an error is a sentence with what to do about it, never a traceback.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import streamlit as st

from edge.audio.sniff import AUDIO_SUFFIXES
from edge.demo.stage import ASSETS
from edge.errors import EarmarkError
from edge.studio.charts import Chart
from edge.studio.opened import Opened
from edge.studio.words import aim


@dataclass(frozen=True, slots=True)
class Clip:
    """Sound that a visitor gave. ``ident``: differs from every other one that was given in this visit."""

    ident: str
    name: str
    data: bytes


RECORD: Final = ":material/mic: Record"
UPLOAD: Final = ":material/upload_file: Upload"
BUNDLED: Final = ":material/library_music: Bundled clip"


def told(page: Callable[[Opened], None], opened: Opened) -> Callable[[], None]:
    """The page as Streamlit calls it; its errors are shown on it."""

    def show() -> None:
        try:
            page(opened)
        except EarmarkError as error:
            problem(error)

    show.__name__ = page.__module__.rpartition(".")[2]
    return show


def problem(error: EarmarkError) -> None:
    """Show an error."""
    st.error(error.sentence(), icon=":material/error:")


def chart(document: Chart, key: str, width: str = "stretch") -> None:
    """Draw a Vega-Lite document in the page's colours. ``width``: as Streamlit's."""
    st.vega_lite_chart(document, width=width, key=key)


def at_home(folder: Path) -> str:
    """The folder as people write it, ``~`` for their home."""
    return f"~/{folder.relative_to(Path.home())}" if folder.is_relative_to(Path.home()) else str(folder)


def footer(opened: Opened) -> None:
    """What is in force, and what becomes of sound and voices."""
    session, decide = opened.session, opened.session.settings.decide
    st.caption(f"**Model** {session.model}")
    st.caption(f"**{'Threshold' if decide.threshold else 'Profile'}** {aim(decide)}")
    st.caption(f"**People** in `{at_home(session.folder)}`")
    st.caption(
        ":material/lock: Everything stays on this machine. Sound lives in memory until this page is closed; only "
        "enrolling somebody stores anything, and that is no sound."
    )


def clips(key: str, *, several: bool = False, bundled: Sequence[Path] = ()) -> list[Clip]:
    """Ask for sound: the browser's microphone, files, or a bundled clip. Gives what is chosen now."""
    ways = [RECORD, UPLOAD, BUNDLED] if bundled else [RECORD, UPLOAD]
    way = st.segmented_control("Where the sound comes from", ways, default=RECORD, key=f"{key}-way")
    if way == UPLOAD:
        kinds = [suffix.lstrip(".") for suffix in sorted(AUDIO_SUFFIXES)]
        given = st.file_uploader(
            "WAV, FLAC, Ogg, Opus, MP3 or AIFF", type=kinds, accept_multiple_files=several, key=f"{key}-upload"
        )
        files = given if isinstance(given, list) else [given] if given else []
        return [Clip(file.file_id, file.name, file.getvalue()) for file in files]
    if way == BUNDLED:
        return _bundled(key, several, bundled)
    recorded = st.audio_input("Press the microphone, speak a sentence or two, press again", key=f"{key}-record")
    if recorded is None:
        st.caption("The browser asks once whether this page may listen. It only can on this machine or over https.")
        return []
    return [Clip(recorded.file_id, "recording.wav", recorded.getvalue())]


def _bundled(key: str, several: bool, paths: Sequence[Path]) -> list[Clip]:
    names = {path.stem.replace("-", " "): path for path in paths}
    if several:
        picked = st.multiselect("Clips of the demonstration", list(names), key=f"{key}-bundled")
    else:
        one = st.selectbox(
            "Clip of the demonstration", list(names), index=None, placeholder="Choose one", key=f"{key}-bundled"
        )
        picked = [one] if one else []
    st.caption(f"Read speech from public corpora; sources and licences in `{ASSETS.name}/ATTRIBUTION.md`.")
    return [Clip(f"bundled {name}", names[name].name, names[name].read_bytes()) for name in picked]
