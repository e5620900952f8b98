"""What the contract tests look at: the checkout and its files."""

import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("edge", "training", "convert", "deploy")


def tracked() -> list[str]:
    """Paths, relative to the checkout, of the files that git knows or would add."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout, so there is no telling which files belong to the project")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(path for path in listed.stdout.split("\0") if path and (ROOT / path).is_file())


def texts() -> dict[str, str]:
    """The tracked files that are text, by path."""
    found = {}
    for path in tracked():
        raw = (ROOT / path).read_bytes()
        if b"\0" not in raw:
            found[path] = raw.decode("utf-8")
    return found


def configuration() -> ConfigParser:
    """setup.cfg."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config
