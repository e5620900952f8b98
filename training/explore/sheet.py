"""The sheet of suspicious labels: a person fills in what each should be, and a corrected manifest comes of it.

Takes suspects, gives a tab-separated file; takes the file filled in, gives the lines of a manifest. Must hold: what was
left empty changes nothing; a word that is no label is refused with its line; every other line and column of the
manifest stays as it was.
"""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from edge.errors import UsageError
from training.corpus import MANIFEST
from training.explore.suspects import KINDS, Suspect

COLUMNS: Final = (
    "decide", "label", "path", "given", "suggested", "p_given", "p_suggested", "set", "speaker",
)  # fmt: skip
WORDS: Final = {
    "keep": "the label is right (so does an empty field)",
    "change": "take the suggestion",
    "unknown": "empty the label",
    "drop": "take the clip out of the manifest",
}
"""What ``decide`` may say, besides a label that the manifest already has."""


def write(suspects: Iterable[Suspect]) -> str:
    """Return the sheet, ``decide`` empty in each line."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in suspects:
        row = one.row
        writer.writerow(
            ["", one.label, row.path, plain(one.given), plain(one.suggested), one.p_given, one.p_suggested, row.set,
             row.speaker]
        )  # fmt: skip
    return out.getvalue()


def apply(sheet: Path, folder: Path) -> tuple[str, dict[str, int]]:
    """Return the manifest of ``folder`` with the decisions of ``sheet``, and how many labels changed and clips went.

    Raises ``UsageError`` naming file and line where a decision cannot be followed.
    """
    columns, lines = _read(folder / MANIFEST, "Labels stand in a manifest.tsv: `earmark data import` makes one.")
    heads, decisions = _read(sheet, "Name the suspects.tsv of a report.")
    for name in COLUMNS[:5]:
        if name not in heads:
            raise UsageError(f"{sheet} has no column {name}", "Its first line must stay as it was made.")
    by_path: dict[str, list[dict[str, str]]] = {}
    for line in lines:
        by_path.setdefault(line["path"], []).append(line)
    known = {label: {line[label] for line in lines} - {""} for label in KINDS}
    dropped: set[str] = set()
    changed = 0
    for number, row in enumerate(decisions, start=2):
        where, decision = f"Line {number} of {sheet}", row["decide"].strip()
        if decision in ("", "keep"):
            continue
        label, path = row["label"], row["path"]
        if label not in known or path not in by_path:
            raise UsageError(f"{where} names a label or a path that {folder} does not have", "Correct or remove it.")
        if decision == "drop":
            dropped.add(path)
            continue
        value = _value(decision, row["suggested"], known[label], where)
        for line in by_path[path]:
            if line[label] != row["given"]:
                raise UsageError(
                    f"{where}: the {label} of {path} is {line[label]!r} by now, not {row['given']!r}",
                    "Look at it again, and correct or remove the line.",
                )
            line[label] = value
            changed += 1
    kept = [line for line in lines if line["path"] not in dropped]
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows(kept)
    return out.getvalue(), {"changed": changed, "dropped": len(lines) - len(kept)}


def plain(name: str) -> str:
    """A class as the manifest writes it: speakers without their set."""
    return name.rpartition("/")[2]


def _value(decision: str, suggested: str, known: set[str], where: str) -> str:
    if decision == "unknown":
        return ""
    value = suggested if decision == "change" else decision
    if value not in known:
        words = [*WORDS, *sorted(known)]
        near = difflib.get_close_matches(value, words, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"It may say {', '.join(WORDS)}, or a label that there is."
        raise UsageError(f"{where} decides {value!r}, which is no label", hint)
    return value


def _read(path: Path, remedy: str) -> tuple[list[str], list[dict[str, str]]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t", restval="")
            lines = [{name: line[name] for name in reader.fieldnames or ()} for line in reader]
            return list(reader.fieldnames or ()), lines
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read ({error})", remedy) from error
