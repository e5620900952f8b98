"""Lines on the control socket: bytes -> requests, and answers -> bytes.

Takes one line at a time. Gives a request or a ``RequestError`` that says what is wrong with it. Must hold: no line,
however made, costs more than its own length in time and memory; what is not exactly a request is refused, never guessed
at; an answer is always one line of ASCII.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Final, Literal

from edge.errors import EarmarkError, LockedOut, RequestError

VERSION: Final = 1
"""Of the protocol; ``status`` tells it."""
MAX_LINE_BYTES: Final = 4096
"""Longest request with its line feed."""
MAX_ANSWER_BYTES: Final = 65_536
"""Longest answer that a client has to be ready for."""
DEFAULT_SECONDS: Final = 10.0
"""Sound that a verification takes at most, where the request does not say."""
LONGEST_SECONDS: Final = 60.0
_LONGEST_ID: Final = 64
_LONGEST_NAME: Final = 256
_LANGUAGE: Final = re.compile(r"[a-z]{2,8}(-[A-Za-z0-9]{1,8})?")

Requester = Literal["socket", "pam"]
"""On whose behalf an attempt is made, for the audit log. Only root may say ``pam``."""


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """How is the daemon?"""

    id: str


@dataclass(frozen=True, slots=True)
class RecentRequest:
    """What is heard now, and who spoke lately? For root and the daemon's own account."""

    id: str


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """End the verification ``request`` of this connection."""

    id: str
    request: str


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """Is what the microphone hears from now on the voice of ``person`` (name or id)? ``challenge``: with random digits
    to say, in ``language``. ``timeout_seconds``: of sound, at most.
    """

    id: str
    person: str
    challenge: bool = False
    timeout_seconds: float = DEFAULT_SECONDS
    requester: Requester = "socket"
    language: str = "en"


Request = StatusRequest | RecentRequest | CancelRequest | VerifyRequest

_FIELDS: Final[dict[str, frozenset[str]]] = {
    "status": frozenset(),
    "recent": frozenset(),
    "cancel": frozenset({"request"}),
    "verify": frozenset({"person", "challenge", "timeout", "requester", "language"}),
}


def parse(line: bytes) -> Request:
    """The request in a line, with or without its line feed.

    Raises ``RequestError``: with ``fatal`` where the line is no JSON object at all, since nothing that follows can be
    trusted then; otherwise with the request's ``id`` where it has a usable one.
    """
    body = decoded(line)
    identity = body.get("id")
    if not isinstance(identity, str) or not 1 <= len(identity) <= _LONGEST_ID or not identity.isprintable():
        raise RequestError(f"`id` must be a text of 1 to {_LONGEST_ID} printable characters")
    try:
        return _request(identity, body)
    except RequestError as error:
        error.id = identity
        raise


def decoded(line: bytes) -> dict[str, Any]:
    """The JSON object in ``line``. Raises ``RequestError`` where it is none, too long, or says a thing twice."""
    if len(line) > MAX_LINE_BYTES:
        raise RequestError(f"A request has at most {MAX_LINE_BYTES} bytes", fatal=True)
    try:
        body = json.loads(line.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_once)
    except RequestError:
        raise
    # Too deep a nesting is a RecursionError; a number of thousands of digits is a ValueError.
    except (ValueError, RecursionError):
        raise RequestError("A request is one line with a JSON object", fatal=True) from None
    if not isinstance(body, dict):
        raise RequestError("A request is one line with a JSON object", fatal=True)
    return body


def _no_constant(name: str) -> None:
    raise RequestError(f"{name} is no JSON", fatal=True)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a key that stands twice could mean one thing here and another elsewhere."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise RequestError("A key stands twice in the request", fatal=True)
    return made


def _request(identity: str, body: dict[str, Any]) -> Request:
    operation = body.get("op")
    if not isinstance(operation, str) or operation not in _FIELDS:
        raise RequestError(f"`op` must be {', '.join(sorted(_FIELDS))}")
    if unknown := set(body) - {"id", "op"} - _FIELDS[operation]:
        known = ", ".join(sorted(_FIELDS[operation])) or "no more"
        raise RequestError(f"`{operation}` takes {known}; {len(unknown)} other key(s) were given")
    if operation == "status":
        return StatusRequest(identity)
    if operation == "recent":
        return RecentRequest(identity)
    if operation == "cancel":
        return CancelRequest(identity, text(body, "request", _LONGEST_ID))
    requester = body.get("requester", "socket")
    if requester not in ("socket", "pam"):
        raise RequestError("`requester` must be socket or pam")
    person, language = text(body, "person", _LONGEST_NAME), body.get("language", "en")
    if not isinstance(language, str) or not _LANGUAGE.fullmatch(language):
        raise RequestError("`language` must be a code such as en")
    return VerifyRequest(identity, person, _truth(body, "challenge"), _seconds(body), requester, language)


def text(body: dict[str, Any], key: str, longest: int) -> str:
    """The text under ``key``, 1 to ``longest`` printable characters. Raises ``RequestError``."""
    value = body.get(key)
    if not isinstance(value, str) or not 1 <= len(value) <= longest or not value.isprintable():
        raise RequestError(f"`{key}` must be a text of 1 to {longest} printable characters")
    return value


def _truth(body: dict[str, Any], key: str) -> bool:
    value = body.get(key, False)
    if not isinstance(value, bool):
        raise RequestError(f"`{key}` must be true or false")
    return value


def _seconds(body: dict[str, Any]) -> float:
    value = body.get("timeout", DEFAULT_SECONDS)
    # A bool is an int; a whole number too large for a float must not raise something else.
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    if not numeric or not 1 <= value <= LONGEST_SECONDS or not math.isfinite(value):
        raise RequestError(f"`timeout` must be 1 to {LONGEST_SECONDS:g} seconds")
    return float(value)


def encode(request: Request) -> bytes:
    """The line of a request, for clients."""
    body: dict[str, Any] = {"id": request.id}
    match request:
        case StatusRequest():
            body["op"] = "status"
        case RecentRequest():
            body["op"] = "recent"
        case CancelRequest():
            body |= {"op": "cancel", "request": request.request}
        case VerifyRequest():
            body |= {"op": "verify", "person": request.person, "challenge": request.challenge}
            body |= {"timeout": request.timeout_seconds, "requester": request.requester}
            body["language"] = request.language
    return _line(body)


def progress(identity: str, stage: str, **fields: Any) -> bytes:
    """The line that says how far a request has come; more follow."""
    return _line({"id": identity, "event": "progress", "stage": stage, **fields})


def result(identity: str, operation: str, exit_code: int, **fields: Any) -> bytes:
    """The last line of a request that was carried out. ``exit_code``: what a command would end with."""
    return _line({"id": identity, "event": "result", "op": operation, "exit_code": exit_code, **fields})


def failure(identity: str | None, error: EarmarkError) -> bytes:
    """The last line of a request that was not carried out."""
    told: dict[str, Any] = {"code": error.code, "message": error.cause, "remedy": error.remedy}
    if isinstance(error, LockedOut):
        seconds = error.seconds
        told |= {"reason": error.reason, "retry_seconds": None if seconds is None else round(seconds, 1)}
    return _line({"id": identity, "event": "error", "exit_code": error.exit_code, "error": told})


def _line(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"
