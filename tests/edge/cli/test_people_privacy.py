"""``earmark people``: export and import under a passphrase, revoke, protect, and what removing somebody leaves."""

from __future__ import annotations

import io
import json
import os
import pty
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from edge import forgetting
from edge.auth.clock import BootClock
from edge.auth.gate import Counter
from edge.errors import StorageError
from edge.homeassistant import discovery_document, discovery_message
from edge.mqtt import Topics
from edge.outbox import Outbox
from edge.people import PeopleStore
from edge.records import Message
from edge.settings import ASSISTANT_FOLDER, Node
from edge.vault import passphrase
from tests.edge.cli.conftest import ASSETS
from tests.edge.people_plain import old_database

ROOT = Path(__file__).parents[3]
WORDS = "correct horse battery staple"


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    monkeypatch.setattr(passphrase, "_COST", {"n": 2**10, "r": 8, "p": 1})


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.write_text(WORDS + "\nsomething else\n")
    return path


def everything(folder):
    with PeopleStore(folder) as store:
        return [
            (r.name, r.created, r.consent, [(e.vector.tobytes(), e.digest) for e in r.exemplars])
            for r in store.records()
        ]


def test_people_are_exported_and_imported_to_the_bit(earmark, state, tmp_path, secret) -> None:
    file, other = tmp_path / "home.people", tmp_path / "other"
    told = earmark("people", "export", file, "--passphrase-file", secret, "--json")
    assert told.json["people"] == ["Ada", "Ben"]
    assert file.stat().st_mode & 0o777 == 0o600
    raw = file.read_bytes()
    assert not [word for word in (b"Ada", b"Ben", WORDS.encode(), b"ada-enrol") if word in raw]
    told = earmark("people", "import", file, "--passphrase-file", secret, "--state", other, "--json")
    assert told.json["people"] == ["Ada", "Ben"]
    assert everything(other) == everything(state)
    assert (state / "voiceprint.key").read_bytes() != (other / "voiceprint.key").read_bytes()
    clip = ASSETS / "clip-1-ada.ogg"
    answers = [earmark("identify", clip, "--state", folder, "--json").json for folder in (state, other)]
    for answer in answers:
        answer.pop("cpu_ms", None)
    assert answers[0] == answers[1]
    assert answers[0]["person"]["name"] == "Ada"


def test_an_export_can_be_of_some_and_is_never_written_over(earmark, state, tmp_path, secret) -> None:
    file = tmp_path / "ada.people"
    assert earmark("people", "export", file, "ada", "--passphrase-file", secret, "--json").json["people"] == ["Ada"]
    done = earmark("people", "export", file, "--passphrase-file", secret)
    assert done.code == 2 and "exists already" in done.err
    assert earmark("people", "export", tmp_path / "x", "Zoe", "--passphrase-file", secret).code == 2
    assert not (tmp_path / "x").exists()
    assert earmark("people", "export").code == 2


def test_a_wrong_passphrase_or_file_enrols_nobody(earmark, state, tmp_path, secret) -> None:
    file = tmp_path / "home.people"
    earmark("people", "export", file, "--passphrase-file", secret)
    before = everything(state)
    wrong = tmp_path / "wrong"
    wrong.write_text("another one, long enough")
    done = earmark("people", "import", file, "--passphrase-file", wrong, "--state", tmp_path / "other", "--json")
    assert done.code == 1 and done.json["error"]["code"] == "wrong_passphrase"
    done = earmark("people", "import", ASSETS / "index.json", "--passphrase-file", secret)
    assert done.code == 2 and "no file that" in done.err
    done = earmark("people", "import", file, "--passphrase-file", secret)
    assert done.code == 5 and "enrolled already: Ada, Ben" in done.err
    earmark("people", "rename", "Ben", "Benedict")
    done = earmark("people", "import", file, "--passphrase-file", secret)
    assert done.code == 5 and "enrolled already: Ada." in done.err
    done = earmark("people", "import", file, "--skip-existing", "--passphrase-file", secret, "--json")
    assert (done.json["people"], done.json["skipped"]) == (["Ben"], ["Ada"])
    assert [one[0] for one in everything(state)] == ["Ada", "Ben", "Benedict"]
    assert everything(state)[0] == before[0]


