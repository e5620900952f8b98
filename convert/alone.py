"""Embed utterances in a process of its own: ``python -m convert.alone IN.npz OUT.npz``.

Takes an int8 file, its head, the feature spec, the interpreter to use and the utterances, in one ``.npz``. Gives
their embeddings and the CPU time of the network. Must hold: TensorFlow is not loaded. Why: tflite-runtime and
TensorFlow in one process share symbols of different versions, and tflite-runtime then fails to load any file; and CPU
time should be that of a process as bare as the edge's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from convert.encoder import int8_encoder
from convert.errors import ConversionError
from convert.graph import Float32
from convert.windows import WINDOW_FRAMES
from edge.bundle import spec_from_json
from edge.records import FeatureSpec
from edge.runtime import Network, Preference

ROUNDS = 20
"""Windows timed; the median counts."""


def _cpu_ms_per_second(model: bytes, prefer: Preference) -> float:
    network = Network(model, prefer=prefer)
    values = np.random.default_rng(0).integers(-100, 100, network.input_shape).astype(np.int8)
    network.run_int8(values)
    times = []
    for _ in range(ROUNDS):
        before = time.process_time()
        network.run_int8(values)
        times.append(time.process_time() - before)
    return float(np.median(times)) * 1000 / (WINDOW_FRAMES / 100)


def embed_alone(
    model: bytes, head: tuple[Float32, Float32], spec: FeatureSpec, prefer: Preference, utterances: Sequence[Float32]
) -> tuple[Float32, float]:
    """Embeddings (n, dim) of the utterances, and CPU milliseconds of the network per second of audio (one thread).

    Raises ``ConversionError`` with the other process's last words where it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        entry, exit_ = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(
            entry,
            model=np.frombuffer(model, np.uint8),
            kernel=head[0],
            bias=head[1],
            spec=np.array(json.dumps(spec.to_json())),
            prefer=np.array(prefer),
            samples=np.concatenate(utterances),
            lengths=np.array([len(one) for one in utterances]),
        )
        here = str(Path(__file__).resolve().parent.parent)
        paths = os.pathsep.join(p for p in (here, os.environ.get("PYTHONPATH", "")) if p)
        done = subprocess.run(
            [sys.executable, "-m", "convert.alone", str(entry), str(exit_)],
            env=os.environ | {"PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip() or "no message").splitlines()[-1]
            raise ConversionError(f"The int8 file does not run on {prefer}: {last}")
        with np.load(exit_) as found:
            return found["embeddings"], float(found["cpu_ms_per_s"])


def _main(entry: str, exit_: str) -> None:
    with np.load(entry) as given:
        model, prefer = given["model"].tobytes(), str(given["prefer"])
        spec = spec_from_json(json.loads(str(given["spec"])))
        encoder = int8_encoder(model, given["kernel"], given["bias"], spec, prefer)  # type: ignore[arg-type]
        utterances = np.split(given["samples"], np.cumsum(given["lengths"])[:-1])
    embeddings = np.stack([encoder.embed(samples) for samples in utterances])
    np.savez(exit_, embeddings=embeddings, cpu_ms_per_s=_cpu_ms_per_second(model, prefer))  # type: ignore[arg-type]


if __name__ == "__main__":
    _main(*sys.argv[1:])
