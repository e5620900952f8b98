"""The topic tree: exactly these topics, each with its QoS and retain flag, and what counts as a command."""

import json
import math
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from edge.errors import SettingsError, UsageError
from edge.events import schema
from edge.mqtt import Command, Topics
from edge.mqtt.backoff import Backoff
from edge.mqtt.topics import ACTIONS, ENROL_NAME, NUMBERS, REQUESTS, ROUTES, SETTINGS, accepted, values
from edge.records import Message

KITCHEN = Topics("earmark", "kitchen")


def test_the_exact_tree() -> None:
    """Topic, QoS, retain, kind: a change here is a change of the protocol."""
    names = {"person": "p7c1e", "setting": "profile", "response": "status"}
    messages = [KITCHEN.message(route, b"x", names.get(route, "")) for route in ROUTES]
    assert [(m.topic, m.qos, m.retain, m.kind) for m in messages] == [
        ("earmark/kitchen/availability", 1, True, "state"),
        ("earmark/kitchen/info", 1, True, "state"),
        ("earmark/kitchen/utterance", 1, False, "event"),
        ("earmark/kitchen/auth", 1, False, "event"),
        ("earmark/kitchen/last", 1, True, "state"),
        ("earmark/kitchen/person/p7c1e/state", 1, True, "state"),
        ("earmark/kitchen/health", 0, True, "state"),
        ("earmark/kitchen/speaking/state", 0, True, "state"),
        ("earmark/kitchen/cfg/profile/state", 1, True, "state"),
        ("earmark/kitchen/enrol/state", 1, True, "state"),
        ("earmark/kitchen/response/status", 1, False, "event"),
        ("earmark/kitchen/audio", 0, False, "state"),
        ("earmark/kitchen/update/state", 1, True, "state"),
    ]
    assert KITCHEN.discovery == "homeassistant/device/earmark_kitchen/config"
    assert KITCHEN.commands == ("earmark/kitchen/cmd/#", "earmark/kitchen/cfg/+/set", "earmark/kitchen/request/+")
    assert KITCHEN.command_topic("profile") == "earmark/kitchen/cfg/profile/set"


def test_plain_states() -> None:
    assert KITCHEN.availability(True).payload == b"online"
    assert KITCHEN.availability(False) == Message("earmark/kitchen/availability", b"offline", 1, True, "state")
    assert KITCHEN.speaking(True).payload == b"ON"
    assert KITCHEN.speaking(False).payload == b"OFF"
    assert KITCHEN.setting("listening", "ON").topic == "earmark/kitchen/cfg/listening/state"


@pytest.mark.parametrize("node", ["", "Kitchen", "a/b", "a b", "+", "#", "küche", "x" * 65, "a\n"])
def test_a_name_that_cannot_stand_in_a_topic_is_refused_by_its_key(node: str) -> None:
    with pytest.raises(SettingsError, match=r"node\.name"):
        Topics("earmark", node)


@pytest.mark.parametrize("base", ["", "/a", "a/", "a b", "a/+/b", "#", "$SYS", "a\x00"])
def test_a_base_that_is_no_topic_is_refused_by_its_key(base: str) -> None:
    with pytest.raises(SettingsError, match=r"mqtt\.base_topic"):
        Topics(base, "kitchen")
    with pytest.raises(SettingsError, match=r"homeassistant\.prefix"):
        Topics("earmark", "kitchen", base)


def test_base_and_discovery_prefix_must_differ() -> None:
    with pytest.raises(SettingsError, match="equals"):
        Topics("homeassistant", "kitchen", "homeassistant")


def test_a_base_of_several_levels_is_fine() -> None:
    assert Topics("home/ears", "kitchen").of("last") == "home/ears/kitchen/last"


@pytest.mark.parametrize("person", ["", "a/b", "+", "#", "p 1"])
def test_an_id_never_changes_the_tree(person: str) -> None:
    with pytest.raises(UsageError):
        KITCHEN.of("person", person)


