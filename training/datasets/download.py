"""Downloads a file by HTTP, and goes on where it stopped.

Takes an address and a path; gives the file. What is there so far lies under ``NAME.part``, with the server's mark of
the version beside it. Must hold: pieces of two versions are never joined (``If-Range``, RFC 9110 section 13.1.5); a
server that knows no ranges makes it begin anew, not fail; a connection that breaks is tried again, Ctrl-C leaves what
is there.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from edge.errors import StorageError, UsageError
from training.data.npy import PART, write_text

MARK: Final = ".mark.json"

_BLOCK_BYTES: Final = 1 << 16
_PATIENCE_SECONDS: Final = 60.0
_AGAIN = (1.0, 3.0, 10.0)
"""Seconds before each further try, where a try brought nothing; as long as bytes come, it goes on."""
_PARTIAL, _NOT_SATISFIABLE = 206, 416
_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")

Advance = Callable[[int], None]
"""Told how many more bytes are there; less than 0 where it begins anew."""


def download(url: str, target: Path, size: int, advance: Advance) -> None:
    """Fetch ``url`` to ``target``.

    Args:
        url: ``http`` or ``https``.
        target: appears when it is whole.
        size: bytes that it must have, 0 where unknown.
        advance: told about progress, first about what was there already.

    Raises:
        UsageError: the address is none, or there is nothing under it.
        StorageError: the server cannot be reached or sends something else; the disk is full.
    """
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
        raise UsageError(f"{url} is no address that can be fetched", "Give one that begins with https://.")
    part = target.with_name(target.name + PART)
    tries = 0
    there = _length(part)
    advance(there)
    while True:
        before = _length(part)
        problem = ""
        try:
            if _fetch(url, part, size, advance):
                break
            problem = "the connection broke off"
        except urllib.error.HTTPError as error:
            error.close()
            if error.code < 500 and error.code not in (408, 429):
                raise UsageError(f"{url} can't be fetched: {error.code} {error.reason}", "Is it still there?") from None
            problem = f"{error.code} {error.reason}"
        except (http.client.HTTPException, urllib.error.URLError, ssl.SSLError, ConnectionError, TimeoutError) as error:
            problem = str(getattr(error, "reason", error)) or type(error).__name__
        tries = 0 if _length(part) > before else tries + 1
        if tries > len(_AGAIN):
            raise StorageError(
                f"{urlsplit(url).netloc} does not deliver {target.name} ({problem})",
                "What is there is kept; the same command goes on from there.",
            )
        time.sleep(_AGAIN[max(0, tries - 1)])
    part.replace(target)
    _mark_of(part).unlink(missing_ok=True)


def discard(target: Path) -> None:
    """Remove a file and what is there of it."""
    part = target.with_name(target.name + PART)
    for path in (target, part, _mark_of(part)):
        path.unlink(missing_ok=True)


def _fetch(url: str, part: Path, size: int, advance: Advance) -> bool:
    """One try; whether the file is whole now."""
    there = _length(part)
    mark = _read_mark(part) if there else {}
    if size and there == size:
        return True
    headers = {"User-Agent": "earmark", "Accept-Encoding": "identity"}
    if there and (mark.get("mark") or size):
        headers["Range"] = f"bytes={there}-"
        if mark.get("mark"):
            headers["If-Range"] = mark["mark"]
    elif there:  # nothing would tell whether the rest belongs to this beginning
        _begin_anew(part, there, advance)
        there = 0
    try:
        reply = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_PATIENCE_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == _NOT_SATISFIABLE and there:
            error.close()
            if there == int(mark.get("size") or 0):
                return True
            _begin_anew(part, there, advance)
            return False
        raise
    with reply:
        at, total = _extent(reply, there)
        if at != there:
            _begin_anew(part, there, advance)
        if size and total and total != size:
            raise StorageError(
                f"{part.name.removesuffix(PART)} has {total} bytes at the server instead of {size}",
                "Another version stands there; take another --mirror.",
            )
        _write_mark(part, reply, total)
        with part.open("ab") as file:
            while block := reply.read(_BLOCK_BYTES):
                file.write(block)
                advance(len(block))
        return not total or _length(part) == total


def _extent(reply: Any, there: int) -> tuple[int, int]:
    """Where the reply begins in the file, and how long the file is, 0 where unknown."""
    if reply.status == _PARTIAL:
        found = _RANGE.fullmatch(reply.headers.get("Content-Range", ""))
        if found and int(found[1]) == there:
            return there, 0 if found[2] == "*" else int(found[2])
        raise http.client.HTTPException("the server sent another range than was asked for")
    return 0, int(reply.headers.get("Content-Length") or 0)


def _begin_anew(part: Path, there: int, advance: Advance) -> None:
    part.unlink(missing_ok=True)
    advance(-there)


def _write_mark(part: Path, reply: Any, total: int) -> None:
    # Only a strong mark may be compared for ranges.
    tag = reply.headers.get("ETag") or ""
    mark = tag if tag and not tag.startswith("W/") else reply.headers.get("Last-Modified") or ""
    write_text(_mark_of(part), json.dumps({"mark": mark, "size": total}))


def _read_mark(part: Path) -> dict[str, Any]:
    try:
        raw = json.loads(_mark_of(part).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return raw if isinstance(raw, dict) else {}


def _mark_of(part: Path) -> Path:
    return part.with_name(part.name + MARK)


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
