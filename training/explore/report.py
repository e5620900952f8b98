"""The report: one page with everything, each picture beside it as PNG, and the sheet of suspicious labels.

Takes ``Findings``; gives a folder. Must hold: the page needs none of the other files and no network; every picture has
a sentence on how to read it; a figure that the data do not allow is left out, with the reason where a reader would look
for it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from edge.errors import AudioFileError
from edge.features import FrontEnd
from training.corpus import Recording
from training.explore import balance, colours, draw_counts, draw_sound, draw_spread, project, sheet
from training.explore.findings import LABELS, Findings, correlated, facts
from training.explore.hear import read
from training.explore.measures import MEASURES, MFCC_SPEC
from training.explore.sounds import playable
from training.explore.suspects import Suspect, name_of
from training.report.evaluation import prepare, save
from training.report.page import Page

SHEET: Final = "suspects.tsv"
PLAYED: Final = 15
"""Suspects per kind of label that the page plays; the sheet has all."""
_LISTED: Final = 100


class Report:
    """Builds the page and saves the pictures as it goes. ``told`` hears the name of each section that is done."""

    def __init__(self, out: Path, found: Findings, told: Callable[[str], None]) -> None:
        prepare(out)
        self._out, self._found, self._told = out, found, told
        self._page = Page(f"What is in {found.folder.resolve().name}")
        self.pictures: list[str] = []

    def write(self, examples: int) -> Path:
        """Write everything; returns the page's path. Raises ``StorageError``, ``ExtraMissingError``."""
        found, page = self._found, self._page
        page.facts(facts(found))
        page.links({words: f"#{words.split()[0].lower()}" for words in SECTIONS})
        for words, section in SECTIONS.items():
            page.heading(words, anchor=words.split()[0].lower())
            section(self, examples)
            self._told(words)
        save(self._out / SHEET, sheet.write(found.suspects).encode())
        path = self._out / "index.html"
        save(path, page.html().encode())
        return path

    def _colours(self, key: str) -> dict[str, str]:
        """The colours of a kind of class, the same in every picture."""
        return colours.of(sorted({balance.of(row, key) for row in self._found.contents.rows}))

    def _picture(self, name: str, png: bytes, words: str) -> None:
        save(self._out / f"{name}.png", png)
        self.pictures.append(f"{name}.png")
        self._page.picture(png, words, draw_counts.WIDTH)

    def _files(self, _: int) -> None:
        found, page = self._found, self._page
        for words, problems in (("cannot be used", found.problems), ("were used, but", found.heard.remarks)):
            if problems:
                page.text(f"{len(problems)} files {words}:")
                page.table([["file", "why"], *([one.path or "-", one.reason] for one in problems[:_LISTED])])
        if not found.problems and not found.heard.remarks:
            page.text("Every file that was opened could be used.")
        page.text("`earmark data check` opens all files of a folder, not only those that were drawn.")

    def _balance(self, _: int) -> None:
        rows, page = self._found.contents.rows, self._page
        page.text(
            "All recordings of the folder, not only those that were listened to. A class with few clips, or few "
            "people, is learnt badly and measured badly; a set of one gender lets a network take "
            "the set for the gender."
        )
        for key, part in (("set", "gender"), ("emotion", "gender"), ("language", "gender"), ("split", "set")):
            if len({balance.of(row, key) for row in rows}) > 1 or key == "set":
                kept = [row for row in rows if key != "emotion" or row.emotion]
                names, parts = balance.stacked(kept, key, part)
                title = f"Clips by {key} and {part}"
                self._picture(
                    f"balance-{key}", draw_counts.bars(title, "clips", names, parts, self._colours(part)), title
                )
        minutes = balance.speaker_minutes(rows, "set")
        people = len({name_of(row, "speaker") for row in rows} - {""})
        if 0 < people <= draw_counts.MOST_BARS:
            names, parts = balance.stacked([row for row in rows if row.speaker], "speaker", "gender")
            picture = draw_counts.bars("Clips by speaker", "clips", names, parts, self._colours("gender"))
            self._picture("balance-speakers", picture, "Clips by speaker and gender")
        elif minutes:
            unit = "minutes" if any(row.seconds for row in rows) else "clips"
            picture = draw_counts.ranked("How much each speaker says", unit, minutes, self._colours("set"))
            self._picture("balance-speakers", picture, f"{unit} per speaker in falling order, one line per set")
            page.text(
                "A flat line: everybody says as much. A steep one: a few people are most of what is learnt, and a draw "
                "by clips hears little else."
            )
        for key in balance.KEYS:
            if len({balance.of(row, key) for row in rows}) > 1:
                page.table(balance.table(rows, key))

    def _lengths(self, _: int) -> None:
        rows, page = self._found.contents.rows, self._page
        known = [row for row in rows if row.seconds] or list(self._found.heard.rows)
        common = draw_spread.frequent([row.set for row in known])
        groups = {name: [row.seconds for row in known if row.set == name] for name in common}
        groups = {name: seconds for name, seconds in groups.items() if seconds}
        picture = draw_counts.lengths("Lengths of clips", groups, self._colours("set"))
        self._picture("lengths", picture, "Histogram of lengths by set")
        page.text("Short clips carry little of a voice, and are repeated to fill a window; long ones are cut.")
        page.table(balance.lengths_table(known))

    def _examples(self, count: int) -> None:
        page, front_end = self._page, FrontEnd(MFCC_SPEC)
        page.text(
            "Top: the waveform. Middle: the spectrogram, decibels below full scale. Bottom: the cepstral coefficients "
            "(MFCC) of Earmark's front-end over time, in decibels; coefficient 0 is the loudness against its mean, low "
            "ones the shape of the vocal tract, high ones fine detail."
        )
        for number, row in enumerate(examples_of(self._found.heard.rows, count), start=1):
            try:
                samples, _, _ = read(self._found.folder / row.path)
            except AudioFileError:  # it was there a minute ago
                continue
            words = describe(row)
            png = draw_sound.draw(samples, words, front_end)
            self._picture(f"example-{number:02d}", png, f"Waveform, spectrogram and MFCC of {words}")
            page.sound(*playable(samples), f"{row.path}: {words}")

    def _figures(self, _: int) -> None:
        heard, page = self._found.heard, self._page
        page.text(
            "Boxes are quartiles, whiskers the 5th and 95th percentile, the stroke the median; in brackets the clips. "
            "Boxes that lie apart are classes that a simple model can tell; where sets lie apart, it can learn the set "
            "instead."
        )
        page.facts({f"{one.name}{f', {one.unit}' if one.unit else ''}": one.words for one in MEASURES})
        for key in (*LABELS, "set"):
            values = [_class(row, key) for row in heard.rows]
            if len(set(values) - {""}) < 2:
                continue
            title, colour = f"Figures by {key}", self._colours(key)
            self._picture(f"figures-{key}", draw_spread.boxes(heard.measures, values, title, colour), title)
            title = f"MFCC by {key}"
            self._picture(f"mfcc-{key}", draw_spread.cepstra(heard.mfcc[:, :20], values, title, colour), title)

    def _correlation(self, _: int) -> None:
        names, table = correlated(self._found.heard)
        self._page.text(
            "Red: one grows with the other; blue: it falls. Figures that always go together carry one piece of news "
            "between them. The row female shows what goes with gender, the row length what goes with long clips."
        )
        picture = draw_spread.correlation(table, names)
        self._picture("correlation", picture, "Matrix of correlations between figures, female voices and some MFCCs")

    def _map(self, _: int) -> None:
        heard, page, found = self._found.heard, self._page, self._found
        if not heard.vectors.shape[1] or len(heard.rows) < 4:
            page.text("There is no map without a bundle that embeds the clips (--bundle), and without a few clips.")
            return
        page.text(
            f"Each point is a clip as the bundle {found.bundle} hears it. Left: the two directions in which voices "
            "differ most, with their share of all variance. Right: t-SNE, which keeps neighbours together; there, "
            "distances between groups mean nothing. A point amid another class may be a wrong label."
        )
        chosen = np.sort(np.random.default_rng(found.seed).permutation(len(heard.rows))[: project.MOST_POINTS])
        rows = [heard.rows[int(place)] for place in chosen]
        flat, shares = project.principal(heard.vectors[chosen])
        near = project.neighbours(heard.vectors[chosen])
        panels = [(f"principal components ({100 * shares[0]:.0f} %, {100 * shares[1]:.0f} %)", flat), ("t-SNE", near)]
        for key in (*LABELS, "set", "speaker"):
            values = [name_of(row, "speaker") if key == "speaker" else _class(row, key) for row in rows]
            if len(set(values) - {""}) > 1:
                title = f"Voices by {key}"
                colour = colours.of(draw_spread.frequent(values)) if key == "speaker" else self._colours(key)
                self._picture(f"map-{key}", draw_spread.places(panels, values, title, colour), title)

    def _labels(self, _: int) -> None:
        page = self._page
        page.text(
            "A classifier that never heard the clip (nor, for gender and emotion, anybody's clip of this speaker) says "
            "what the label should be. Listed is where it finds another label more probable, and the given one less "
            "than half as probable as clips of that class usually are; the most contradicted first. It is often wrong: "
            "listen, then decide. Where it agrees with few labels anyway, as with acted emotions, most of the list is "
            "right as it is."
        )
        page.text(
            f"All of them stand in {SHEET} beside this page. Fill in its first column, decide, with one of the words "
            f"below or the right label, and `earmark explore {shlex.quote(str(self._found.folder))} --apply "
            f"{shlex.quote(str(self._out / SHEET))}` writes a corrected manifest."
        )
        page.facts(sheet.WORDS)
        page.links({SHEET: SHEET})
        for review in self._found.reviews:
            page.heading(review.label.capitalize(), 3)
            if review.reason:
                page.text(f"Not judged: {review.reason}.")
                continue
            page.text(
                f"{review.judged} labels judged, {len(review.classes)} classes; the guess agrees with "
                f"{100 * review.agreement:.0f} % (mean over classes), {len(review.suspects)} look wrong."
            )
            for number, one in enumerate(review.suspects[:PLAYED], start=1):
                try:
                    page.sound(*playable(read(self._found.folder / one.row.path)[0]), f"{number}. {sentence(one)}")
                except AudioFileError:
                    continue
            if review.suspects:
                page.table(list(cells(review.suspects[:_LISTED])))


