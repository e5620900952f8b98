"""The checks of ``earmark doctor``: each one finds what it is there for, and says what mends it."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edge.clock import ManualClock
from edge.doctor import CHECKS, examination, machine, models, storage
from edge.doctor.case import Case
from edge.doctor.examination import STANDARD, examine
from edge.doctor.findings import Finding, exit_code, fault, one_line, worst
from edge.doctor.sound import formats, judge_level
from edge.doctor.vault import vault
from edge.errors import EXIT_ENVIRONMENT, EXIT_OK, EXIT_USAGE, EarmarkError, SettingsError
from edge.outbox import Outbox, peek
from edge.people import PeopleStore
from edge.records import AudioBlock, Exemplar, Message
from edge.settings import Decide, Models, Mqtt, Settings, load
from tests.edge.cli import voice_bundle
from tests.edge.people_plain import old_database


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return voice_bundle.make(tmp_path_factory.mktemp("doctor") / "voices")


@pytest.fixture
def case(bundle: Path, tmp_path: Path) -> Case:
    """A device on which all is well, as far as a test machine allows."""
    settings = Settings(models=Models(bundle=str(bundle)), mqtt=Mqtt(enabled=False))
    return Case(settings, state=tmp_path / "state", environ={}, clock=ManualClock(1.8e9), root=tmp_path / "root")


def written(root: Path, path: str, text: str = "") -> Path:
    """A file of the system's."""
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    return target


# What a finding is, and what follows from it.


def test_lists_become_one_line_and_lines_become_sentences() -> None:
    assert (
        one_line("two errors:\n  - one is wrong\n  - the other, too\n") == "Two errors: one is wrong; the other, too."
    )
    assert one_line("is it?") == "Is it?"
    assert one_line("") == ""


def test_a_remedy_stays_as_it_can_be_typed() -> None:
    assert fault("x", EarmarkError("cause", "earmark people\n list")).remedy == "earmark people list"


@pytest.mark.parametrize(
    ("statuses", "code", "together"),
    [
        ({"python": "ok"}, EXIT_OK, "ok"),
        ({"python": "ok", "people": "warn"}, EXIT_OK, "warn"),
        ({"broker": "fail", "people": "warn"}, EXIT_ENVIRONMENT, "fail"),
        ({"settings": "fail", "clock": "fail"}, EXIT_USAGE, "fail"),
        ({}, EXIT_OK, "ok"),
    ],
)
def test_the_exit_code_follows_from_the_worst(statuses, code, together) -> None:
    findings = [Finding(name, status, "") for name, status in statuses.items()]
    assert (exit_code(findings), worst(findings)) == (code, together)


def test_all_checks_are_made_in_their_order_and_listening_only_when_asked_for(case) -> None:
    assert [finding.name for finding in examine(case)] == [name for name in CHECKS if name != "level"]
    assert [finding.name for finding in examine(case, ["clock", "python"])] == ["python", "clock"]
    assert set(STANDARD) == set(CHECKS) - {"level"}


def test_every_fault_has_a_remedy_and_every_sentence_is_one_line(case) -> None:
    findings = list(examine(replace(case, settings=replace(case.settings, models=Models(bundle="nosuch")))))
    assert {finding.status for finding in findings} == {"ok", "warn", "fail"}
    for finding in findings:
        assert finding.sentence.endswith(".") and "\n" not in finding.sentence + finding.remedy
        assert finding.status == "ok" or finding.remedy, finding


def test_a_check_that_breaks_becomes_a_finding_and_the_others_go_on(case, monkeypatch) -> None:
    def broken(_case: Case) -> Finding:
        raise ZeroDivisionError("planted\nfault")

    monkeypatch.setitem(examination._CHECKS, "processor", broken)
    found = list(examine(case, ["processor", "clock"]))
    assert [(finding.name, finding.status) for finding in found] == [("processor", "fail"), ("clock", "ok")]
    assert "ZeroDivisionError: planted; fault" in found[0].sentence


# Settings.


def test_settings_that_cannot_be_used_are_named_and_what_needs_them_waits(tmp_path) -> None:
    config = tmp_path / "earmark.yaml"
    config.write_text("mqtt:\n  hots: broker\n  port: ninety\n")
    with pytest.raises(SettingsError) as raised:
        load(config, {})
    found = list(examine(Case(None, raised.value)))
    assert [finding.name for finding in found] == ["settings", "python", "runtime", "processor", "formats", "clock"]
    assert found[0].status == "fail"
    for word in (str(config), "mqtt.hots", "mqtt.host", "mqtt.port", "ninety"):
        assert word in found[0].sentence
    assert exit_code(found) == EXIT_USAGE