@given(
    st.from_regex(r"[a-z0-9_-]{1,64}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True),
)
def test_a_person_is_found_again_in_the_topic_of_their_state(node: str, person: str) -> None:
    topics = Topics("my-house/ears", node)
    assert topics.person_in(topics.of("person", person)) == person
    others = [topics.of("last"), topics.setting("profile", "").topic, f"x{topics.of('person', person)}"]
    assert [topics.person_in(other) for other in others] == [None, None, None]


def test_commands_are_told_from_everything_else() -> None:
    assert KITCHEN.command("earmark/kitchen/cfg/profile/set", b" strict ", False) == Command(
        "set", "profile", b" strict "
    )
    assert KITCHEN.command("earmark/kitchen/cmd/restart", b"PRESS", False) == Command("do", "restart", b"PRESS")
    assert KITCHEN.command("earmark/kitchen/request/people", b"{}", False) == Command("ask", "people", b"{}")
    assert Command("set", "profile", b" strict\n").text == "strict"
    assert Command("set", "profile", b"\xff").text == "\ufffd"
    for topic in (
        "earmark/kitchen/cfg/profile/state",
        "earmark/kitchen/cfg/a/b/set",
        "earmark/kitchen/cmd",
        "earmark/kitchen/cmd/a/b",
        "earmark/kitchen/cmd/",
        "earmark/kitchen/request",
        "earmark/kitchen/request/a/b",
        "earmark/kitchen/response/people",
        "earmark/bedroom/cmd/restart",
        "earmark/kitchenette/cmd/restart",
    ):
        assert KITCHEN.command(topic, b"x", False) is None, topic


def test_retained_and_huge_commands_are_ignored() -> None:
    assert KITCHEN.command("earmark/kitchen/cmd/restart", b"PRESS", True) is None
    assert KITCHEN.command("earmark/kitchen/request/status", b"{}", True) is None
    assert KITCHEN.command("earmark/kitchen/cmd/restart", b"x" * 1025, False) is None


@settings(deadline=None)
@given(topic=st.text(max_size=80), payload=st.binary(max_size=40))
def test_no_topic_and_no_payload_breaks_the_parser(topic: str, payload: bytes) -> None:
    command = KITCHEN.command("earmark/kitchen/" + topic, payload, False)
    assert command is None or command.name in topic


def test_a_device_owns_its_topics_only() -> None:
    assert KITCHEN.owns("earmark/kitchen/last")
    assert KITCHEN.owns(KITCHEN.discovery)
    assert not KITCHEN.owns("earmark/bedroom/last")
    assert not KITCHEN.owns("homeassistant/device/earmark_bedroom/config")


@settings(deadline=None)
@given(cap=st.floats(0, 1e4), draws=st.lists(st.floats(0, 1, exclude_max=True), max_size=50))
def test_delays_are_uniform_below_a_bound_that_doubles_up_to_the_cap(cap: float, draws: list[float]) -> None:
    given_draws = iter(draws)
    backoff = Backoff(cap, uniform=lambda: next(given_draws))
    for attempt, draw in enumerate(draws):
        assert math.isclose(backoff.next(), draw * min(cap, 2.0**attempt))
    backoff.reset()
    assert backoff.bound == min(cap, 1.0)


DOCS = Path(__file__).parents[2] / "docs" / "mqtt.md"


def documented() -> dict[str, tuple[int, bool, str]]:
    """Path below the node -> (QoS, retained, example), as docs/mqtt.md has it."""
    pattern = r"^### `earmark/<node>/(\S+)`\n\nQoS ([01]), (not )?retained\..*?```\w+\n(.*?)\n```"
    found = re.findall(pattern, DOCS.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    gap = "<(pid|name|verb)>"
    return {re.sub(gap, "{}", path): (int(qos), not absent, example) for path, qos, absent, example in found}


def test_every_topic_is_documented_with_its_qos_its_retain_flag_and_a_valid_example() -> None:
    found = documented()
    assert {path: (qos, kept) for path, (qos, kept, _) in found.items()} == {
        route.path: (route.qos, route.retain) for route in ROUTES.values()
    }
    for route in ROUTES.values():
        example = found[route.path][2]
        if route.schema:
            Draft202012Validator(schema(route.schema)).validate(json.loads(example))
        else:
            assert re.fullmatch(r"\w+", example)


def test_every_command_is_documented_with_its_values() -> None:
    text = DOCS.read_text("utf-8")
    bounds = {name: (str(one.low), str(one.high)) for name, one in NUMBERS.items()}
    for name, told in {**SETTINGS, **bounds, ENROL_NAME: ()}.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `earmark/<node>/cfg/{name}/set`"))
        assert all(f"`{value}`" in row for value in told)
    assert all(f"\n| `earmark/<node>/cmd/{name}` |" in text for name in ACTIONS)
    assert all(f"\n| `earmark/<node>/request/{verb}` |" in text for verb in REQUESTS)


@pytest.mark.parametrize(
    ("setting", "text", "value"),
    [
        ("listening", "on", "ON"), ("profile", "Strict", "strict"), ("profile", "lax", None), ("volume", "1", None),
        ("hold_time", "60", "60"), ("hold_time", "60.0", "60"), ("hold_time", "1", "10"),
        ("hold_time", "99999", "3600"),
        ("hold_time", "-5", "10"), ("hold_time", "nan", None), ("hold_time", "1e3", None), ("hold_time", "", None),
        ("hold_time", "None", None), ("threshold", "0.854", "0.85"), ("threshold", "0.57", "0.57"),
        ("threshold", "0.5", "0.5"), ("threshold", "0", "0.5"), ("threshold", "100", "0.99"),
        ("threshold", "-1", "0.5"),
        ("threshold", "none", "None"), ("threshold", "inf", None), ("threshold", "0,9", None), ("threshold", "", None),
        ("analyse_gender", "off", "OFF"), ("analyse_emotion", "ON", "ON"), ("analyse_emotion", "happy", None),
    ],
)  # fmt: skip
def test_a_value_is_brought_into_its_form_or_refused(setting: str, text: str, value: str | None) -> None:
    assert accepted(setting, text) == value
    assert value is None or value in values(setting)
