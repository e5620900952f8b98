"""One HTML page with tables and pictures inside it, that needs no other file and no network.

Takes headings, text, rows of cells and PNG bytes, in the order in which they are to be read. Gives HTML. Must hold:
everything is escaped; nothing is loaded from anywhere (a policy in the page forbids it, too).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b;
  background: #fff; }
h1, h2, h3 { line-height: 1.2; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { border: 1px solid #d4d4d4; padding: .2rem .6rem; text-align: right; white-space: nowrap; }
th { background: #f2f2f2; }
th:first-child, td:first-child { text-align: left; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; }
dt { font-weight: 600; } dd { margin: 0; overflow-wrap: anywhere; }
figure { display: inline-block; margin: .5rem 1rem .5rem 0; } img { max-width: 100%; height: auto; }
code { overflow-wrap: anywhere; }
"""


class Page:
    """A page under construction. Parts appear in the order of the calls."""

    def __init__(self, title: str) -> None:
        """Begin a page with its title as the first heading."""
        self._title = escape(title)
        self._parts = [f"<h1>{self._title}</h1>"]

    def heading(self, text: str, level: int = 2) -> None:
        """Begin a section. ``level``: 2 or 3."""
        self._parts.append(f"<h{level}>{escape(text)}</h{level}>")

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

    def picture(self, png: bytes, description: str) -> None:
        """Add a picture. ``description``: what it shows, for those who cannot see it."""
        data = base64.b64encode(png).decode("ascii")
        self._parts.append(f'<figure><img alt="{escape(description)}" src="data:image/png;base64,{data}"></figure>')

    def html(self) -> str:
        """Return the whole page."""
        body = "\n".join(self._parts)
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
            "style-src 'unsafe-inline'\">\n"
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{self._title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
        )
