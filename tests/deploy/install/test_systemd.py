"""The installer where systemd is process 1: it starts what it installs, and hears whether that does well."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.tree import ROOT
from tests.deploy.booted.machine import Machine, require
from tests.deploy.install.world import kit

SHOWN = Path("/run/shown")
PYTHON = SHOWN / "python" / Path(os.path.realpath(sys.executable)).relative_to(Path(sys.base_prefix).resolve())


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine without Earmark. What belongs into /usr/local of this machine stays out of it."""
    require()
    made = Machine(tmp_path / "machine")
    kits = tmp_path / "kits"
    for version, how in (("0.1.0", ""), ("0.2.0", ""), ("0.3.0", "hopeless"), ("0.4.0", "fragile")):
        kit(kits, version, how=how)
    for name, path in (("python", Path(sys.base_prefix)), ("source", ROOT), ("kits", kits)):
        made.show(name, path)
    with made:
        made.run("mount", "-t", "tmpfs", "tmpfs", "/usr/local/bin")
        yield made


def install(machine: Machine, *words: str, code: int = 0) -> dict[str, object]:
    """Run the installer in the machine; gives its JSON."""
    command = ["env", f"PYTHONPATH={SHOWN}/source", PYTHON, "-m", "deploy.install", *words, "--json"]
    done = machine._inside(*(str(word) for word in command), timeout=300)
    assert done.returncode == code, done.stdout + done.stderr + machine.told()
    found: dict[str, object] = json.loads(done.stdout)
    return found


def state(machine: Machine) -> tuple[str, str, str]:
    """Whether the service runs, of which version it is, and as whom."""
    pid = machine.shown("earmark", "MainPID")
    user = machine.run("stat", "-c", "%U", f"/proc/{pid}").strip() if pid != "0" else ""
    return machine.shown("earmark", "ActiveState"), machine.run("earmark", "x").split()[-1], user


def test_the_service_follows_the_installer(machine: Machine) -> None:
    def upgrade(version: str, code: int = 0) -> dict[str, object]:
        return install(machine, "upgrade", f"{SHOWN}/kits/kit-{version}", "--no-apt", "--watch", "3", code=code)

    install(machine, "install", f"{SHOWN}/kits/kit-0.1.0", "--no-apt", "--watch", "3")
    assert state(machine) == ("active", "0.1.0", "earmark")
    assert machine.shown("earmark", "UnitFileState") == "enabled"
    assert machine.run("stat", "-c", "%U %a", "/var/lib/earmark").split() == ["earmark", "700"]

    for version in ("0.3.0", "0.4.0"):
        said = upgrade(version, code=1)
        assert "0.1.0 runs again, as before" in str(said["error"])
        assert state(machine) == ("active", "0.1.0", "earmark")

    assert upgrade("0.2.0")["action"] == "upgraded"
    assert state(machine) == ("active", "0.2.0", "earmark")
    assert "# 0.2.0" in machine.run("cat", "/etc/systemd/system/earmark.service")

    # `sudo earmark` has the key that systemd gives to the service, encrypted or not, and is the service's account.
    folder = machine.root / "etc/systemd/system/earmark.service.d"
    folder.mkdir()
    key = "0123456789abcdef" * 4
    (machine.root / "etc/key").write_text(f"{key}\n")
    machine.run("systemd-creds", "encrypt", "--name=earmark-voiceprint-key", "/etc/key", "/etc/key.cred")
    account = machine.run("id", "-u", "earmark").strip()
    for line in ("LoadCredential=earmark-voiceprint-key:/etc/key",
                 "LoadCredentialEncrypted=earmark-voiceprint-key:/etc/key.cred"):  # fmt: skip
        (folder / "key.conf").write_text(f"[Service]\n{line}\n")
        assert machine.run("earmark", "key").split() == [account, key]

    # The power failed in the middle of an upgrade to 0.2.0. At the next start the way back comes before the service.
    machine.systemctl("stop", "earmark")
    machine.run("ln", "-s", "0.1.0", "/opt/earmark/fallback")
    machine.systemctl("start", "earmark-recover", "earmark")
    assert state(machine) == ("active", "0.1.0", "earmark")
    assert "# 0.1.0" in machine.run("cat", "/etc/systemd/system/earmark.service")

    assert install(machine, "uninstall", "--purge")["action"] == "removed"
    assert machine.shown("earmark", "LoadState") == "not-found"
    left = ["/opt/earmark", "/etc/earmark", "/var/lib/earmark", "/usr/local/bin/earmark"]
    assert machine.run("sh", "-c", f"ls -d {' '.join(left)} 2>/dev/null || true") == ""
    assert subprocess.run(["grep", "-c", "^earmark:", machine.root / "etc/passwd"], check=False).returncode == 1
