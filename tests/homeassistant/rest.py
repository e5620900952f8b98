"""Home Assistant's REST API, as a person's browser or another program uses it.

Takes its address. Gives onboarding, the MQTT integration, states, services and templates. Standard library only.
"""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

_PERSON = {"name": "Tester", "username": "tester", "password": "test-password", "language": "en"}


class Rest:
    """``url``: such as http://127.0.0.1:8123."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._refresh = ""
        self.token = ""

    def ask(self, path: str, body: dict[str, Any] | None = None, *, form: bool = False) -> Any:
        """GET, or POST where there is a ``body``; gives the JSON. Raises ``OSError`` and ``ValueError``."""
        data = None
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if body is not None:
            data = urllib.parse.urlencode(body).encode() if form else json.dumps(body).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded" if form else "application/json"
        request = urllib.request.Request(f"{self.url}{path}", data, headers)
        text = self._answer(request)
        return json.loads(text) if text[:1] in ("{", "[", '"') else text

    def send(self, path: str, data: bytes, headers: dict[str, str]) -> str:
        """POST bytes; gives the text. Raises as ``ask``."""
        headers = headers | {"Authorization": f"Bearer {self.token}", "Content-Type": "application/octet-stream"}
        return self._answer(urllib.request.Request(f"{self.url}{path}", data, headers))

    @staticmethod
    def _answer(request: urllib.request.Request) -> str:
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                text: str = answer.read().decode()
        except urllib.error.HTTPError as error:
            raise ValueError(f"{request.selector}: {error.code} {error.read()[:300]!r}") from error
        return text

    @property
    def answers(self) -> bool:
        """Whether it is up."""
        try:
            self.ask("/api/onboarding") if not self.token else self.ask("/api/config")
        except (OSError, ValueError):
            return False
        return True

    def onboard(self) -> None:
        """Make the first account and skip the questions."""
        client = f"{self.url}/"
        code = self.ask("/api/onboarding/users", {"client_id": client, **_PERSON})["auth_code"]
        self._log_in({"grant_type": "authorization_code", "code": code})
        self.ask("/api/onboarding/core_config", {})
        self.ask("/api/onboarding/analytics", {})
        self.ask("/api/onboarding/integration", {"client_id": client, "redirect_uri": client})

    def log_in_again(self) -> None:
        """A fresh token, after a restart."""
        self._log_in({"grant_type": "refresh_token", "refresh_token": self._refresh})

    def _log_in(self, grant: dict[str, str]) -> None:
        self.token = ""
        given = self.ask("/auth/token", {**grant, "client_id": f"{self.url}/"}, form=True)
        self._refresh = given.get("refresh_token", self._refresh)
        self.token = given["access_token"]

    def add(self, integration: str, **answers: Any) -> str:
        """Set an integration up as a person does who fills in one page; gives the result's type."""
        flow = self.ask("/api/config/config_entries/flow", {"handler": integration})["flow_id"]
        return self.confirm(flow, **answers)

    def confirm(self, flow: str, **answers: Any) -> str:
        """Go on with a set-up that has begun."""
        kind: str = self.ask(f"/api/config/config_entries/flow/{flow}", answers)["type"]
        return kind

    def state(self, entity: str) -> dict[str, Any] | None:
        """State and attributes, None where there is no such entity."""
        try:
            found: dict[str, Any] = self.ask(f"/api/states/{entity}")
        except ValueError:
            return None
        return found

    def value(self, entity: str) -> str | None:
        """The state alone."""
        found = self.state(entity)
        return None if found is None else str(found["state"])

    def attribute(self, entity: str, name: str) -> Any:
        """One attribute, None where it is missing."""
        return (self.state(entity) or {"attributes": {}})["attributes"].get(name)

    def call(self, service: str, **data: Any) -> None:
        """Call a service, such as ``switch.turn_on``, as a person's click does."""
        domain, _, name = service.partition(".")
        self.ask(f"/api/services/{domain}/{name}", data)

    def template(self, text: str) -> Any:
        """What a template gives."""
        return self.ask("/api/template", {"template": text})

    def registered(self) -> list[str]:
        """The entities that the registry has of the MQTT integration, disabled ones and orphans included."""
        found: list[str] = self.template("{{ integration_entities('mqtt') | sort | list | tojson }}")
        return found

    def until(self, what: str, condition: Any, seconds: float = 90.0) -> Any:
        """Poll until ``condition`` is true and give its value; an assertion with ``what`` after ``seconds``."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what() if callable(what) else what}"
            time.sleep(0.2)
        return value

    def shows(self, entity: str, value: str, seconds: float = 90.0) -> None:
        """Until an entity has this state."""
        self.until(
            lambda: f"{entity} is {value}; it is {self.state(entity)}", lambda: self.value(entity) == value, seconds
        )