def test_a_passphrase_is_never_an_argument(earmark, state, tmp_path) -> None:
    """It comes from a file or a prompt; without either nothing is written."""
    done = earmark("people", "export", tmp_path / "x", "--passphrase", WORDS)
    assert done.code == 2
    child = [sys.executable, "-m", "edge.cli", "people", "export", str(tmp_path / "x")]
    told = subprocess.run(child, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert told.returncode == 2 and "--passphrase-file" in told.stderr
    short = tmp_path / "short"
    short.write_text("12345\n")
    done = earmark("people", "export", tmp_path / "x", "--passphrase-file", short)
    assert done.code == 2 and "12345" not in done.err
    assert not (tmp_path / "x").exists()


def test_at_a_terminal_it_is_asked_for_twice_and_not_shown(environment, state, tmp_path) -> None:
    master, slave = pty.openpty()
    child = [sys.executable, "-m", "edge.cli", "people", "export", str(tmp_path / "x")]
    process = subprocess.Popen(child, cwd=ROOT, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    shown = b""
    try:
        for prompt in (b"Passphrase: ", b"The same again: "):
            while prompt not in shown:
                shown += os.read(master, 1000)
            os.write(master, WORDS.encode() + b"\n")
        assert process.wait(120) == 0
        shown += os.read(master, 4000)
    finally:
        process.kill()
        os.close(master)
    assert WORDS.encode() not in shown
    assert passphrase.opened((tmp_path / "x").read_bytes(), WORDS)


def test_revoking_asks_nothing_of_anybody(earmark, state) -> None:
    before, key = everything(state), (state / "voiceprint.key").read_bytes()
    raw = (state / "people.sqlite").read_bytes()
    done = earmark("people", "revoke")
    assert done.code == 0
    assert "2 people are encrypted and turned anew; nobody has to enrol again" in done.out
    assert everything(state) == before
    assert (state / "voiceprint.key").read_bytes() != key
    assert earmark("identify", ASSETS / "clip-1-ada.ogg", "--json").json["person"]["name"] == "Ada"
    (state / "people.sqlite").write_bytes(raw)
    done = earmark("people", "--json")
    assert done.code == 5 and done.json["error"]["code"] == "vault"
    assert "another key" in done.json["error"]["message"]


def test_protecting_says_what_it_did(earmark, tmp_path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    old_database(folder / "people.sqlite")
    assert earmark("people", "protect", "--json").json == {"encrypted": True, "changed": True}
    assert "already" in earmark("people", "protect").out
    assert [one["name"] for one in earmark("people", "--json").json["people"]] == ["Benedict", "Wilhelmina"]


def test_who_is_removed_is_nowhere_in_the_state_folder(earmark, state) -> None:
    """Name, id, voiceprint, fingerprints and counted attempts; what is counted of others stays.

    Only the log of attempts, and its head in the record, still names the id, which is nobody's any more.
    """
    for name in ("Ada", "Ben"):
        earmark("verify", name, ASSETS / "clip-5-stranger.ogg")
    with PeopleStore(state) as store:
        ada, ben = store.find("Ada").id, store.find("Ben").id
    with sqlite3.connect(state / "people.sqlite") as db:
        rows = db.execute("SELECT sealed FROM exemplars WHERE person_id = ?", (ada,)).fetchall()
    db.close()
    with sqlite3.connect(state / "repeats.sqlite") as db:
        prints = db.execute("SELECT print FROM heard WHERE person_id = ?", (ada,)).fetchall()
    db.close()
    secret = [ada.encode(), b"Ada", *(row[0][20:60] for row in rows), *(bytes(p[0])[20:60] for p in prints)]

    def left():
        files = [file for file in state.iterdir() if file.is_file() and not file.name.startswith(("audit", "attempts"))]
        raw = b"".join(file.read_bytes() for file in files)
        return [part for part in secret if part in raw]

    assert len(left()) >= len(rows) + len(prints)
    told = earmark("people", "remove", "Ada", "--yes", "--json").json
    assert told["attempts"] == 1 and told["fingerprints"] == len(prints) and told["problems"] == []
    assert left() == []
    with sqlite3.connect(state / "attempts.sqlite") as db:
        assert {row[0] for row in db.execute("SELECT identity FROM attempts UNION SELECT identity FROM factors")} == {
            ben
        }
        assert (state / "attempts.sqlite").read_bytes().count(ada.encode()) == 1, "the latest line of the log"
    db.close()
    counter = Counter(state, BootClock())
    assert (counter.failures(ada), counter.failures(ben)) == (0, 1)
    counter.close()
    assert earmark("audit", "--verify").code == 0


def waiting(state, *messages) -> None:
    """An outbox with these messages, as a daemon would leave it."""
    with Outbox(state / "outbox.sqlite") as outbox:
        outbox.append_all(messages)


def about(speaker_id: str | None, speaker: str) -> Message:
    """An event that waits for the broker."""
    return Message("earmark/earmark/utterance", json.dumps({"speaker_id": speaker_id, "speaker": speaker}).encode())


def told_of(person_id: str | None, person: str) -> list[Message]:
    """What came of an attempt, and two answers to requests, that wait for the broker."""
    one = {"id": person_id, "name": person}
    return [
        Message("earmark/earmark/auth", json.dumps({"person_id": person_id, "person": person}).encode()),
        Message("earmark/earmark/response/rename", json.dumps({"status": "ok", "data": one}).encode()),
        Message("earmark/earmark/response/people", json.dumps({"status": "ok", "data": {"people": [one]}}).encode()),
    ]


def left_in(state) -> list[bytes]:
    with Outbox(state / "outbox.sqlite") as outbox:
        return [message.payload for _, message in outbox.pending()]


@pytest.mark.parametrize("names", ["real", "alias", "none"])
def test_what_waits_about_others_stays_whatever_names_are_told(earmark, state, monkeypatch, names) -> None:
    """With ``none`` everybody is somebody: an event of that name tells nothing of who is removed."""
    monkeypatch.setenv("EARMARK_PRIVACY__MQTT_NAMES", names)
    with PeopleStore(state) as store:
        ada, ben = store.find("Ada").id, store.find("Ben").id
    others = [about(ben, "Ben"), about(None, "somebody"), about(None, "unknown")]
    others += [*told_of(ben, "Ben"), *told_of(None, "somebody")]
    waiting(state, about(ada, "Ada"), about(ada, ada), *told_of(ada, "Ada"), *told_of(ada, ada), *others)
    told = earmark("people", "remove", "Ada", "--yes", "--json").json
    assert (told["events"], told["broker"], told["problems"]) == (8, "clean", [])
    assert left_in(state) == [one.payload for one in others]


def test_an_outbox_that_somebody_changed_runs_nothing_and_is_a_sentence(earmark, state) -> None:
    waiting(state, about("p0001", "Ben"))
    with sqlite3.connect(state / "outbox.sqlite") as db:
        db.execute("CREATE TRIGGER theirs AFTER DELETE ON messages BEGIN DELETE FROM messages; END")
        db.execute("UPDATE messages SET payload = 5")
    db.close()
    told = earmark("people", "remove", "Ada", "--yes", "--json").json
    assert told["removed"] is True
    assert all("cannot be cleaned" in problem for problem in told["problems"]) and told["problems"]


def test_a_state_that_cannot_be_cleared_is_told_at_once(earmark, state, monkeypatch) -> None:
    """It is no sign of a daemon, for which a command waits."""

    def full(*_args: object) -> None:
        raise StorageError("The disk is full", "Free some space.")

    with PeopleStore(state) as store:
        ada = store.find("Ada").id
    waiting(state, Message(f"earmark/earmark/person/{ada}/state", b"{}", 1, True, "state"))
    monkeypatch.setattr(forgetting, "_clear_ourselves", full)
    monkeypatch.setattr(forgetting.time, "sleep", lambda _seconds: pytest.fail("it waits for a daemon"))
    told = earmark("people", "remove", "Ada", "--yes", "--json").json
    assert (told["broker"], told["problems"]) == ("waiting", ["The disk is full. Free some space."])


def test_what_the_assistant_has_told_of_somebody_is_taken_back_too(earmark, state, monkeypatch) -> None:
    """Its node has an outbox of its own, and a name that only what it told can say."""
    monkeypatch.setenv("EARMARK_MQTT__ENABLED", "false")
    folder, node = state / ASSISTANT_FOLDER, "hall-ears"
    with PeopleStore(state) as store:
        ada, ben = store.find("Ada"), store.find("Ben")
    topics = Topics("earmark", node)
    told = discovery_document(topics, {one.id: one.name for one in (ada, ben)}, Node(name=node), "0.1.0")
    waiting(
        folder,
        topics.availability(True),
        discovery_message(topics, told),
        *(topics.message("person", json.dumps({"speaker": one.name}).encode(), one.id) for one in (ada, ben)),
        about(ada.id, "Ada"),
        about(ben.id, "Ben"),
    )
    done = earmark("people", "remove", "Ada", "--yes", "--json").json
    assert (done["events"], done["broker"], done["problems"]) == (1, "waiting", [])
    with Outbox(folder / "outbox.sqlite") as outbox:
        messages = [message for _, message in outbox.pending()]
    assert Message(topics.of("person", ada.id), b"", 1, True, "state") in messages
    documents = [json.loads(message.payload)["cmps"] for message in messages if message.topic == topics.discovery]
    assert [documents[0][f"p_{ada.id}"], f"p_{ada.id}" in documents[-1]] == [{"p": "binary_sensor"}, False]
    assert b"Ada" not in b"".join(message.payload for message in messages)
    assert topics.of("person", ben.id) in {message.topic for message in messages}


def test_a_passphrase_that_is_no_text_is_a_sentence(earmark, state, tmp_path, monkeypatch) -> None:
    """As from a pipe in the locale C, where Python keeps odd bytes as lone surrogates."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse \udcff battery\n"))
    done = earmark("people", "export", tmp_path / "x", "--passphrase-file", "-")
    assert done.code == 2 and "no UTF-8 text" in done.err and "horse" not in done.err
    assert not (tmp_path / "x").exists()
