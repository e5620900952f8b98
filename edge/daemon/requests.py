"""Requests over MQTT that are answered: how the device is, who is enrolled, and another name or none for one of them.

Takes ``Command``s of the kind ``ask``; gives ``Message``s to ``publish``. Must hold: ``take`` returns at once, and what
is asked is done in turn, in a thread of its own; no answer names anybody whom ``privacy.mqtt_names`` does not allow to
be named, nor holds a path or a secret; who is renamed or removed is so by the code of ``earmark people``.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from edge.control.protocol import decoded, text
from edge.daemon.verification import Scene
from edge.errors import EarmarkError, PeopleError, RequestError, UnknownPersonError
from edge.events import EventMaker, Response, timestamp
from edge.forgetting import forget
from edge.mqtt import Command, Topics
from edge.mqtt.topics import LONGEST_NAME, REQUESTS
from edge.people import check_name
from edge.records import Clock, Person

_LOG = logging.getLogger(__name__)

_MOST_WAITING: Final = 10
_STEP_SECONDS: Final = 0.1
_LONGEST_TRANSACTION: Final = 64
_LONGEST_WHO: Final = 64
_KEYS: Final[dict[str, frozenset[str]]] = {
    "status": frozenset(),
    "people": frozenset(),
    "rename": frozenset({"person", "name"}),
    "remove": frozenset({"person"}),
}
_STATUS: Final = (
    "version", "node", "bundle", "bundle_version", "space", "profile", "enrolled", "live", "listening", "switched_off",
    "busy", "started", "uptime_s", "mic_problem", "mic_fault", "latency_p95_ms", "snr_db", "utterances",
    "not_speech", "dropped_samples", "overloaded", "behind_ms", "outbox_pending", "outbox_dropped", "reconnects",
    "rss_mb",
)  # fmt: skip
"""What of the control socket's status is told at the broker, too: nothing that names a file, a process or a secret."""