SECTIONS: Final[Mapping[str, Callable[[Report, int], None]]] = {
    "Balance": Report._balance,
    "Lengths": Report._lengths,
    "Examples": Report._examples,
    "Figures by class": Report._figures,
    "Correlation": Report._correlation,
    "Map of voices": Report._map,
    "Labels to look at": Report._labels,
    "Files": Report._files,
}


def examples_of(rows: Sequence[Recording], count: int) -> list[Recording]:
    """Up to ``count`` rows that show as many emotions, genders, sets, languages and people as possible."""
    left, chosen = list(rows), list[Recording]()
    seen: set[tuple[str, str]] = set()
    while left and len(chosen) < count:
        best = max(left, key=lambda row: len(_kinds(row) - seen))
        chosen.append(best)
        left.remove(best)
        seen |= _kinds(best)
        if len(seen) and not any(_kinds(row) - seen for row in left):
            seen = set()
    return chosen


def _kinds(row: Recording) -> set[tuple[str, str]]:
    kinds = ("gender", "emotion", "set", "language", "speaker")
    return {(kind, getattr(row, kind)) for kind in kinds if getattr(row, kind)}


def _class(row: Recording, key: str) -> str:
    """A row's class as people read it, empty where it is not known."""
    return balance.of(row, key) if getattr(row, key) else ""


def describe(row: Recording) -> str:
    """A row in a few words."""
    parts = (row.set, row.speaker, colours.shown(row.gender) if row.gender else "", row.emotion, row.language)
    return ", ".join(part for part in parts if part)


def sentence(one: Suspect) -> str:
    """A suspect in a line."""
    given, suggested = (colours.shown(sheet.plain(name)) for name in (one.given, one.suggested))
    return (
        f"{one.row.path}: says {given} ({100 * one.p_given:.0f} %), sounds like {suggested} "
        f"({100 * one.p_suggested:.0f} %)"
    )


def cells(suspects: Sequence[Suspect]) -> Iterator[list[str]]:
    """The rows of a table of suspects, heads first."""
    yield ["file", "given", "%", "suggested", "%", "set", "speaker"]
    for one in suspects:
        yield [
            one.row.path, sheet.plain(one.given), f"{100 * one.p_given:.1f}", sheet.plain(one.suggested),
            f"{100 * one.p_suggested:.1f}", one.row.set, one.row.speaker,
        ]  # fmt: skip
