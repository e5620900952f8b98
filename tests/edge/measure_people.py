"""What encryption of voiceprints costs: ``python -m tests.edge.measure_people [RUNS]``.

Five people with six clips each of 192 numbers, stored as before encryption and as now. Fresh processes open them, and
start the daemon's station with them, in turn; printed are medians of CPU time, and resident memory afterwards.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from edge.bundle import read_card
from edge.bundle.locate import locate
from edge.people import PeopleStore
from edge.records import Exemplar
from edge.settings import DEFAULT_BUNDLE
from tests.edge.people_plain import store_plain

ROOT = Path(__file__).parents[2]
CLIP = ROOT / "edge" / "demo" / "assets" / "clip-1-ada.ogg"
MEMORY = (
    "; m = int(open('/proc/self/statm').read().split()[1]) * 4096 / 1e6\n"
    "import os; print(c, m, flush=True); os._exit(0)\n"
)
OPEN = (
    "import sys, time; from pathlib import Path; import numpy; from edge.people import PeopleStore\n"
    "from edge.scoring import voiceprint\n"
    "t = time.process_time()\n"
    "with PeopleStore(Path(sys.argv[1])) as store: assert len([voiceprint(p) for p in store.people()]) == 5\n"
    "c = time.process_time() - t"
)
START = (
    "import sys; from pathlib import Path; import time; from edge.clock import SystemClock\n"
    "from edge.daemon.station import Station; from edge.settings import load\n"
    f"settings = load(None, {{'EARMARK_AUDIO__SOURCE': {str(CLIP)!r}, 'EARMARK_MQTT__ENABLED': 'false'}})\n"
    "Station(settings, Path(sys.argv[1]), SystemClock(), realtime=True).refresh_people()\n"
    "c = time.process_time()"
)


def main(runs: int) -> None:
    """Print a table."""
    card = read_card(locate(DEFAULT_BUNDLE))
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as made:
        plain, now = Path(made) / "plain", Path(made) / "now"
        people = {
            f"Person {n}": [
                Exemplar(_unit(rng), card.encoder, 3.0, 20.0, "mic:USB", "2026-11-22T10:00:00Z", f"{n}-{i}", card.space)
                for i in range(6)
            ]
            for n in range(5)
        }
        store_plain(plain / "people.sqlite", people)
        shutil.copytree(plain, now)
        with PeopleStore(now) as store:
            store.protect()
        for what, code in (("open the people", OPEN), ("start the daemon", START)):
            found: dict[str, list[tuple[float, float]]] = {"not encrypted": [], "encrypted": []}
            for _ in range(runs):
                for name, folder in zip(found, (plain, now), strict=True):
                    found[name].append(_run(code, folder))
            for name, rows in found.items():
                seconds, megabytes = (statistics.median(column) for column in zip(*rows, strict=True))
                print(f"{what}, {name}: {seconds:.3f} s of CPU time, {megabytes:.1f} MB resident")


def _unit(rng: np.random.Generator) -> np.ndarray:
    vector = rng.normal(size=192).astype(np.float32)
    return vector / np.linalg.norm(vector)


def _run(code: str, folder: Path) -> tuple[float, float]:
    environ = dict(os.environ) | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code + MEMORY, str(folder)],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, megabytes = done.stdout.split()
    return float(seconds), float(megabytes)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
