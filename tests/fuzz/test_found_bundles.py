"""A small case for each defect that fuzzing has found: bundles. The comments say what it was."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import open_bundle, parse_card
from edge.bundle.files import load_npy
from edge.errors import (
    BundleError,
)
from edge.features import FrontEnd
from edge.records import FeatureSpec
from edge.runtime.flatbuffer import check_model
from edge.runtime.interpreters import installed
from edge.scoring import Calibration
from tests.edge import small_bundles
from tests.edge.cli.voice_bundle import CALIBRATION
from tests.edge.small_bundles import sound

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).parent / "corpus"
HUGE = 10**400
"""JSON may hold it, and no float can."""


@pytest.mark.parametrize("value", [HUGE, float("inf"), 1e300])
def test_a_number_in_a_card_that_no_float_holds(value: float) -> None:
    raw = small_bundles.card() | {"files": {"head.npz": "0" * 64, "encoder.int8.tflite": "0" * 64}, "cohort": None}
    raw["features"]["preemphasis"] = value
    with pytest.raises(BundleError, match="preemphasis"):
        parse_card(json.dumps(raw).replace("Infinity", "1e999").encode())


@pytest.mark.parametrize("where", ["weights", "far", "trials"])
def test_a_number_in_a_calibration_that_no_float_holds(where: str) -> None:
    raw = json.loads(json.dumps(CALIBRATION))
    match where:
        case "weights":
            raw["weights"]["bias"] = HUGE
        case "far":
            raw["points"][0]["far"] = HUGE
        case _:
            raw["trials"] = float("inf")
    with pytest.raises(BundleError, match="calibration"):
        Calibration.from_json(raw)


@pytest.mark.parametrize(
    "field, value",
    [("n_fft", 1 << 40), ("n_mels", 1 << 30), ("frame_ms", 1e300), ("lifter", 1 << 70), ("log_floor", 1e300)],
)
def test_features_that_would_take_all_memory(field: str, value: float) -> None:
    with pytest.raises(BundleError, match=field):
        FrontEnd(FeatureSpec(**{field: value}))


def test_a_name_as_long_as_a_card_may_be() -> None:
    """It stood in the sentence whole."""
    raw = small_bundles.card(name="a" * 100_000)
    with pytest.raises(BundleError) as caught:
        parse_card(json.dumps(raw).encode())
    assert len(caught.value.sentence()) < 1000


def test_the_head_of_an_array_that_does_not_end() -> None:
    """A tokenize.TokenError, which is none of numpy's usual errors."""
    head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (5, 24\n"
    with pytest.raises(BundleError, match="truncated or damaged"):
        load_npy(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head, "cohort.npy")


def test_a_head_that_gives_no_finite_vector(tmp_path: Path) -> None:
    folder = small_bundles.make(tmp_path / "b", "statistics")
    arrays = small_bundles.arrays("statistics")
    np.savez(folder / "head.npz", **(arrays | {"kernel": np.full_like(arrays["kernel"], 3e38)}))
    from edge.bundle import seal

    seal(folder, small_bundles.card("statistics"))
    with np.errstate(all="ignore"), pytest.raises(BundleError, match="finite"):
        open_bundle(folder).embed(sound(1.0))


def _in_a_fresh_process(code: str, *arguments: str) -> str:
    """What it prints. Where another test has loaded TensorFlow, nothing is forked and so nothing tried first."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


@pytest.mark.parametrize("kind", [engine.kind for engine in installed()])
def test_a_network_that_crashes_the_interpreter(kind: str) -> None:
    """One bit of a tiny network is another; its structure is sound. tflite-runtime 2.14 dies of it, LiteRT refuses."""
    model = CORPUS / "crashes-tflite-runtime.tflite"
    check_model(model.read_bytes())
    code = """
import sys
from pathlib import Path
from edge.errors import BundleError
from edge.runtime import Network
try:
    Network(Path(sys.argv[1]), prefer=sys.argv[2], doubt=True)
except BundleError:
    print("refused")
"""
    assert _in_a_fresh_process(code, str(model), kind) == "refused"


def test_a_first_run_tells_how_it_ended() -> None:
    code = """
import os
from edge.runtime.trial import fault_of
def crash():
    os.kill(os.getpid(), 11)
def fail():
    raise ValueError("is told again in this process")
print([fault_of(act) for act in (crash, fail, lambda: None, lambda: bytearray(4 << 30))])
"""
    assert _in_a_fresh_process(code) == "['crashes', '', '', 'needs too much memory']"


def test_a_network_that_lists_the_same_tensor_a_million_times() -> None:
    """A list of 12 MB became a gigabyte of objects."""
    head = struct.pack("<I4s", 8, b"TFL3")
    table = struct.pack("<HHHHHHH", 14, 20, 4, 8, 12, 0, 16) + b"\0\0" + struct.pack("<iIIIII", 16, 3, 0, 0, 0, 0)
    model = bytearray(head + table + struct.pack("<I", 3 << 20) + bytes(12 << 20))
    struct.pack_into("<I", model, 0, 24)
    struct.pack_into("<i", model, 24, 16)
    struct.pack_into("<I", model, 32, len(head + table) - 32)
    with pytest.raises(BundleError, match="damaged"):
        check_model(bytes(model))


def test_a_zip_in_a_zip_that_would_be_gigabytes(tmp_path: Path) -> None:
    """Held from the beginning; here so that it stays so."""
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("card.json", bytes(2 << 20))
    (tmp_path / "b.earmark").write_bytes(bomb.getvalue())
    with pytest.raises(BundleError, match="larger than"):
        open_bundle(tmp_path / "b.earmark")
