"""``earmark data list``: which public sets are known, what speech there is, and which features are prepared.

Takes arguments, gives an exit code. Must hold: of audio, heads are read at most.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

from edge.cli.console import Console
from edge.cli.console import table as columns
from edge.cli.progress import Progress
from edge.errors import EXIT_OK

DESCRIPTION: Final = "Show which sets are known, what a folder of recordings holds, or which features a cache holds."

EXAMPLES: Final = """examples:
  earmark data list
  earmark data list --speech ~/speech
  earmark data list --cache ~/features --json
"""


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--speech", type=Path, metavar="DIR", help="folder of recordings: with a manifest.tsv, or known sets"
    )
    parser.add_argument("--layout", default="", metavar="NAME", help="of the set, where it can't be told (recognised)")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="folder of prepared features")


def run(args: argparse.Namespace, console: Console) -> int:
    """Do it; the exit code."""
    found: dict[str, list[dict[str, Any]]] = {}
    if args.speech is None and args.cache is None:
        found["known"] = _known()
    if args.speech is not None:
        found["speech"] = _speech(args, console)
    if args.cache is not None:
        found["caches"] = _caches(args.cache)
    if args.json:
        console.emit(found)
        return EXIT_OK
    for number, rows in enumerate(found.values()):
        if number:
            console.say()
        console.say(table([_short(row) for row in rows]) if rows else "nothing")
    if "known" in found:
        console.note("What a licence means for models, and how to get what can't be fetched: docs/datasets.md")
    return EXIT_OK


def _known() -> list[dict[str, Any]]:
    from training.datasets.catalogue import SETS

    return [
        {
            "name": one.name,
            "for": one.purpose,
            "people": one.people or "many",
            "languages": one.languages,
            "licence": one.licence,
            "consequence": one.consequence,
            "home": one.home,
            "parts": [{"part": part.part, "bytes": part.size} for part in one.archives],
            "by_hand": one.by_hand,
        }
        for one in SETS
    ]


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """What of a row has room in a table."""
    if "by_hand" not in row:
        return row
    size = sum(part["bytes"] for part in row["parts"])
    fetched = f"{size / 1e9:.1f} GB" if size else "yes" if row["parts"] else "by hand"
    return {key: row[key] for key in ("name", "for", "people", "languages", "licence")} | {"fetch": fetched}


def _speech(args: argparse.Namespace, console: Console) -> list[dict[str, Any]]:
    from training.corpus import Recording
    from training.datasets.speech import read_speech

    with Progress(console, "reading") as bar:
        speech = read_speech(args.speech, args.layout, bar.advance)
    if speech.set_aside:
        first = speech.set_aside[0]
        console.note(f"{len(speech.set_aside)} set aside, the first is {first.path}: {first.reason}.")
        console.note(f"earmark data check {args.speech} shows all.")
    groups: dict[tuple[str, str], list[Recording]] = {}
    for recording in speech.recordings:
        groups.setdefault((recording.split, recording.set), []).append(recording)
    return [
        {
            "split": split,
            "set": name,
            "speakers": len({row.speaker for row in rows if row.speaker}),
            "clips": len(rows),
            "hours": round(sum(row.seconds for row in rows) / 3600, 3),
            "languages": " ".join(sorted({row.language for row in rows if row.language})),
            "licences": "; ".join(sorted({row.licence for row in rows if row.licence})),
        }
        for (split, name), rows in groups.items()
    ]


def _caches(folder: Path) -> list[dict[str, Any]]:
    from training.data.prepare import CACHE, read_card

    rows = []
    for path in sorted(folder.glob(f"*/*/{CACHE}")):
        card = read_card(path.parent) or {}
        rows.append(
            {
                "features": path.parent.parent.name,
                "name": path.parent.name,
                "clips": card.get("usable_clips", card.get("clips", 0)),
                "hours": round(card.get("audio_seconds", 0.0) / 3600, 3),
                "views": card.get("views", 0),
                "set_aside": card.get("set_aside", 0),
                "mb": round(sum(file.stat().st_size for file in path.parent.iterdir()) / 2**20, 1),
                "complete": bool(card.get("complete")),
            }
        )
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Rows of equal keys as a table with a head; numbers are set to the right."""
    keys = list(rows[0])
    numeric = [i for i, key in enumerate(keys) if type(rows[0][key]) in (int, float)]
    cells = [[_cell(row[key]) for key in keys] for row in rows]
    return "\n".join(columns([[key.replace("_", " ") for key in keys], *cells], right=numeric))


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
