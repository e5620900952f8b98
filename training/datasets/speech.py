"""Reads any folder of speech: one with a manifest, one in a known layout, or one that holds several of these.

Takes a folder; gives ``Speech``: ``Recording`` rows, relative to that folder, and what was set aside. Opens only the
heads of files. Must hold: what a manifest says is believed as it stands; everything else is a row whose head could be
read, or is set aside by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from edge.errors import AudioFileError
from training.corpus import Recording, read_manifest
from training.data.clips import MIN_SECONDS, read_head
from training.data.convert import needs_ffmpeg
from training.data.shards import SetAside
from training.datasets.catalogue import facts_of
from training.datasets.layout import Labelled, Layout, audio_below
from training.datasets.layouts import discover, layout_named


@dataclass(frozen=True, slots=True)
class Speech:
    """What a folder holds.

    ``layouts``: their names, ``manifest`` among them. ``converts``: files may be of any rate and are to be read with
    conversion; False where a manifest promises 16 kHz mono.
    """

    folder: Path
    recordings: tuple[Recording, ...]
    set_aside: tuple[SetAside, ...]
    layouts: tuple[str, ...]
    converts: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A set's root, relative to the folder ("" for the folder itself), and its layout (None: a manifest)."""

    under: str
    layout: Layout | None

    def path(self, path: str) -> str:
        """A path of the set as one of the folder."""
        return f"{self.under}/{path}" if self.under else path


def read_speech(folder: Path, layout: str = "", progress: Callable[[int], None] | None = None) -> Speech:
    """Read ``folder``.

    Args:
        folder: of speech.
        layout: name of the layout that it certainly has; "" to recognise it.
        progress: told how many more files were looked at.

    Raises:
        UsageError: nothing in it is known, or a manifest cannot be understood.
    """
    rows: list[Recording] = []
    aside: list[SetAside] = []
    places = find_places(folder, layout)
    for place in places:
        if place.layout is None:
            rows += (replace(row, path=place.path(row.path)) for row in read_manifest(folder / place.under))
            continue
        for found in place.layout.find(folder / place.under):
            made = found if isinstance(found, SetAside) else _measured(folder / place.under, found, place.layout)
            if isinstance(made, SetAside):
                aside.append(SetAside(place.path(made.path), made.reason))
            else:
                rows.append(replace(made, path=place.path(made.path)))
            if progress:
                progress(1)
    aside += strangers(folder, places)
    names = tuple(dict.fromkeys(place.layout.name if place.layout else "manifest" for place in places))
    return Speech(folder, tuple(rows), tuple(aside), names, any(place.layout for place in places))


def find_places(folder: Path, layout: str = "") -> list[Place]:
    """The sets in a folder. Raises ``UsageError``."""
    if layout:
        return [Place("", layout_named(layout))]
    places = []
    for root, found in discover(folder):
        under = root.relative_to(folder).as_posix()
        places.append(Place("" if under == "." else under, found))
    return places


def strangers(folder: Path, places: list[Place]) -> Iterator[SetAside]:
    """Audio beside the sets of a folder, which belongs to none of them."""
    roots = [PurePosixPath(place.under) for place in places]
    if PurePosixPath() in roots:
        return
    for path in audio_below(folder):
        if not any(PurePosixPath(path).is_relative_to(root) for root in roots):
            yield SetAside(path, "not labelled: it belongs to no set that is known here")


def recording(found: Labelled, layout: Layout, path: str, seconds: float) -> Recording:
    """The row of a labelled file."""
    name = found.set or layout.name
    licence, source = facts_of(name)
    return Recording(
        path=path, split=found.split, set=name, speaker=found.speaker, gender=found.gender, emotion=found.emotion,
        language=found.language, seconds=round(seconds, 3), licence=licence, source=source,
    )  # fmt: skip


def _measured(root: Path, found: Labelled, layout: Layout) -> Recording | SetAside:
    path = root / found.path
    try:
        if layout.cut_seconds:
            return SetAside(found.path, f"not cut into clips: earmark data import cuts {layout.name} recordings")
        if needs_ffmpeg(path):
            return SetAside(found.path, "not converted: earmark data import converts this kind of file")
        seconds = read_head(path).seconds
        if seconds < MIN_SECONDS:
            return SetAside(found.path, f"too short: {seconds:.2f} s of at least {MIN_SECONDS}")
    except AudioFileError as error:
        return SetAside(found.path, error.cause)
    except OSError as error:
        return SetAside(found.path, f"unreadable ({error.strerror})")
    return recording(found, layout, found.path, seconds)
