"""Where state lies, and how secrets are read."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from edge import settings
from edge.errors import SettingsError, StorageError


def test_the_state_folder_is_chosen_in_the_documented_order(tmp_path):
    names = ("option", "variable", "file", "systemd", "xdg", "home")
    folder = {name: tmp_path / name for name in names}
    loaded = settings.Settings(state=settings.State(dir=str(folder["file"])))
    environ = {
        "EARMARK_STATE": str(folder["variable"]),
        "STATE_DIRECTORY": f"{folder['systemd']}:/other",
        "XDG_STATE_HOME": str(folder["xdg"]),
        "HOME": str(folder["home"]),
    }
    assert settings.state_dir(loaded, folder["option"], environ) == folder["option"]
    assert settings.state_dir(loaded, None, environ) == folder["variable"]
    del environ["EARMARK_STATE"]
    assert settings.state_dir(loaded, None, environ) == folder["file"]
    assert settings.state_dir(None, None, environ) == folder["systemd"]
    del environ["STATE_DIRECTORY"]
    assert settings.state_dir(None, None, environ) == folder["xdg"] / "earmark"
    environ["XDG_STATE_HOME"] = "relative/is/ignored"
    assert settings.state_dir(None, None, environ) == folder["home"] / ".local" / "state" / "earmark"


def test_a_new_state_folder_is_for_its_owner_only(tmp_path):
    path = settings.state_dir(None, tmp_path / "a" / "b", {})
    assert path.stat().st_mode & 0o777 == 0o700


def test_our_folder_is_tightened_and_a_foreign_one_is_not(tmp_path):
    ours, empty, foreign = tmp_path / "ours", tmp_path / "empty", tmp_path / "foreign"
    for path in (ours, empty, foreign):
        path.mkdir(mode=0o755)
    (ours / "people.sqlite").touch()
    (foreign / "holiday.jpg").touch()
    modes = [settings.state_dir(None, path, {}).stat().st_mode & 0o777 for path in (ours, empty, foreign)]
    assert modes == [0o700, 0o700, 0o755]


def test_a_state_folder_that_cannot_be_made_is_a_storage_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="is a file"):
        settings.state_dir(None, tmp_path / "file", {})
    with pytest.raises(StorageError, match="cannot be made: Not a directory"):
        settings.state_dir(None, tmp_path / "file" / "below", {})
    with pytest.raises(StorageError, match=r"cannot be (made|written)"):
        settings.state_dir(None, "/proc/earmark", {})
    with pytest.raises(StorageError, match="cannot be written") as caught:
        settings.state_dir(None, "/proc/1", {})
    assert "--state" in caught.value.sentence()
    assert caught.value.exit_code == 5


def test_bundle_folders_come_from_the_variable_then_the_state_folder(tmp_path):
    environ = {"EARMARK_BUNDLES": "/a:/b", "EARMARK_STATE": str(tmp_path / "s")}
    assert settings.bundle_dirs(environ=environ) == (Path("/a"), Path("/b"), tmp_path / "s" / "bundles")
    assert not (tmp_path / "s").exists()


def _mqtt(name):
    return replace(settings.Mqtt(), username="earmark", password_file=str(name))


def test_no_password_file_means_no_password():
    assert settings.mqtt_password(settings.Mqtt(), {}) is None


def test_a_password_is_the_first_line_and_never_shown(tmp_path):
    (tmp_path / "p").write_text("hünter 2 \nsecond\n")
    secret = settings.mqtt_password(_mqtt(tmp_path / "p"), {})
    assert secret.reveal() == "hünter 2 "
    assert "hünter" not in f"{secret} {secret!r} {[secret]}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_a_name_without_a_slash_is_a_systemd_credential(tmp_path):
    (tmp_path / "mqtt").write_text("from systemd\n")
    assert settings.mqtt_password(_mqtt("mqtt"), {"CREDENTIALS_DIRECTORY": str(tmp_path)}).reveal() == "from systemd"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"", "is empty"),
        (b"\nx", "is empty"),
        (b"x\xff", "not UTF-8"),
        (b"x" * 5000, "too long"),
    ],
)
def test_an_unusable_password_file_is_named_without_its_content(tmp_path, content, words):
    path = tmp_path / "p"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=words) as caught:
        settings.mqtt_password(_mqtt(path), {})
    assert str(path) in caught.value.cause
    assert "xx" not in caught.value.sentence()
