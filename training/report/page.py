"""One HTML page with tables, pictures and sounds inside it, that needs no other file and no network.

Takes headings, text, rows of cells, PNG bytes and sounds, in the order in which they are to be read. Gives HTML. Must
hold: everything is escaped; nothing is loaded from anywhere (a policy in the page forbids it, too); it can be read on a
phone, and in the dark where the reader's system is set to that.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #fff; --line: #d4d4d4; --head: #f2f2f2; --link: #0b5c8f; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e4e4; --paper: #16181b; --line: #43474c; --head: #24282c; --link: #7cc0ea; }
  img { filter: brightness(.88); }
}
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: var(--ink);
  background: var(--paper); overflow-wrap: break-word; }
a { color: var(--link); }
h1, h2, h3 { line-height: 1.2; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
p, li { max-width: 50rem; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { border: 1px solid var(--line); padding: .2rem .6rem; text-align: right; white-space: nowrap; }
th { background: var(--head); }
th:first-child, td:first-child { text-align: left; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; }
dt { font-weight: 600; } dd { margin: 0; overflow-wrap: anywhere; }
figure { display: inline-block; vertical-align: top; max-width: 100%; margin: .5rem 1rem .5rem 0; }
figcaption { font-size: .9em; overflow-wrap: anywhere; }
img { max-width: 100%; height: auto; background: #fff; border-radius: 4px; }
audio { display: block; width: 20rem; max-width: 100%; }
code { overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  body { margin: 1rem auto; }
  figure { margin-right: 0; }
  dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; }
}
"""
"""Light and dark, wide and narrow. Pictures are drawn dark on white and keep their white ground."""


class Page:
    """A page under construction. Parts appear in the order of the calls."""

    def __init__(self, title: str) -> None:
        """Begin a page with its title as the first heading."""
        self._title = escape(title)
        self._parts = [f"<h1>{self._title}</h1>"]
        self._sounds = False

    def heading(self, text: str, level: int = 2, anchor: str = "") -> None:
        """Begin a section. ``level``: 2 or 3. ``anchor``: what ``links`` may point at, as ``#anchor``."""
        mark = f' id="{escape(anchor)}"' if anchor else ""
        self._parts.append(f"<h{level}{mark}>{escape(text)}</h{level}>")

    def links(self, targets: Mapping[str, str]) -> None:
        """Add a row of links: words -> ``#anchor`` of this page, or the name of a file beside it."""
        inside = "".join(f'<a href="{escape(target)}">{escape(words)}</a>' for words, target in targets.items())
        self._parts.append(f"<nav>{inside}</nav>")

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self._parts.append(f"<p>{escape(text)}</p>")

    def facts(self, facts: Mapping[str, str]) -> None:
        """Add a list of names and what they stand for."""
        inside = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
        self._parts.append(f"<dl>{inside}</dl>")

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Add a table; the first row are the heads."""
        head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in rows[0])
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>\n" for row in rows[1:])
        self._parts.append(
            f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>'
        )

    def picture(self, png: bytes, description: str, width: int = 0) -> None:
        """Add a picture. ``description``: what it shows, for those who cannot see it. ``width``: in CSS pixels where
        there is room, for pictures drawn finer than that; 0: one for each of its own.
        """
        data = base64.b64encode(png).decode("ascii")
        size = f' width="{width}"' if width else ""
        self._parts.append(
            f'<figure><img alt="{escape(description)}"{size} src="data:image/png;base64,{data}"></figure>'
        )

    def sound(self, data: bytes, kind: str, words: str) -> None:
        """Add a player. ``kind``: such as ``audio/mpeg``. ``words``: what is heard."""
        self._sounds = True
        source = f"data:{escape(kind)};base64,{base64.b64encode(data).decode('ascii')}"
        self._parts.append(
            f"<figure><figcaption>{escape(words)}</figcaption>"
            f'<audio controls preload="none" src="{source}"></audio></figure>'
        )

    def html(self) -> str:
        """Return the whole page."""
        body = "\n".join(self._parts)
        allowed = "img-src data:; media-src data:" if self._sounds else "img-src data:"
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
            f"{allowed}; style-src 'unsafe-inline'\">\n"
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{self._title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
        )
