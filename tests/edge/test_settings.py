"""Settings: what is read, what wins, and what is refused with which words."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import settings
from edge.errors import SettingsError
from edge.settings import loading
from edge.settings.manual import markdown, sample, yaml_value
from edge.settings.sections import SECTIONS, describe, fits
from edge.settings.values import expected

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_system_config(monkeypatch, tmp_path):
    """The tests must not see the configuration of the machine they run on."""
    monkeypatch.setattr(loading, "SYSTEM_CONFIG", tmp_path / "etc" / "earmark.yaml")


def load(tmp_path, text, environ=None):
    path = tmp_path / "given.yaml"
    path.write_text(text)
    return settings.load(path, {"HOME": str(tmp_path)} | (environ or {}))


def refusal(tmp_path, text, environ=None):
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text, environ)
    assert caught.value.exit_code == 2
    return caught.value.sentence()


def test_without_a_file_the_defaults_hold(tmp_path):
    assert settings.load(environ={"HOME": str(tmp_path)}) == settings.Settings()


def test_agreed_defaults():
    """The values that other rooms rely on."""
    s = settings.Settings()
    assert (s.decide.profile, s.models.bundle, s.mqtt.protocol) == ("balanced", "accurate", "3.1.1")
    assert (s.segment.hangover_ms, s.segment.max_utterance_seconds) == (500, 12.0)
    assert (s.privacy.gender, s.privacy.emotion, s.privacy.publish_candidates) == (False, False, False)
    assert (s.privacy.labels_acknowledged, s.models.packs) == (False, ())
    assert s.mqtt.effective_port == 1883
    assert replace(s.mqtt, tls=True).effective_port == 8883
    assert replace(s.mqtt, tls=True, port=1234).effective_port == 1234


def test_the_first_file_that_exists_is_read(tmp_path):
    """--config before $EARMARK_CONFIG before /etc before $XDG_CONFIG_HOME before ~/.config."""
    files = {}
    for name in ("given", "variable", "etc", "xdg/earmark", ".config/earmark"):
        path = tmp_path / name / "earmark.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(f"node: {{room: {name}}}\n")
        files[name] = path
    environ = {
        "EARMARK_CONFIG": str(files["variable"]),
        "XDG_CONFIG_HOME": str(tmp_path / "xdg"),
        "HOME": str(tmp_path),
    }
    assert settings.load(files["given"], environ).node.room == "given"
    assert settings.load(None, environ).node.room == "variable"
    del environ["EARMARK_CONFIG"]
    assert settings.load(None, environ).node.room == "etc"
    files["etc"].unlink()
    assert settings.load(None, environ).node.room == "xdg/earmark"
    assert settings.load(None, environ).path == files["xdg/earmark"]
    del environ["XDG_CONFIG_HOME"]
    assert settings.load(None, environ).node.room == ".config/earmark"


@pytest.mark.parametrize("environ", [{}, {"EARMARK_CONFIG": "/nowhere/at/all.yaml"}])
def test_a_named_file_that_is_missing_is_an_error(environ):
    path = None if environ else Path("/nowhere/at/all.yaml")
    with pytest.raises(SettingsError, match=r"/nowhere/at/all\.yaml cannot be read: No such file"):
        settings.load(path, environ)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(SettingsError, match="Is a directory"):
        settings.load(tmp_path, {})


def test_the_environment_wins(tmp_path):
    loaded = load(
        tmp_path,
        "mqtt: {host: a.local, port: 1}\nprivacy: {gender: on}\n",
        {
            "EARMARK_MQTT__HOST": "b.local",
            "EARMARK_MQTT__PORT": "",
            "EARMARK_PRIVACY__GENDER": "0",
            "EARMARK_DECIDE__PROFILE": "strict",
            "EARMARK_SEGMENT__FLOOR_DBFS": "-5e1",
        },
    )
    assert (loaded.mqtt.host, loaded.mqtt.port, loaded.privacy.gender) == ("b.local", None, False)
    assert (loaded.decide.profile, loaded.segment.floor_dbfs) == ("strict", -50.0)


def test_unset_port_in_the_environment_overrides_the_file(tmp_path):
    assert load(tmp_path, "mqtt: {port: 1234}", {"EARMARK_MQTT__PORT": ""}).mqtt.port is None


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("mqtt: {hots: x}", "mqtt.hots (line 1) is not a setting; did you mean mqtt.host?"),
        ("mqqt:\n  host: x", "mqqt (line 1) is not a setting; did you mean mqtt?"),
        ("host: x", "host (line 1) is not a setting; did you mean mqtt.host?"),
        ("node: {profile: strict}", "node.profile (line 1) is not a setting; did you mean decide.profile?"),
        ("log: {zzzz: 1}", "log.zzzz (line 1) is not a setting; log has level, format"),
        ("qqqq: 1", "the sections are node, audio"),
        ("home_assistant: {prefix: x}", "did you mean homeassistant?"),
    ],
)
def test_an_unknown_key_names_the_nearest(tmp_path, text, near):
    assert near in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("variable", "near"),
    [
        ("EARMARK_MQTT__HOTS", "EARMARK_MQTT__HOTS is not a setting; did you mean EARMARK_MQTT__HOST?"),
        ("EARMARK_MQTT_HOST", "did you mean EARMARK_MQTT__HOST?"),
        ("EARMARK_STAT", "did you mean EARMARK_STATE?"),
        ("EARMARK_HOST", "EARMARK_HOST is not a setting"),
    ],
)
def test_an_unknown_variable_names_the_nearest(tmp_path, variable, near):
    assert near in refusal(tmp_path, "", {variable: "x"})


def test_documented_variables_are_no_errors(tmp_path):
    assert load(tmp_path, "", dict.fromkeys(settings.ENVIRONMENT, "/x")).mqtt == settings.Mqtt()


def test_all_problems_come_together(tmp_path):
    """File and environment, form and content: one error lists them all."""
    text = "mqtt:\n  hots: x\n  port: 0\n  port: 7\nlog: {level: loud}\nsegment: {hangover_ms: 5 seconds}\n"
    message = refusal(tmp_path, text, {"EARMARK_LOG__FORMAT": "xml", "EARMARK_NOPE": "1"})
    for part in ("mqtt.hots", "mqtt.port stands twice", "mqtt.port (line 3)", "log.level", "segment.hangover_ms"):
        assert part in message
    for part in ("EARMARK_LOG__FORMAT", "EARMARK_NOPE", "have 7 errors"):
        assert part in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("node: {name: Kitchen Pi}", "node.name (line 1) must be lower-case letters"),
        ("node: {name: ''}", "must be lower-case letters"),
        ("node: {name: no}", "YAML takes 'no' for a truth value: put it in quotes"),
        ("node: {name: 12}", "YAML takes '12' for a number: put it in quotes"),
        ("node: {room: 12:30}", "for a number: put it in quotes"),
        ("node: {room: 2024-01-01}", "not a list, a group, a date"),
        ("node: {room: [a]}", "not a list"),
        ("node: {room: !secret x}", "tagged value"),
        ('node: {room: "a\\tb"}', "control characters"),
        ("mqtt: {port: '1883'}", "mqtt.port (line 1) must be a whole number from 1 to 65535, without quotes"),
        ("mqtt: {port: 70000}", "from 1 to 65535, not '70000'"),
        ("mqtt: {port: 0o17}", "must be a whole number"),
        ("mqtt: {port: 01883}", "must be a whole number"),
        ("mqtt: {port: 1883.0}", "must be a whole number"),
        ("mqtt: {port: true}", "must be a whole number"),
        ("mqtt: {keepalive_seconds: 1:00}", "must be a whole number"),
        ("mqtt: {keepalive_seconds: 99999999999999999999999999}", "must be a whole number from 5 to 3600 s"),
        ("mqtt: {reconnect_max_seconds: .inf}", "must be a number"),
        ("mqtt: {reconnect_max_seconds: .nan}", "must be a number"),
        ("mqtt: {enabled: 'yes'}", "must be true or false (without quotes)"),
        ("mqtt: {enabled: 1}", "must be true or false, not '1'"),
        ("mqtt: {enabled: maybe}", "must be true or false"),
        ("mqtt: {host: 'mqtt://broker'}", "a host name or an address"),
        ("mqtt: {base_topic: /earmark}", "an MQTT topic"),
        ("mqtt: {base_topic: a/+/b}", "an MQTT topic"),
        ("mqtt: {base_topic: earmark/}", "an MQTT topic"),
        ("mqtt: {protocol: 3.1}", "must be 3.1.1 or 5, not '3.1'"),
        ("decide: {profile: balnced}", "did you mean balanced?"),
        ("log: info", "log (line 1) must be a section"),
        ("- mqtt", "the file must hold sections"),
        ("[1]: x", "a list or a group where the name of a key must stand"),
    ],
)
def test_a_wrong_value_is_refused_with_a_clear_sentence(tmp_path, text, words):
    assert words in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mqtt:\n\thost: x", "there is a tab in line 2. Use spaces"),
        ("mqtt: {host: x", "is not valid YAML"),
        ("mqtt: {}\n---\nmqtt: {}", "is not valid YAML"),
        ("a: *nobody", "is not valid YAML"),
        ("node: {room: \x01}", "characters that YAML does not allow"),
        ("[" * 5000, "nested too deeply"),
        ("#" * (2 << 20), "larger than 1 MB"),
    ],
    ids=["tab", "brace", "documents", "alias", "control", "nested", "huge"],
)
def test_a_file_that_is_no_yaml_is_refused(tmp_path, text, words):
    assert words in refusal(tmp_path, text)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "earmark.yaml"
    path.write_bytes(b"node: {room: \xff\xfe}")
    with pytest.raises(SettingsError, match="is not UTF-8 text"):
        settings.load(path, {})


def test_yaml_words_for_truth(tmp_path):
    """YAML 1.1 has many words for true and false; all mean what they say where a truth value is wanted."""
    loaded = load(tmp_path, "privacy: {gender: On, emotion: YES, publish_candidates: off}\nmqtt: {enabled: no}")
    assert (loaded.privacy.gender, loaded.privacy.emotion, loaded.privacy.publish_candidates) == (True, True, False)
    assert not loaded.mqtt.enabled


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        ("models: {packs: [emotion-ravdess, ./mine]}", {}),
        ("models:\n  packs:\n    - emotion-ravdess\n    - './mine'\n", {}),
        ("models: {packs: 'emotion-ravdess, ./mine'}", {}),
        ("models: {packs: [other]}", {"EARMARK_MODELS__PACKS": "emotion-ravdess,./mine,"}),
    ],
)
def test_a_list_is_written_in_several_ways(tmp_path, text, environ):
    assert load(tmp_path, text, environ).models.packs == ("emotion-ravdess", "./mine")


def test_one_name_makes_a_list_and_none_an_empty_one(tmp_path):
    assert load(tmp_path, "models: {packs: emotion-ravdess}").models.packs == ("emotion-ravdess",)
    assert load(tmp_path, "models: {packs: []}").models.packs == ()
    assert load(tmp_path, "models: {packs: [a]}", {"EARMARK_MODELS__PACKS": ""}).models.packs == ()


@pytest.mark.parametrize("value", ["[1, 2]", "[[a]]", "{a: b}", "7", "true", "['a b']", "[a, ~]"])
def test_a_list_of_anything_else_is_refused(tmp_path, value):
    assert "models.packs (line 1) must be a list of names or paths" in refusal(tmp_path, f"models: {{packs: {value}}}")


def test_a_list_where_one_value_belongs_is_refused(tmp_path):
    assert "models.bundle (line 1) must be a bundle's name or path, not a list" in refusal(
        tmp_path, "models: {bundle: [accurate]}"
    )


def test_numbers_as_people_write_them(tmp_path):
    """``1e1`` is text to YAML 1.1, ``10`` an integer: both are fine where a real number is wanted; ``5`` is a
    version."""
    loaded = load(tmp_path, "mqtt: {reconnect_max_seconds: 1e1, protocol: 5}\nsegment: {min_snr_db: 10}")
    assert (loaded.mqtt.reconnect_max_seconds, loaded.segment.min_snr_db, loaded.mqtt.protocol) == (10.0, 10.0, "5")
    assert isinstance(loaded.segment.min_snr_db, float)


def test_empty_sections_and_keys_keep_the_defaults(tmp_path):
    assert load(tmp_path, "mqtt:\nnode:\n  room:\n  name: ~\n") == settings.Settings()
    assert load(tmp_path, "") == settings.Settings()
    assert load(tmp_path, "\ufeff# only a comment\r\n") == settings.Settings()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mqtt: {password_file: /x}", "mqtt.password_file needs mqtt.username"),
        ("mqtt: {tls: true, cert_file: /x}", "only of use together"),
        ("mqtt: {ca_file: /x}", "need mqtt.tls: true"),
        ("mqtt: {base_topic: homeassistant}", "must differ"),
        ("mqtt: {updates: true}\ncontrol: {enabled: false}", "mqtt.updates needs control.enabled"),
        ("node: {name: kitchen}\nhomeassistant: {house: [hall]}", "must name this node"),
        ("node: {name: house}\nhomeassistant: {house: [house]}", "may be called house"),
        ("segment: {min_speech_ms: 3000, max_utterance_seconds: 3}", "must be shorter"),
        ("segment: {max_utterance_seconds: 3}\ndecide: {min_speech_seconds: 4}", "must not exceed"),
    ],
)
def test_values_that_contradict_each_other_are_refused(tmp_path, text, words):
    assert words in refusal(tmp_path, text)


def test_a_faulty_value_brings_no_second_complaint(tmp_path):
    """tls is unreadable, so nothing is said about the certificates that need it."""
    message = refusal(tmp_path, "mqtt: {tls: perhaps, ca_file: /x}")
    assert "mqtt.tls" in message
    assert "need" not in message


def test_a_password_in_the_file_is_refused_and_not_repeated(tmp_path):
    for text, environ in (
        ("mqtt: {username: u, password: hunter2}", {}),
        ("", {"EARMARK_MQTT__PASSWORD": "hunter2"}),
        ("mqtt: {host: 'mqtt://me:hunter2@broker'}", {}),
    ):
        message = refusal(tmp_path, text, environ)
        assert "hunter2" not in message
    assert "mqtt.password_file" in refusal(tmp_path, "mqtt: {password: hunter2}")


def test_every_key_is_documented_and_its_default_is_valid():
    for section, kind in SECTIONS.items():
        assert (kind.__doc__ or "").strip().endswith("."), section
        names = [key.name for key in describe(kind)]
        assert names == [item.name for item in fields(kind)]
        for key in describe(kind):
            assert key.words.doc.endswith((".", "...")), f"{section}.{key.name}"
            assert expected(key)


def test_the_committed_manual_and_sample_are_the_generated_ones():
    """``python -m edge.settings --markdown > docs/settings.md`` and ``--sample`` make them again."""
    assert (ROOT / "docs" / "settings.md").read_text() == markdown()
    assert (ROOT / "deploy" / "templates" / "earmark.example.yaml").read_text() == sample()


def test_the_sample_loads_as_it_is_and_with_every_key_uncommented(tmp_path):
    assert load(tmp_path, sample()) == settings.Settings()
    uncommented = "\n".join(
        line.replace("  # ", "  ", 1) if line.startswith("  # ") else line for line in sample().splitlines()
    )
    assert uncommented.count("\n    ") == 0
    assert load(tmp_path, uncommented) == settings.Settings()
    assert load(tmp_path, uncommented.replace('room: ""', 'room: "hall"')).node.room == "hall"


def _values(key):
    if key.choices:
        return st.sampled_from(key.choices)
    if key.kind is bool:
        return st.booleans()
    if key.kind is int:
        return st.integers(int(key.words.low), int(key.words.high))
    if key.kind is float:
        return st.floats(key.words.low, key.words.high)
    known = ("abc", "a-b_2", "/a/b", f"ed25519:{'ab+/' * 10}abc=")
    texts = st.sampled_from([one for one in known if fits(key.words.pattern or ".*", one)])
    return st.lists(texts, max_size=2).map(tuple) if key.kind is tuple else texts


@given(st.data())
def test_any_valid_value_survives_the_file_and_the_environment(tmp_path_factory, data):
    """A value written as YAML and one given by environment load to the same settings."""
    section = data.draw(st.sampled_from([name for name in SECTIONS if name not in {"segment", "mqtt"}]))
    key = data.draw(st.sampled_from(list(describe(SECTIONS[section]))))
    value = data.draw(_values(key))
    named = {"EARMARK_NODE__NAME": value[0]} if key.name == "house" and value else {}  # it must be one of them
    path = tmp_path_factory.mktemp("s") / "e.yaml"
    path.write_text(f"{section}: {{{key.name}: {yaml_value(value)}}}")
    by_file = settings.load(path, named)
    path.write_text("")
    text = ",".join(value) if isinstance(value, tuple) else str(value)
    by_variable = settings.load(path, {f"EARMARK_{section}__{key.name}".upper(): text} | named)
    assert getattr(getattr(by_file, section), key.name) == value
    assert asdict(by_file) == asdict(by_variable)


@given(st.text(max_size=60))
def test_any_text_is_loaded_or_refused_with_a_sentence(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("s") / "e.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        settings.load(path, {})
    except SettingsError as error:
        assert error.sentence().endswith(".")
