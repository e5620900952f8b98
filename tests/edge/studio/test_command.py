"""`earmark studio` where it cannot start, and what it asks of Streamlit."""

from __future__ import annotations

import importlib.util
import socket
from dataclasses import replace

import pytest

from edge.cli import main
from edge.studio.opened import Opened, current, use
from edge.studio.server import Place, is_free, is_loopback, options
from tests.edge.studio.conftest import arguments


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch, capsys):
    real = importlib.util.find_spec
    monkeypatch.setattr("edge.studio.command.find_spec", lambda name: None if name == "streamlit" else real(name))
    assert main(["studio"]) == 5
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "pip install 'earmark[studio]'" in told


def test_help_shows_examples(capsys):
    assert main(["studio", "--help"]) == 0
    told = capsys.readouterr().out
    assert "examples:" in told and "-L 8501" in told and "--host" in told


@pytest.mark.parametrize(
    "words", [["--port", "0"], ["--port", "70000"], ["--port", "x"], ["--config", "/nowhere.yaml"]]
)
def test_arguments_that_make_no_sense_are_usage_errors(words, monkeypatch, environment, capsys):
    monkeypatch.setattr("edge.studio.command.find_spec", lambda name: True)
    assert main(["studio", *words]) == 2
    assert capsys.readouterr().err.startswith("earmark: ")


def test_a_port_that_is_taken_is_said(monkeypatch, environment, capsys):
    monkeypatch.setattr("edge.studio.command.find_spec", lambda name: True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not is_free(Place("127.0.0.1", port))
        assert main(["studio", "--port", str(port)]) == 2
    told = capsys.readouterr().err
    assert f"port {port}, is taken" in told and "--port" in told


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("192.0.2.1", False),
        ("pi.lan", False),
    ],
)
def test_only_loopback_counts_as_this_machine(host, ours):
    assert is_loopback(host) is ours


def test_streamlit_is_asked_for_no_telemetry_no_files_and_no_foreign_names():
    asked = options(Place("127.0.0.1", 8501))
    assert asked["server_address"] == "127.0.0.1"
    assert asked["browser_gatherUsageStats"] is False and asked["server_fileWatcherType"] == "none"
    assert asked["server_allowedHosts"] and "*" not in asked["server_allowedHosts"]
    assert asked["server_enableAgentApi"] is False and asked["client_showErrorLinks"] is False
    assert "pi.lan" in options(Place("pi.lan", 1))["server_allowedHosts"]


def test_the_address_can_be_opened_from_here():
    assert Place("127.0.0.1", 8501).url("k") == "http://127.0.0.1:8501/?key=k"
    assert Place("0.0.0.0", 80).url("k") == "http://127.0.0.1:80/?key=k"
    assert Place("::1", 80).url("k") == "http://[::1]:80/?key=k"


def test_only_the_key_opens_the_door(session):
    opened = Opened(session, None, "secret")
    assert opened.admits("secret") and not opened.admits("") and not opened.admits("sécret")
    use(opened)
    assert current() is opened


def test_the_bundle_that_learns_is_the_one_that_listens_unless_the_settings_name_another(session, bundle, state):
    args = arguments(bundle, state)
    assert Opened(session, args).learning is session
    apart = replace(session.settings, enrolment=replace(session.settings.enrolment, bundle=str(bundle)))
    named = replace(session, settings=apart)
    assert Opened(named, args).learning is named, "--bundle wins over both"
    args.bundle = None
    args.config = state.parent / "settings.yaml"
    args.config.write_text(f"models: {{bundle: {bundle}}}\nenrolment: {{bundle: {bundle}}}\n")
    opened = Opened(named, args)
    learning = opened.learning
    assert learning is not named and learning is opened.learning and learning.bundle.encoder == session.bundle.encoder
    opened.close()
