"""The document that the nodes of a house share, and what is written of the topics behind it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from edge.errors import UsageError
from edge.events import schema
from edge.homeassistant import house_document, topics_of
from edge.mqtt.house import HouseTopics
from tests.edge.discovery_schema import DISCOVERY

HOUSE = HouseTopics("earmark", "homeassistant")
DOCS = Path(__file__).parents[2] / "docs" / "mqtt.md"
people = st.dictionaries(st.from_regex(r"p[0-9a-f]{4,8}", fullmatch=True), st.text(max_size=32), max_size=6)
nodes = st.lists(st.from_regex(r"[a-z0-9_-]{1,20}", fullmatch=True), min_size=1, max_size=5)


@settings(deadline=None, max_examples=40)
@given(people=people, named=nodes, mode=st.sampled_from(["real", "alias"]))
def test_any_house_gets_a_legal_document_that_depends_on_no_order(
    people: dict[str, str], named: list[str], mode: str
) -> None:
    made = house_document(HOUSE, named, people, mode)
    Draft202012Validator(DISCOVERY).validate(made)
    assert made["avty_mode"] == "any"
    again = house_document(HOUSE, [*reversed(named), named[0]], dict(reversed(people.items())), mode)
    assert json.dumps(made) == json.dumps(again)
    own = {HOUSE.person(one) for one in people}
    assert set(topics_of(made)) == own | {HOUSE.availability(node) for node in named}
    assert all(HOUSE.owns(topic) for topic in own) and not any(HOUSE.owns(HOUSE.availability(one)) for one in named)


def test_its_templates_read_what_is_published_and_look_at_the_time() -> None:
    (sensor,) = house_document(HOUSE, ["kitchen"], {"p1": "Ada"}, "real")["cmps"].values()
    for template in (sensor["value_template"], sensor["json_attributes_template"]):
        read = set(re.findall(r"value_json\.(\w+)", template))
        assert "ts" in read and read <= set(schema("house")["properties"])
        assert "this.attributes.ts" in template
    assert (sensor["name"], sensor["unique_id"]) == ("Ada room", "earmark_house_p1")


@pytest.mark.parametrize("person", ["", "a/b", "+", "#"])
def test_an_id_never_changes_the_tree(person: str) -> None:
    with pytest.raises(UsageError):
        HOUSE.person(person)


def test_the_topic_is_documented_with_a_valid_example() -> None:
    pattern = r"^### `earmark/house/person/<pid>`\n\nQoS 1, retained.*?```json\n(.*?)\n```"
    found = re.search(pattern, DOCS.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found is not None
    Draft202012Validator(schema("house")).validate(json.loads(found[1]))
