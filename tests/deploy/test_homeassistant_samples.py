"""The samples for Home Assistant, Node-RED and mosquitto: well formed, and only with entities and topics that exist.

`make test-ha` gives them to a Home Assistant and a Node-RED that run.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
import yaml

from edge.homeassistant import discovery_document, topics_of
from edge.mqtt.topics import REQUESTS, ROUTES, Topics
from edge.settings import Node
from tests.contract.tree import ROOT

BLUEPRINTS = sorted((ROOT / "deploy" / "homeassistant" / "blueprints").rglob("*.yaml"))
DASHBOARD = ROOT / "deploy" / "homeassistant" / "dashboard.yaml"
PAGE = ROOT / "docs" / "home-assistant.md"
FLOW = ROOT / "examples" / "node-red" / "flow.json"
SHELL = sorted((ROOT / "examples" / "mosquitto").iterdir())
KITCHEN = Topics("earmark", "kitchen")
_ENTITY = r"\b(?:sensor|binary_sensor|event|switch|select|number|text|button)\.kitchen_\w+"


class _Blueprint(yaml.SafeLoader):
    """YAML with Home Assistant's ``!input``."""


_Blueprint.add_constructor("!input", lambda loader, node: {"!input": loader.construct_scalar(node)})


def everything() -> dict[str, Any]:
    labels = {"gender": ("female", "male", "unsure"), "emotion": ("neutral", "unsure")}
    people = {"p0001": "Ada", "p0002": "Ben"}
    node = Node(name="kitchen", room="Kitchen")
    on = {"commands": True, "enrolment": True, "auth": True, "audio": True, "updates": True}
    return discovery_document(KITCHEN, people, node, "1", labels=labels, switches=tuple(labels), **on)


def entities() -> set[str]:
    """What Home Assistant calls them."""
    made = {one["default_entity_id"] for one in everything()["cmps"].values() if "default_entity_id" in one}
    return made | {f"binary_sensor.kitchen_ears_{name}_heard" for name in ("ada", "ben")}


def inputs_used(part: Any) -> set[str]:
    if isinstance(part, dict):
        own = {part["!input"]} if "!input" in part else set()
        return own.union(*(inputs_used(value) for value in part.values()))
    return set().union(*(inputs_used(value) for value in part)) if isinstance(part, list) else set()


@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)
def test_a_blueprint_asks_for_what_it_uses_and_uses_what_it_asks_for(path: Path) -> None:
    made = yaml.load(path.read_text("utf-8"), _Blueprint)
    assert made["blueprint"]["domain"] == "automation"
    assert {"triggers", "actions"} <= set(made)
    assert set(made["blueprint"]["input"]) == inputs_used(made)


def test_there_are_samples() -> None:
    assert len(BLUEPRINTS) == 4
    assert len(SHELL) == 2


@pytest.mark.parametrize("path", [DASHBOARD, PAGE], ids=lambda path: path.name)
def test_every_entity_in_it_is_one_that_is_announced(path: Path) -> None:
    named = set(re.findall(_ENTITY, path.read_text("utf-8")))
    assert len(named) > 15
    assert named <= entities()


def test_every_announced_entity_is_in_the_page() -> None:
    text = PAGE.read_text("utf-8")
    short = {entity for entity in entities() if entity not in text and "_ben_" not in entity}
    assert not {entity for entity in short if f"_{entity.partition('kitchen_')[2]}`" not in text}


def known(topic: str) -> bool:
    """Whether something is published or heard there."""
    published = [f"earmark/+/{route.path.replace('{}', '+')}" for route in ROUTES.values()]
    heard = [one for one in topics_of(everything()) if KITCHEN.hears(one)]
    heard += [f"earmark/kitchen/request/{verb}" for verb in REQUESTS]
    return topic in heard or any(topic == one or paho.topic_matches_sub(one, topic) for one in published)


def test_the_flow_is_whole_and_its_topics_exist() -> None:
    nodes = {node["id"]: node for node in json.loads(FLOW.read_text("utf-8"))}
    for node in nodes.values():
        assert {target for wires in node.get("wires", []) for target in wires} <= set(nodes)
        assert node.get("broker", "earmark-broker") in {*nodes, "127.0.0.1"}
        assert known(node.get("topic", "earmark/kitchen/last")), node["topic"]
    assert {"mqtt in", "mqtt out", "switch"} <= {node["type"] for node in nodes.values()}


@pytest.mark.parametrize("path", SHELL, ids=lambda path: path.name)
def test_the_topics_of_the_shell_examples_exist(path: Path) -> None:
    text = path.read_text("utf-8")
    topics = re.findall(r"-[te] ['\"]?(earmark/[^\s'\"]+)", text)
    assert topics
    asked = re.findall(r"^    ask (\w+) '", text, re.MULTILINE)
    assert set(asked) == (set(REQUESTS) if "ask()" in text else set())
    whole = [topic.replace("$1", verb) for topic in topics for verb in (asked if "$1" in topic else [""])]
    assert all(known(topic) or topic == "earmark/kitchen/#" for topic in whole), whole


def test_the_shell_example_is_shell() -> None:
    subprocess.run(["sh", "-n", ROOT / "examples" / "mosquitto" / "greet.sh"], check=True)