def test_it_is_said_where_the_settings_come_from(tmp_path) -> None:
    assert "no settings file" in storage.settings(Case(Settings(), environ={})).sentence
    config = tmp_path / "earmark.yaml"
    config.write_text("log:\n  level: debug\n")
    environ = {"EARMARK_MQTT__HOST": "broker", "EARMARK_STATE": "/x", "PATH": "/bin"}
    found = storage.settings(Case(load(config, environ), environ=environ))
    assert (found.status, found.facts) == ("ok", {"file": str(config), "environment": ["EARMARK_MQTT__HOST"]})
    assert str(config) in found.sentence


# The machine.


def test_an_old_python_fails_and_a_narrow_one_is_mentioned() -> None:
    assert machine.judge_python((3, 10), "3.10.4", True).status == "fail"
    assert machine.judge_python((3, 11), "3.11.2", False).status == "warn"
    assert machine.judge_python((3, 11), "3.11.2", True).status == "ok"
    assert machine.python(Case(None)).facts["version"] == sys.version.split()[0]


@pytest.mark.parametrize(
    ("text", "found", "words"),
    [
        ("model name\t: Xeon\nflags\t\t: sse2 avx2 avx512_vnni\n", ["avx512_vnni"], "Xeon, with int8 dot products"),
        ("Features\t: fp asimd asimddp\nModel\t\t: Raspberry Pi 5\n", ["asimddp"], "Raspberry Pi 5, with"),
        ("Features\t: fp asimd crc32\nModel\t\t: Raspberry Pi 4\n", [], "Raspberry Pi 4; it has no int8 dot product"),
        ("", None, "is not known"),
    ],
)
def test_the_processor_is_named_with_its_dot_products(case, text, found, words) -> None:
    written(case.root, "proc/cpuinfo", text)
    finding = machine.processor(case)
    assert (finding.status, finding.facts["dot_product"]) == ("ok", found)
    assert words in finding.sentence


def test_a_clock_that_was_never_set_fails(case) -> None:
    found = machine.clock(replace(case, clock=ManualClock(86_400.0)))
    assert found.status == "fail"
    assert "1970-01-02" in found.sentence and "timedatectl" in found.remedy


def test_a_clock_that_the_network_has_not_set_is_mentioned(case) -> None:
    assert machine.clock(case).status == "ok"
    (case.root / "run/systemd/timesync").mkdir(parents=True)
    assert machine.clock(case).status == "warn"
    written(case.root, "run/systemd/timesync/synchronized")
    assert machine.clock(case).status == "ok"


def test_without_systemd_nothing_starts_the_service(case) -> None:
    assert machine.service(case).status == "warn"
    (case.root / "run/systemd/system").mkdir(parents=True)
    found = machine.service(case)
    assert found.status == "ok" and "earmark deploy unit" in found.remedy


def test_a_service_that_knows_other_people_is_mentioned(case) -> None:
    (case.root / "run/systemd/system").mkdir(parents=True)
    written(case.root, "etc/systemd/system/earmark.service", "[Service]\nStateDirectory=earmark\n")
    found = machine.service(case)
    assert found.status == "warn"
    assert f"--state {case.root}/var/lib/earmark" in found.remedy
    (case.root / "var/lib/earmark").mkdir(parents=True)
    assert machine.service(replace(case, state=case.root / "var/lib/earmark")).status == "ok"


# Runtime and bundle.


def test_a_missing_runtime_comes_with_the_line_that_installs_it(case, monkeypatch) -> None:
    assert models.runtime(case).status == "ok"
    for name in ("ai_edge_litert", "tflite_runtime"):
        monkeypatch.setitem(sys.modules, name, None)
    found = next(examine(case, ["runtime"]))
    assert found.status == "fail"
    assert "pip install" in found.remedy
    assert found.facts["numpy"] == np.__version__


