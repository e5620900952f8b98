"""The discovery document: complete, legal, only with topics that exist, and gone without a trace."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from edge.events import schema
from edge.homeassistant import (
    announced,
    change_messages,
    discovery_document,
    discovery_message,
    migration_messages,
    removal_messages,
    topics_of,
)
from edge.mqtt import ROUTES, SETTINGS, Topics
from edge.mqtt.topics import ACTIONS, ENROL_NAME, NUMBERS
from edge.records import Message
from edge.settings import Node
from tests.edge.discovery_schema import DISCOVERY

KITCHEN = Topics("earmark", "kitchen")
NODE = Node(name="kitchen", room="Kitchen")
PEOPLE = {"p7c1e": "Alice", "p02aa": "Bob"}
AVAILABILITY = {"t": "earmark/kitchen/availability", "pl_avail": "online", "pl_not_avail": "offline"}


def document(people=PEOPLE, **more) -> dict:
    return discovery_document(KITCHEN, people, NODE, "0.1.0", **more)


class Assistant:
    """What Home Assistant makes of discovery messages, by its documented rules: a component that is only a platform
    goes, one that is left out silently stays behind as an orphan, an empty document removes everything.
    """

    def __init__(self) -> None:
        self.entities: dict[str, str] = {}
        self.orphans: set[str] = set()
        self.retained: dict[str, bytes] = {}

    def hear(self, message: Message) -> None:
        if message.retain:
            self.retained.pop(message.topic, None)
            if message.payload:
                self.retained[message.topic] = message.payload
        if message.topic != KITCHEN.discovery:
            return
        cmps = json.loads(message.payload)["cmps"] if message.payload else {}
        for key, component in cmps.items():
            if set(component) == {"p"}:
                self.entities.pop(key, None)
            else:
                self.entities[key] = component["unique_id"]
        if not message.payload:
            self.entities.clear()
        self.orphans = set(self.entities) - set(cmps)


def test_what_can_be_changed_is_announced_only_where_commands_are_obeyed() -> None:
    deaf, obedient = document(), document(commands=True)
    assert set(obedient["cmps"]) - set(deaf["cmps"]) == {"listening", "profile", "threshold", "hold_time"}
    assert not any(key.endswith("command_topic") for one in deaf["cmps"].values() for key in one)
    gone = change_messages(KITCHEN, obedient, deaf)
    assert json.loads(gone[0].payload)["cmps"]["listening"] == {"p": "switch"}


def test_the_entities_and_their_platforms() -> None:
    made = document(commands=True, enrolment=True)
    assert {key: component["p"] for key, component in made["cmps"].items()} == {
        "utterance": "event", "last_speaker": "sensor", "confidence": "sensor", "someone_speaking": "binary_sensor",
        "p_p7c1e": "binary_sensor", "p_p02aa": "binary_sensor", "listening": "switch", "profile": "select",
        "threshold": "number",
        "hold_time": "number", "enrol_name": "text", "enrol_start": "button", "enrol_cancel": "button",
        "enrol_status": "sensor", "enrol_message": "sensor", "enrol_progress": "sensor",
        "mic_problem": "binary_sensor", "mic_fault": "sensor", "overloaded": "binary_sensor", "latency": "sensor",
        "snr": "sensor", "false_frames": "sensor", "enrolled": "sensor", "last_restart": "sensor", "model": "sensor",
    }  # fmt: skip


@pytest.mark.parametrize("mode", ["real", "alias", "none"])
def test_the_document_is_one_that_home_assistant_takes_whole(mode: str) -> None:
    labelled = {"labels": LABELS, "hardware": "Raspberry Pi 4"}
    switched = {"labels": LABELS, "switches": tuple(LABELS), "audio": True, "updates": True, "auth": True}
    for more in ({}, {"commands": True}, {"enrolment": True}, labelled, switched):
        Draft202012Validator(DISCOVERY).validate(document(names=mode, **more))


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("latency", {"expires_after": 5}), ("latency", {"entity_category": "config"}), ("mic_fault", {"options": []}),
        ("enrol_start", {"command_topic": "earmark/+/x"}), ("last_speaker", {"options": ["Ada"]}),
        ("mic_fault", {"state_class": "measurement"}), ("profile", {"p": "selection"}), ("snr", {"unique_id": ""}),
    ],
)  # fmt: skip
def test_the_schema_finds_what_home_assistant_would_drop_or_refuse(key: str, change: dict) -> None:
    """Shows that the schema is one at all."""
    made = document(commands=True, enrolment=True, labels=LABELS)
    Draft202012Validator.check_schema(DISCOVERY)
    assert Draft202012Validator(DISCOVERY).is_valid(made)
    made["cmps"][key] |= change
    assert not Draft202012Validator(DISCOVERY).is_valid(made)


def test_the_parts_that_home_assistant_requires() -> None:
    made = document(hardware="Raspberry Pi 4", commands=True, enrolment=True)
    assert made["dev"] == {
        "ids": ["earmark_kitchen"], "name": "Kitchen ears", "mf": "Earmark", "mdl": "Speaker node", "sw": "0.1.0",
        "hw": "Raspberry Pi 4", "sa": "Kitchen",
    }  # fmt: skip
    assert made["o"]["name"] == "earmark"
    assert made["avty"] == [AVAILABILITY]
    assert set(made) <= {"dev", "o", "cmps", "avty", "qos"}, "nothing else may be shared by all components"
    for component in made["cmps"].values():
        assert {"p", "unique_id", "name"} <= set(component)
        assert not {"dev", "device", "o", "origin"} & set(component)
        assert component["p"] not in ("sensor", "binary_sensor") or component.get("entity_category") != "config"
        if component.get("device_class") == "enum":
            assert "unit_of_measurement" not in component
            assert "state_class" not in component


people = st.dictionaries(st.from_regex(r"p[0-9a-f]{4,8}", fullmatch=True), st.text(max_size=32), max_size=6)
modes = st.sampled_from(["real", "alias", "none"])


@settings(deadline=None)
@given(people=people, mode=modes, node=st.from_regex(r"[a-z0-9_-]{1,20}", fullmatch=True))
def test_any_household_gets_a_legal_document(people: dict[str, str], mode: str, node: str) -> None:
    """Ids legal and unique, it survives JSON, every topic is one that is published or listened to."""
    topics = Topics("earmark", node)
    everything = {"commands": True, "enrolment": True, "labels": LABELS, "switches": tuple(LABELS), "audio": True}
    everything |= {"updates": True, "auth": True}
    whole = discovery_document(topics, people, Node(name=node), "0.1.0", names=mode, **everything)
    message = discovery_message(topics, whole)
    made = json.loads(message.payload)
    unique = [component["unique_id"] for component in made["cmps"].values()]
    assert len(set(unique)) == len(unique)
    names = [*unique, *made["cmps"], topics.device_id]
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", one) for one in names)
    entity_ids = [one["default_entity_id"] for one in made["cmps"].values() if "default_entity_id" in one]
    assert all(re.fullmatch(r"[a-z_]+\.[a-z0-9_]+", one) for one in entity_ids)
    published = {topics.of(route) for route in ROUTES if "{}" not in ROUTES[route].path}
    chosen = [*SETTINGS, *NUMBERS, ENROL_NAME]
    published |= {topics.of("person", ident) for ident in people} | {topics.of("setting", name) for name in chosen}
    listened = {topics.command_topic(name) for name in chosen} | {topics.action_topic(name) for name in ACTIONS}
    assert set(topics_of(made)) <= published | listened
    assert all(topics.hears(topic) for topic in listened) and not any(topics.hears(topic) for topic in published)


def test_the_last_speaker_is_text() -> None:
    """In an enumeration a name that comes before its document is dropped, and one that is left out cannot be shown."""
    assert not {"device_class", "options"} & set(document()["cmps"]["last_speaker"])


LABELS = {"gender": ("female", "male", "unsure"), "emotion": ("neutral", "happy", "sad", "angry", "unsure")}


def test_what_voices_sound_like_appears_only_where_it_is_told() -> None:
    assert not {"gender", "emotion"} & set(document()["cmps"])
    assert "emotion" not in document(labels={"gender": LABELS["gender"]})["cmps"]
    made = document(labels=LABELS)["cmps"]
    for kind, name in (("gender", "Perceived voice gender"), ("emotion", "Perceived emotion")):
        component = made[kind]
        assert (component["p"], component["device_class"], component["name"]) == ("sensor", "enum", name)
        assert component["options"] == list(LABELS[kind])
        assert component["unique_id"] == f"earmark_kitchen_{kind}"
        assert component["default_entity_id"] == f"sensor.kitchen_{kind}"
        assert component["state_topic"] == KITCHEN.of("utterance"), "no retained state holds anybody's emotion"
        assert component["expire_after"] > 0
        used = set(
            re.findall(r"value_json\.(\w+)", component["value_template"] + component["json_attributes_template"])
        )
        assert used == {kind, f"{kind}_p"} <= set(schema("utterance")["properties"])
        assert "default('unsure')" in component["value_template"], "rejected audio tells nothing"


def test_what_can_be_switched_on_is_unavailable_while_it_is_off() -> None:
    """A sensor that went on with the last emotion, or said "unsure" after each utterance, would tell what is not so."""
    fixed, made = document(labels=LABELS)["cmps"], document(labels=LABELS, switches=("emotion",))["cmps"]
    assert set(made) - set(fixed) == {"analyse_emotion"}
    switch, sensor = made["analyse_emotion"], made["emotion"]
    assert (switch["p"], switch["entity_category"]) == ("switch", "config")
    assert sensor["avty_mode"] == "all"
    assert sensor["avty"] == [
        AVAILABILITY,
        {"t": switch["state_topic"], "pl_avail": "ON", "pl_not_avail": "OFF"},
    ]
    assert made["gender"] == fixed["gender"]
    gone = change_messages(KITCHEN, document(labels=LABELS, switches=("emotion",)), document(labels=LABELS))
    assert [message.topic for message in gone if not message.payload] == [switch["state_topic"]]


def test_attempts_are_announced_only_where_they_are_told() -> None:
    made = document(auth=True)["cmps"]
    assert set(made) - set(document()["cmps"]) == {"auth"}
    assert made["auth"]["p"] == "event"
    assert made["auth"]["event_types"] == schema("auth")["properties"]["event_type"]["enum"]
    assert KITCHEN.of("auth") not in topics_of(document(commands=True, enrolment=True))
    gone = change_messages(KITCHEN, document(auth=True), document())
    assert json.loads(gone[0].payload)["cmps"]["auth"] == {"p": "event"}


def test_how_loud_it_is_is_announced_only_where_it_is_told() -> None:
    assert set(document(audio=True)["cmps"]) - set(document()["cmps"]) == {"sound_level", "sound_snr"}
    assert KITCHEN.of("audio") not in topics_of(document(commands=True))


def test_what_is_switched_off_again_leaves_no_orphan() -> None:
    assistant = Assistant()
    before = document(labels=LABELS)
    assistant.hear(discovery_message(KITCHEN, before))
    assert {"gender", "emotion"} <= set(assistant.entities)
    messages = change_messages(KITCHEN, before, document())
    for message in messages:
        assistant.hear(message)
    assert not {"gender", "emotion"} & set(assistant.entities)
    assert not assistant.orphans
    assert [message.topic for message in messages] == [KITCHEN.discovery] * 2, "there is no state to clear"


def test_without_names_no_person_appears() -> None:
    text = json.dumps(document(names="none"))
    assert not any(secret in text for secret in ("Alice", "Bob", "p7c1e", "p02aa"))
    aliases = json.dumps(document(names="alias"))
    assert "p7c1e" in aliases
    assert "Alice" not in aliases


SCHEMA_OF = {"health": "health", "last": "last", "info": "info", "enrol/state": "enrolment", "utterance": "utterance",
             "audio": "audio", "update/state": "update"}  # fmt: skip


def test_the_keys_that_templates_use_exist_in_what_is_published() -> None:
    """A typing error in a template would show up as an entity without a value."""
    read = 0
    for component in document(commands=True, enrolment=True, labels=LABELS, audio=True, updates=True)["cmps"].values():
        path = component.get("state_topic", "").removeprefix("earmark/kitchen/")
        name = SCHEMA_OF.get(path, "person")
        templates = [value for key, value in component.items() if key.endswith("_template")]
        for key in re.findall(r"value_json\.(\w+)", " ".join(templates)):
            assert key in schema(name)["properties"], (component["name"], key)
            read += 1
    assert read > 20


def test_every_state_of_an_enumeration_is_among_its_options() -> None:
    made = document(enrolment=True)["cmps"]
    phases = schema("enrolment")["properties"]["phase"]["enum"]
    assert set(made["enrol_status"]["options"]) == set(phases)
    faults = schema("health")["properties"]["mic_fault"]["enum"]
    assert set(made["mic_fault"]["options"]) == {"none", *faults}


def test_nobody_can_be_enrolled_from_there_unless_it_is_switched_on() -> None:
    assert not [key for key in document(commands=True)["cmps"] if key.startswith("enrol_")]
    able = document(enrolment=True)
    assert "listening" not in able["cmps"]
    gone = change_messages(KITCHEN, able, document())
    assert {message.topic for message in gone if not message.payload} == {
        "earmark/kitchen/enrol/state", "earmark/kitchen/cfg/enrol_name/state",
    }, "what is listened to holds nothing of ours"  # fmt: skip


@pytest.mark.parametrize("mode", ["alias", "none"])
def test_a_name_that_may_not_leave_the_device_is_not_read_back(mode: str) -> None:
    assert "state_topic" not in document(enrolment=True, names=mode)["cmps"]["enrol_name"]


def test_the_document_is_retained_and_names_a_room_or_the_node() -> None:
    message = discovery_message(KITCHEN, document())
    assert (message.topic, message.qos, message.retain, message.kind) == (KITCHEN.discovery, 1, True, "state")
    for node, name in (
        (Node("living-room"), "Living room ears"),
        (Node("earmark"), "Earmark"),
        (Node("a", "Bad"), "Bad ears"),
    ):
        made = discovery_document(KITCHEN, {}, node, "0.1.0")
        assert made["dev"]["name"] == name
        assert ("sa" in made["dev"]) == bool(node.room)


def test_a_person_who_goes_leaves_no_orphan_and_no_retained_state() -> None:
    assistant = Assistant()
    before = document()
    assistant.hear(discovery_message(KITCHEN, before))
    assistant.hear(KITCHEN.message("person", b"{}", "p02aa"))
    assistant.hear(KITCHEN.message("last", b"{}"))
    messages = change_messages(KITCHEN, before, document({"p7c1e": "Alice"}))
    for message in messages:
        assistant.hear(message)
    assert "p_p02aa" not in assistant.entities
    assert not assistant.orphans
    assert set(assistant.retained) == {KITCHEN.discovery, "earmark/kitchen/last"}
    assert "p_p02aa" not in json.loads(assistant.retained[KITCHEN.discovery])["cmps"]
    assert [message.kind for message in messages] == ["event", "state", "state"], "the first must not be replaced"


def test_leaving_a_component_out_at_once_would_leave_an_orphan() -> None:
    """Shows that the rule above is checked at all."""
    assistant = Assistant()
    assistant.hear(discovery_message(KITCHEN, document()))
    assistant.hear(discovery_message(KITCHEN, document({"p7c1e": "Alice"})))
    assert assistant.orphans == {"p_p02aa"}


def test_a_new_or_renamed_person_needs_one_message() -> None:
    renamed = {"p7c1e": "Alicia", "p02aa": "Bob", "p3": "Eve"}
    messages = change_messages(KITCHEN, document(), document(renamed))
    assert [(message.topic, message.kind) for message in messages] == [(KITCHEN.discovery, "state")]
    assert json.loads(messages[0].payload)["cmps"]["p_p7c1e"]["unique_id"] == document()["cmps"]["p_p7c1e"]["unique_id"]


def test_what_an_earlier_run_announced_is_found_among_the_states() -> None:
    states = [(1, KITCHEN.availability(True)), (2, discovery_message(KITCHEN, document()))]
    assert announced(KITCHEN, states) == document()
    assert announced(KITCHEN, states[:1]) is None
    assert announced(KITCHEN, [(1, Message(KITCHEN.discovery, b"[1]", 1, True, "state"))]) is None
    assert announced(KITCHEN, [(1, Message(KITCHEN.discovery, b"{", 1, True, "state"))]) is None
    assert announced(KITCHEN, [(1, Message(KITCHEN.discovery, b"[" * 100_000, 1, True, "state"))]) is None


def test_removing_the_device_empties_everything_it_retained() -> None:
    assistant = Assistant()
    kept = [discovery_message(KITCHEN, document()), KITCHEN.availability(False), KITCHEN.message("last", b"{}")]
    for message in kept:
        assistant.hear(message)
    for message in removal_messages(KITCHEN, [one.topic for one in kept]):
        assert message.retain
        assistant.hear(message)
    assert not assistant.entities
    assert not assistant.retained


def test_migration_hands_over_announces_and_then_clears() -> None:
    old = ["homeassistant/sensor/earmark_kitchen/last/config", "homeassistant/event/earmark_kitchen/u/config"]
    messages = migration_messages(KITCHEN, old, document())
    assert [message.topic for message in messages] == [*old, KITCHEN.discovery, *old]
    assert [json.loads(one.payload) for one in messages[:2]] == [{"migrate_discovery": True}] * 2
    assert [(one.payload, one.retain) for one in messages[3:]] == [(b"", True)] * 2
    assert {message.kind for message in messages[:2]} == {"event"}, "the handover must not be replaced by the clearing"


@pytest.mark.parametrize("key", ["latency", "snr", "enrolled"])
def test_health_values_expire(key: str) -> None:
    assert document()["cmps"][key]["expire_after"] == 300
