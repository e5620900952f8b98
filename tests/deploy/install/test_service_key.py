"""The key that systemd gives to the service reaches whoever works on the service's people, and nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.install.faults import InstallFault
from deploy.install.layout import Layout
from deploy.install.service_key import VARIABLE, open_key
from deploy.units import VOICEPRINT_KEY, unit
from edge.settings import Settings
from edge.vault import CREDENTIAL, keys

KEY = "0123456789abcdef" * 4
LINE = f"LoadCredential={CREDENTIAL}:/etc/earmark/{CREDENTIAL}"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A root with a service as the installer makes it, and a key."""
    made = Layout(tmp_path)
    made.unit.parent.mkdir(parents=True)
    made.unit.write_text(unit(Settings(), prefix="/opt/earmark/current", config="/etc/earmark/earmark.yaml"))
    made.settings.parent.mkdir(parents=True)
    (made.settings.parent / CREDENTIAL).write_text(f"{KEY}\n")
    return made


def held(layout: Layout) -> str:
    """What the vault finds in the file that is passed on; empty where none is."""
    handle = open_key(layout)
    if handle is None:
        return ""
    try:
        key = keys.current(layout.state, {VARIABLE: str(handle)})
        assert not key.ours
        return key.secret.hex()
    finally:
        os.close(handle)


def override(layout: Layout, *lines: str) -> None:
    folder = layout.unit.with_name("earmark.service.d")
    folder.mkdir(exist_ok=True)
    (folder / "override.conf").write_text("\n".join(["[Service]", *lines]))


def test_both_rooms_mean_the_same() -> None:
    assert (CREDENTIAL, keys.CREDENTIAL_FD) == (VOICEPRINT_KEY, VARIABLE)


def test_the_key_that_the_unit_names_is_passed_on(layout: Layout) -> None:
    assert held(layout) == KEY
    assert not layout.state.exists(), "no other key is made"


def test_a_program_that_is_started_with_it_can_read_it_and_its_surroundings_do_not_tell_it(layout: Layout) -> None:
    handle = open_key(layout)
    assert handle is not None
    code = "import pathlib; from edge.vault import keys; print(keys.current(pathlib.Path()).secret.hex())"
    environ = {k: v for k, v in os.environ.items() if k != "CREDENTIALS_DIRECTORY"} | {VARIABLE: str(handle)}
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, pass_fds=(handle,), env=environ, capture_output=True, text=True, check=True)
    os.close(handle)
    assert done.stdout.strip() == KEY
    assert KEY not in "".join(environ.values())


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_where_systemd_gives_none_the_file_in_the_state_folder_counts(layout: Layout, content: str | None) -> None:
    path = layout.settings.parent / CREDENTIAL
    path.unlink()
    if content is not None:
        path.write_text(content)
    assert open_key(layout) is None


def test_the_last_line_counts_as_it_does_for_systemd(layout: Layout) -> None:
    other = KEY[::-1]
    layout.at("/etc/other").write_text(other)
    override(layout, f"LoadCredential={CREDENTIAL}:/etc/other")
    assert held(layout) == other
    override(layout, "LoadCredential=", "LoadCredential=mqtt-password:/etc/other")
    assert held(layout) == ""
    layout.at("/etc/credstore").mkdir()
    layout.at("/etc/credstore/named").write_text(other)
    override(layout, f"LoadCredential={CREDENTIAL}:named")
    assert held(layout) == other


def test_one_that_cannot_be_decrypted_is_said_so(layout: Layout) -> None:
    layout.at("/etc/key.cred").write_text("no credential")
    override(layout, f"LoadCredentialEncrypted={CREDENTIAL}:/etc/key.cred")
    with pytest.raises(InstallFault, match="cannot be decrypted"):
        open_key(layout)


@pytest.mark.parametrize("number", ["", "x", "-1", "99999", "../../../etc/passwd", "³"])
def test_a_number_that_names_no_open_file_is_nothing(number: str) -> None:
    assert keys.credential({VARIABLE: number}) is None


def test_a_database_without_its_key_says_where_it_may_be(tmp_path: Path) -> None:
    with pytest.raises(keys.VaultError, match="is missing") as caught:
        keys.known(tmp_path, "0" * 16, {})
    assert "sudo earmark" in caught.value.remedy
