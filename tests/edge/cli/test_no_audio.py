"""No audio is ever written: every file that the commands open for writing is known, and none holds what was heard."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile

from tests.edge.cli.conftest import ASSETS, speech

ROOT = Path(__file__).parents[3]
WATCHED = """
import json, os, sys
written = set()
def watch(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        if isinstance(path, (str, bytes)) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            written.add(os.fsdecode(path))
    elif event == "sqlite3.connect":
        written.add(os.fsdecode(arguments[0]))
sys.addaudithook(watch)
from edge.cli import main
codes = [main(words) for words in json.loads(sys.argv[1])]
print(json.dumps([codes, sorted(written)]), file=sys.stderr)
"""
KNOWN = {
    "people.sqlite", "voiceprint.key", "repeats.sqlite", "outbox.sqlite", "outbox.sqlite.reserve", "attempts.sqlite",
    "attempts.lock", "audit.jsonl", "daemon.lock", "null", "choices.json", ":memory:",
}  # fmt: skip


def watched(*commands: tuple[object, ...]) -> tuple[list[int], list[str]]:
    words = json.dumps([[str(one) for one in command] for command in commands])
    done = subprocess.run([sys.executable, "-c", WATCHED, words], cwd=ROOT, capture_output=True, text=True, check=False)
    codes, written = json.loads(done.stderr.splitlines()[-1])
    return codes, written


def pieces(samples: np.ndarray) -> list[bytes]:
    """Stretches of 4 ms of the loudest sound, in every form in which samples are kept."""
    at = int(np.argmax(np.abs(samples)))
    stretch = samples[at : at + 64]
    whole = np.round(stretch * 32768).clip(-32768, 32767)
    return [stretch.astype("<f4").tobytes(), stretch.astype("<f8").tobytes(), whole.astype("<i2").tobytes()]


def test_no_command_keeps_what_it_hears(environment, state, tmp_path) -> None:
    """Enrolling, identifying, verifying and the daemon: only known files are written, and no sound is in them."""
    clips = [ASSETS / "ada-enrol-1.ogg", ASSETS / "ada-enrol-2.ogg", ASSETS / "ada-enrol-3.ogg"]
    heard = tmp_path / "heard.wav"
    soundfile.write(heard, speech("clip-1-ada.ogg"), 16_000, subtype="PCM_16")
    codes, out = watched(
        ("enroll", "Cleo", *clips, "--same-as-other"),
        ("identify", heard),
        ("verify", "Ada", heard),
        ("run", "--source", heard, "--fast", "--no-mqtt"),
    )
    assert codes[0] == codes[3] == 0
    assert {codes[1], codes[2]} <= {0, 1}, "Ada has two names now"
    names = {Path(path).name.removesuffix("-journal").removesuffix("-wal").removesuffix("-shm") for path in out}
    assert {"people.sqlite", "repeats.sqlite", "attempts.sqlite"} <= names, "the watch sees what is written"
    assert {name for name in names if name not in KNOWN and not name.endswith(".part")} == set()
    kept = b"".join(path.read_bytes() for path in state.rglob("*") if path.is_file())
    for name in (*(clip.name for clip in clips), "clip-1-ada.ogg"):
        assert not [piece for piece in pieces(speech(name)) if piece in kept]