def test_a_bundle_that_works_is_opened_and_tells_voices_apart(case, bundle) -> None:
    opened = models.bundle(case)
    assert (opened.status, opened.facts["path"]) == ("ok", str(bundle))
    told = models.voices(case)
    assert told.status == "ok"
    assert told.facts["same_person"] > told.facts["different_people"]


def with_bundle(case: Case, name: object, **decide: object) -> Case:
    return replace(case, settings=replace(case.settings, models=Models(bundle=str(name)), decide=Decide(**decide)))


def test_a_bundle_that_is_absent_or_changed_fails(case, bundle, tmp_path) -> None:
    absent = next(examine(with_bundle(case, "acurate"), ["bundle"]))
    assert (absent.status, "Did you mean accurate?" in absent.remedy) == ("fail", True)
    copy = shutil.copytree(bundle, tmp_path / "copy")
    head = bytearray((copy / "head.npz").read_bytes())
    head[100] ^= 1
    (copy / "head.npz").write_bytes(head)
    assert [finding.status for finding in examine(with_bundle(case, copy), ["bundle", "voices"])] == ["fail", "fail"]


def test_a_bundle_that_cannot_decide_so_strictly_fails_and_names_the_profile_that_it_can(case, bundle) -> None:
    found = models.bundle(with_bundle(case, bundle, profile="strict"))
    assert found.status == "fail"
    assert found.remedy.startswith("Set decide.profile: balanced,")


def test_a_bundle_without_calibration_fails(case, tmp_path) -> None:
    bare = voice_bundle.make(tmp_path / "bare", calibration=None)
    assert next(examine(with_bundle(case, bare), ["bundle"])).status == "fail"


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_a_network_that_computes_nonsense_fails(value) -> None:
    fake = SimpleNamespace(embed=lambda samples: np.full(4, value, np.float32), runtime="ai-edge-litert 2", network=1)
    found = models.judge_voices(fake, (), [[0, 0], [0, 0]])
    assert found.status == "fail"
    assert "models.reference_kernels" in found.remedy


def test_a_network_that_mixes_people_up_fails(case) -> None:
    actors = models.open_play().actors
    mixed = [[models.read_samples(actor.clips[i]) for actor in actors] for i in range(2)]
    found = models.judge_voices(case.bundle(), actors, mixed)
    assert found.status == "fail"
    assert found.facts["same_person"] <= found.facts["different_people"]


def test_missing_recordings_are_no_fault_of_the_bundle(case, monkeypatch, tmp_path) -> None:
    play = models.open_play
    monkeypatch.setattr(models, "open_play", lambda: play(tmp_path))
    assert models.voices(case).status == "warn"


# State folder, people, outbox.


def test_a_state_folder_is_private_and_a_remedy_makes_it_so(case) -> None:
    assert storage.state(case).status == "ok"
    folder = case.state
    (folder / "notes.txt").write_text("somebody else's, so that nothing is changed unasked")
    folder.chmod(0o755)
    with PeopleStore(folder):
        pass
    (folder / "people.sqlite").chmod(0o644)
    found = storage.state(case)
    assert found.status == "warn"
    subprocess.run(found.remedy, shell=True, check=True)
    assert storage.state(case).status == "ok"
    assert (folder / "people.sqlite").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("free_mb", "status"), [(5, "fail"), (50, "warn"), (500, "ok")])
def test_a_disk_that_fills_up_is_noticed(case, monkeypatch, free_mb, status) -> None:
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda path: SimpleNamespace(free=free_mb * 1e6))
    assert storage.state(case).status == status


def test_a_state_folder_that_is_a_file_fails(case, tmp_path) -> None:
    found = next(examine(replace(case, state=written(tmp_path, "file")), ["state"]))
    assert (found.status, "--state" in found.remedy) == ("fail", True)


def exemplar(encoder: str, digest: str = "d") -> Exemplar:
    return Exemplar(np.ones(4, np.float32) / 2, encoder, 4.0, 25.0, "mic:test", "2026-11-21T00:00:00Z", digest)


def test_nobody_enrolled_is_a_warning_and_makes_no_database(case) -> None:
    found = storage.people(case)
    assert (found.status, found.facts["enrolled"]) == ("warn", 0)
    assert not (case.state / "people.sqlite").exists()


