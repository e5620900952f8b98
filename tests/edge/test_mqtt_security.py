"""What lets others read a secret, and what TLS is made of."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

import pytest

from edge.doctor.case import Case
from edge.doctor.examination import examine
from edge.errors import SettingsError
from edge.mqtt.security import exposed, tls_context
from edge.settings import Mqtt, Settings, credential_path, mqtt_password
from tests.broker import Certificates

HERE = ("127.0.0.1", "127.8.8.8", "localhost", "LOCALHOST.", "::1", "[::1]")
ELSEWHERE = ("192.168.1.4", "broker.lan", "localhost.evil.test", "0.0.0.0", "::", "[fd00::1]", "127.0.0.1.nip.io")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("hunter2\n")
    path.chmod(0o600)
    return path


def told(mqtt: Mqtt) -> str:
    return " ".join(one.sentence() for one in exposed(mqtt))


@pytest.mark.parametrize("host", ELSEWHERE)
def test_a_password_in_the_open_is_told_wherever_the_broker_is_elsewhere(secret: Path, host: str) -> None:
    section = Mqtt(host=host, username="ears", password_file=str(secret))
    assert "unencrypted" in told(section) and "mqtt.tls: true" in told(section)
    assert "hunter2" not in told(section)


@pytest.mark.parametrize("host", HERE)
def test_on_this_machine_nobody_listens(secret: Path, host: str) -> None:
    assert told(Mqtt(host=host, username="ears", password_file=str(secret))) == ""


def test_without_a_password_with_tls_or_without_a_broker_there_is_nothing_to_read(secret: Path) -> None:
    assert told(Mqtt(host="broker.lan")) == ""
    assert told(Mqtt(host="broker.lan", tls=True, username="ears", password_file=str(secret))) == ""
    assert told(Mqtt(enabled=False, host="broker.lan", username="ears", password_file=str(secret))) == ""


@pytest.mark.parametrize("key", ["password_file", "key_file"])
def test_a_secret_that_every_user_can_read_is_told_by_its_key(secret: Path, key: str) -> None:
    section = Mqtt(**{key: str(secret)})
    assert told(section) == ""
    secret.chmod(0o640)
    assert told(section) == "", "a group is a choice"
    secret.chmod(0o644)
    assert f"mqtt.{key} {secret}" in told(section) and "chmod 600" in told(section)


def test_the_doctor_tells_of_it_although_no_broker_answers(secret: Path) -> None:
    section = Mqtt(host="192.0.2.1", username="ears", password_file=str(secret))
    (found,) = examine(Case(Settings(mqtt=section)), ["secrets"])
    assert found.status == "warn"
    assert "unencrypted" in found.sentence and "tls" in found.remedy
    assert found.facts["exposed"] and "hunter2" not in str(found)
    (found,) = examine(Case(Settings()), ["secrets"])
    assert (found.status, found.facts) == ("ok", {"exposed": []})


def test_a_credential_wins_over_a_file_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, here = tmp_path / "given", tmp_path / "here"
    for folder in (given, here):
        folder.mkdir()
        (folder / "word").write_text(folder.name)
    monkeypatch.chdir(here)
    environ = {"CREDENTIALS_DIRECTORY": str(given)}
    section = Mqtt(username="u", password_file="word")
    assert (mqtt_password(section, environ) or pytest.fail()).reveal() == "given"
    assert (mqtt_password(section, {}) or pytest.fail()).reveal() == "here"
    assert credential_path("./word", environ) == Path("word"), "with a slash it is a file"
    assert credential_path("other", environ) == Path("other")


def test_certificate_and_key_come_as_credentials(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, path in (("ca", certificates.ca), ("cert", certificates.client), ("key", certificates.client_key)):
        (tmp_path / f"mqtt-{name}").write_bytes(path.read_bytes())
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    context = tls_context(Mqtt(tls=True, ca_file="mqtt-ca", cert_file="mqtt-cert", key_file="mqtt-key"))
    assert context is not None
    assert context.cert_store_stats()["x509_ca"] == 1
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_key_that_belongs_to_another_certificate_is_refused_without_a_word_of_it(certificates: Certificates) -> None:
    section = Mqtt(tls=True, cert_file=str(certificates.client), key_file=str(certificates.server_key))
    with pytest.raises(SettingsError, match=r"mqtt\.key_file") as caught:
        tls_context(section)
    inside = certificates.server_key.read_text().splitlines()[1]
    assert inside not in caught.value.sentence()


def test_each_warning_is_logged_as_one(secret: Path, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    from edge.mqtt import Publisher, Topics
    from edge.outbox import Outbox

    secret.chmod(0o644)
    caplog.set_level(logging.WARNING)
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        section = Mqtt(host="192.0.2.1", username="ears", password_file=str(secret))
        publisher = Publisher(section, Topics(node="kitchen"), outbox)
        publisher.start()
        publisher.stop(30)
    levels = [record.levelname for record in caplog.records if "read" in record.getMessage()]
    assert levels == ["WARNING", "WARNING"]
    assert "hunter2" not in caplog.text
