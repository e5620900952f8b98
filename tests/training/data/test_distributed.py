"""Training in several processes that stay in step."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.errors import UsageError
from tests.training.data.toys import SPEC, corpus
from training.data.distributed import Cluster
from training.data.plan import make_plan
from training.data.prepare import prepare

ROOT = Path(__file__).parents[3]


def free_ports(count: int) -> list[int]:
    """Ports that nobody listened on a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.mark.training
def test_two_workers_train_one_model(tmp_path):
    """Disjoint shares, one loss, the same weights to the bit, and not those they began with."""
    rows = corpus(tmp_path / "speech")
    cache = prepare(make_plan(rows, SPEC), tmp_path / "speech", tmp_path / "cache").folder
    addresses = ",".join(f"127.0.0.1:{port}" for port in free_ports(2))
    environ = os.environ | {
        "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "KERAS_BACKEND": "tensorflow",
    }  # fmt: skip
    command = [sys.executable, "-m", "tests.training.data.train_worker", str(cache), addresses]
    workers = [
        subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, text=True, env=environ, cwd=ROOT)
        for number in range(2)
    ]
    try:
        told = [json.loads(worker.communicate(timeout=200)[0].splitlines()[-1]) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    seen = [np.concatenate(one["rows"]).tolist() for one in told]
    assert not set(seen[0]) & set(seen[1])
    assert sorted(seen[0] + seen[1]) == list(range(12))
    assert told[0]["weights"] == told[1]["weights"]
    assert told[0]["begun"] == told[1]["begun"]
    assert [float(np.sum(one)) for one in told[0]["weights"]] != told[0]["begun"]
    assert told[0]["losses"] == pytest.approx(told[1]["losses"])
    assert told[0]["losses"][1] < told[0]["losses"][0]


@pytest.mark.parametrize(
    ("addresses", "worker"),
    [("", 0), ("host", 0), ("host:0", 0), ("host:70000", 0), ("a:1,a:1", 0), ("a:1,b:1", 2), ("a:1", -1)],
)
def test_a_cluster_that_makes_no_sense_is_refused(addresses, worker):
    with pytest.raises(UsageError):
        Cluster.of(addresses, worker)


def test_tensorflow_is_told_in_its_own_words():
    assert json.loads(Cluster.of("a:1, b:2", 1).tf_config()) == {
        "cluster": {"worker": ["a:1", "b:2"]},
        "task": {"type": "worker", "index": 1},
    }