def test_people_of_another_model_are_named(case) -> None:
    encoder = case.bundle().encoder
    with PeopleStore(case.folder()) as store:
        store.add("Ada", [exemplar(encoder)])
        assert storage.people(case).sentence == "1 person is enrolled: Ada."
        store.add("Ben Smith", [exemplar("feedfeedfeedfeed")])
    found = storage.people(case)
    assert (found.status, found.facts) == ("warn", {"enrolled": 2, "outdated": ["Ben Smith"], "learnt_with": {}})
    assert 'earmark enroll "Ben Smith" --add' in found.remedy


def test_a_people_database_that_is_damaged_fails(case) -> None:
    written(case.folder(), "people.sqlite", "this is no database, and never was one" * 100)
    assert next(examine(case, ["people"])).status == "fail"


def test_what_waits_in_the_outbox_is_counted_and_nothing_is_changed(case) -> None:
    assert storage.outbox(case).status == "ok"
    path = case.folder() / "outbox.sqlite"
    with Outbox(path, max_events=3) as queue:
        ids = queue.append_all([Message(f"t/{n}", b"x") for n in range(5)])
        found = storage.outbox(case)
        assert (found.status, found.facts["pending"], found.facts["dropped"]) == ("warn", 3, 2)
        queue.set_aside(ids[-1])
        assert "does not allow 1 message" in storage.outbox(case).sentence
        queue.acknowledge(*ids)
        assert storage.outbox(case).status == "ok"
        assert peek(path) == queue.counters


def test_an_outbox_that_is_damaged_fails_and_stays_as_it_is(case) -> None:
    path = written(case.folder(), "outbox.sqlite", "no database" * 1000)
    assert next(examine(case, ["outbox"])).status == "fail"
    assert path.read_text() == "no database" * 1000
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE messages(id INTEGER PRIMARY KEY)")
    db.close()
    assert next(examine(case, ["outbox"])).status == "fail"


# Sound without a microphone.


def test_every_kind_of_recording_can_be_read_here(case) -> None:
    assert formats(case).facts["readable"] == ["WAV", "FLAC", "Ogg Vorbis", "Opus", "MP3", "AIFF"]


def blocks(level: float, *, clipped: int = 0, dropped: int = 0) -> list[AudioBlock]:
    noise = np.random.default_rng(3).standard_normal(16_000).astype(np.float32)
    return [AudioBlock(level * noise[i : i + 1600], i, dropped, clipped) for i in range(0, 16_000, 1600)]


@pytest.mark.parametrize(
    ("heard", "status", "words"),
    [
        (blocks(0.05), "ok", "loudest -26 dBFS"),
        (blocks(0.0), "fail", "nothing but zeros"),
        ([], "fail", "nothing but zeros"),
        (blocks(1e-5), "warn", "too quiet"),
        (blocks(0.3, clipped=16), "warn", "1.0 % of it is distorted"),
        (blocks(0.05, dropped=7), "warn", "70 samples were lost"),
    ],
)
def test_a_level_is_judged(heard, status, words) -> None:
    found = judge_level(heard, "mic:test", -60.0)
    assert found.status == status
    assert words in found.sentence


def test_how_voiceprints_are_encrypted_is_told_and_nothing_is_made(case) -> None:
    assert (vault(case).status, list(case.folder().iterdir())) == ("ok", [])
    path = case.folder() / "people.sqlite"
    old_database(path)
    found = vault(case)
    assert (found.status, found.remedy, found.facts) == ("warn", "earmark people protect", {"encrypted": False})
    assert [file.name for file in case.folder().iterdir()] == ["people.sqlite"]
    with PeopleStore(path) as store:
        store.protect()
    found = vault(case)
    assert (found.status, found.facts["key"], found.facts["encrypted"]) == ("ok", "file", True)
    (case.folder() / "voiceprint.key").chmod(0o640)
    assert "voiceprint.key" in storage.state(case).sentence
    found = vault(case)
    assert (found.status, found.remedy) == ("warn", "earmark people revoke")
    assert vault(case).status == "ok"
    (case.folder() / "voiceprint.key").unlink()
    found = next(examine(case, ["vault"]))
    assert (found.status, "is missing" in found.sentence) == ("fail", True)


def test_a_key_that_systemd_keeps_is_told(case, tmp_path, monkeypatch) -> None:
    (tmp_path / "earmark-voiceprint-key").write_text("0f" * 32)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    PeopleStore(case.folder() / "people.sqlite").close()
    assert vault(case).facts["key"] == "credential"