class Requests:
    """``status``: as the control socket tells it. ``enrols``: whether people can be renamed and removed from there."""

    def __init__(
        self,
        topics: Topics,
        maker: EventMaker,
        clock: Clock,
        publish: Callable[..., None],
        scene: Callable[[], Scene],
        *,
        status: Callable[[], Mapping[str, Any]],
        enrols: bool,
    ) -> None:
        self._topics = topics
        self._maker = maker
        self._clock = clock
        self._publish = publish
        self._scene = scene
        self._status = status
        self._enrols = enrols
        self._waiting: queue.Queue[Command | None] = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._gone = False

    def take(self, command: Command) -> None:
        """Answer this one in its turn; for one thread."""
        if command.name not in REQUESTS or self._stopped:
            _LOG.warning("ignored request", extra={"fields": {"name": command.name}})
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="requests", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(command)
        except queue.Full:
            _LOG.warning("ignored request: too many wait", extra={"fields": {"name": command.name}})

    def stop(self, timeout_seconds: float, meanwhile: Callable[[], None] = lambda: None) -> None:
        """What waits is not answered any more; what is being done comes to its end, within ``timeout_seconds``.

        ``meanwhile``: what that may wait for, again and again: a removal has the caller clear the broker.
        """
        self._stopped = True
        if self._thread is not None:
            with contextlib.suppress(queue.Full):
                self._waiting.put_nowait(None)
            deadline = time.monotonic() + timeout_seconds
            while self._thread.is_alive() and time.monotonic() < deadline:
                with contextlib.suppress(EarmarkError):
                    meanwhile()
                self._thread.join(_STEP_SECONDS)
        self._gone = True

    def _work(self) -> None:
        while (command := self._waiting.get()) is not None and not self._stopped:
            response = self._response(command)
            if not self._gone:
                self._publish(self._topics.message("response", response.to_json(), command.name))

    def _response(self, command: Command) -> Response:
        transaction: str | int | None = None
        try:
            body = decoded(command.payload.strip() or b"{}")
            transaction = _transaction(body)
            data = self._carry_out(command.name, body)
        except _Refused as error:
            return self._failed(transaction, error.why, error.cause, error.remedy)
        except RequestError as error:
            return self._failed(transaction, "bad_request", error.cause, "docs/mqtt.md tells the keys of each request.")
        except EarmarkError as error:
            _LOG.error("request %s: %s", command.name, error.sentence())
        except Exception:
            _LOG.exception("the request %s failed", command.name)
        else:
            return Response(ts=self._now(), status="ok", transaction=transaction, data=data)
        return self._failed(transaction, "failed", "The device could not do it", "Its log says more.")

    def _failed(self, transaction: str | int | None, code: str, cause: str, remedy: str) -> Response:
        return Response(
            ts=self._now(),
            status="error",
            transaction=transaction,
            code=code,
            error=f"{cause}.",
            remedy=remedy,
        )

    def _now(self) -> str:
        return timestamp(self._clock.now())

    def _carry_out(self, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        if unknown := set(body) - {"transaction"} - _KEYS[verb]:
            known = ", ".join(sorted({"transaction"} | _KEYS[verb]))
            raise RequestError(f"`{verb}` takes {known}; {len(unknown)} other key(s) were given")
        if verb == "status":
            return self._tell_status()
        if not self._enrols:
            raise _Refused(
                "switched_off", f"`{verb}` is not switched on at this device", "Set mqtt.enrolment: true there."
            )
        actions: dict[str, Callable[[], dict[str, Any]]] = {
            "people": self._people,
            "rename": lambda: self._rename(self._person(body), text(body, "name", LONGEST_NAME)),
            "remove": lambda: self._remove(self._person(body)),
        }
        return actions[verb]()

    def _tell_status(self) -> dict[str, Any]:
        found = self._status()
        room = self._scene().settings.node.room
        return {key: found[key] for key in _STATUS} | ({"room": room} if room else {})

    def _people(self) -> dict[str, Any]:
        everybody = self._scene().store.people()
        told = [(person, *self._maker.shown(person.id, person.name)) for person in everybody]
        return {
            "enrolled": len(everybody),
            "people": [
                {
                    "id": ident,
                    "name": name,
                    "clips": len(person.exemplars),
                    "speech_s": round(sum(clip.speech_seconds for clip in person.exemplars), 1),
                    "created": person.created,
                }
                for person, ident, name in told
                if ident is not None
            ],
        }

    def _person(self, body: dict[str, Any]) -> Person:
        """Whom ``person`` means: an id or, where names may leave the device, a name."""
        scene = self._scene()
        who = text(body, "person", _LONGEST_WHO).strip()
        names = scene.settings.privacy.mqtt_names
        by_name = names == "real"
        with contextlib.suppress(UnknownPersonError):  # which would name those who are enrolled
            person = scene.store.find(who)
            if by_name or who == person.id:
                return person
        what = "name or id" if by_name else "id"
        where = "`earmark people` on the device" if names == "none" else "`people`"
        raise _Refused("unknown_person", f"Nobody of that {what} is enrolled", f"{where} tells who is.")

    def _rename(self, person: Person, name: str) -> dict[str, Any]:
        try:
            name = check_name(name)
        except PeopleError:
            raise _Refused(
                "bad_name", "That cannot be used as a name", "Use 1 to 32 letters, digits, spaces and the signs _ . ' -"
            ) from None
        store = self._scene().store
        with contextlib.suppress(UnknownPersonError):
            if store.find(name).id != person.id:
                raise _Refused("name_taken", "Somebody of that name is enrolled already", "Choose another name.")
        renamed = store.rename(person.id, name)
        _LOG.info("renamed over MQTT", extra={"fields": {"id": renamed.id}})
        ident, shown = self._maker.shown(renamed.id, renamed.name)
        return {"id": ident, "name": shown}

    def _remove(self, person: Person) -> dict[str, Any]:
        scene = self._scene()
        scene.store.remove(person.id)
        gone = forget(scene.settings, scene.folder, person)
        _LOG.info("removed over MQTT", extra={"fields": {"id": person.id}})
        for problem in gone.problems:
            _LOG.warning("%s", problem)
        # Neither id nor name: this answer may wait in the outbox, and nothing of the person is to be left there.
        return {"removed": True, "broker": gone.broker, "left": len(gone.problems)}


class _Refused(EarmarkError):
    """A request that is understood and not carried out. ``why``: in a word."""

    def __init__(self, why: str, cause: str, remedy: str) -> None:
        super().__init__(cause, remedy)
        self.why = why


def _transaction(body: Mapping[str, Any]) -> str | int | None:
    """What the asker calls this request. Raises ``RequestError``."""
    match body.get("transaction"):
        case None:
            return None
        case bool():
            pass
        case int(number) if abs(number) <= 1 << 53:
            return number
        case str(words) if 1 <= len(words) <= _LONGEST_TRANSACTION and words.isprintable():
            return words
    raise RequestError(f"`transaction` must be a number, or a text of 1 to {_LONGEST_TRANSACTION} printable characters")
