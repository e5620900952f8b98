"""The runtime: quantisation, both interpreters, and what becomes of a model that cannot run."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge.errors import BundleError, RuntimeMissingError, UsageError
from edge.quiet import quiet_stderr
from edge.runtime import Network, QuantParams, dequantise, interpreters, missing_remedy, quantise
from tests.interpreters import KINDS

GOLDEN = Path(__file__).parents[1] / "golden"
ENCODER = GOLDEN / "tiny_encoder.int8.tflite"
DENSE = GOLDEN / "tiny_dense.int8.tflite"

params = st.builds(
    QuantParams, st.floats(2**-14, 2**10, width=32).filter(lambda value: value > 0), st.integers(-128, 127)
)


def values(shape):
    return np.random.default_rng(3).normal(0, 2, shape).astype(np.float32)


@given(params, hnp.arrays(np.float32, 32, elements=st.floats(-1e6, 1e6, width=32)))
def test_round_trip_is_off_by_at_most_half_a_step_inside_the_range(p, x):
    inside = np.clip(x, p.low, p.high)
    error = np.abs(dequantise(quantise(inside, p), p).astype(np.float64) - inside)
    assert (error <= p.scale / 2 * (1 + 1e-4)).all()


@given(params, hnp.arrays(np.float32, 16, elements=st.floats(width=32, allow_nan=False)))
def test_numbers_outside_the_range_saturate(p, x):
    q = quantise(x, p)
    assert q.dtype == np.int8
    assert (q[x > p.high + p.scale] == 127).all()
    assert (q[x < p.low - p.scale] == -128).all()


@given(params)
def test_what_is_quantised_stays_as_it_is(p):
    every = np.arange(-128, 128).astype(np.int8)
    np.testing.assert_array_equal(quantise(dequantise(every, p), p), every)


@given(params, hnp.arrays(np.float32, 16, elements=st.floats(-1e5, 1e5, width=32)))
def test_quantise_is_the_formula(p, x):
    """round(x / scale) + zero_point, saturating, in float32."""
    expected = np.clip(np.round(x / np.float32(p.scale)) + p.zero_point, -128, 127)
    np.testing.assert_array_equal(quantise(x, p), expected.astype(np.int8))


def test_a_value_that_is_not_a_number_is_refused():
    with pytest.raises(UsageError, match="not a number"):
        quantise(np.array([0, np.nan], np.float32), QuantParams(1.0, 0))


@pytest.mark.parametrize(("scale", "zero"), [(0.0, 0), (-1.0, 0), (np.inf, 0), (np.nan, 0), (1.0, 128), (1e-60, 0)])
def test_senseless_quantisation_is_refused(scale, zero):
    with pytest.raises(UsageError, match="makes no sense"):
        QuantParams(scale, zero)


def test_both_interpreters_are_tested():
    """The test extra installs both wherever both exist; elsewhere the tests below run on the one there is."""
    assert KINDS
    if sys.version_info < (3, 12) and np.__version__.startswith("1."):
        assert "tflite" in KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_quantise_equals_the_interpreters_own(kind):
    """The same network with the interpreter's QUANTIZE and DEQUANTIZE at its ends gives the same numbers."""
    net = Network(DENSE, reference=True, prefer=kind)
    module = interpreters.choose(kind).module
    own = module.Interpreter(
        model_path=str(GOLDEN / "tiny_dense.floatio.tflite"),
        experimental_op_resolver_type=module.OpResolverType.BUILTIN_REF,
    )
    own.allocate_tensors()
    for x in values((20, 1, 16)):
        own.set_tensor(own.get_input_details()[0]["index"], x)
        own.invoke()
        np.testing.assert_array_equal(net(x), own.get_tensor(own.get_output_details()[0]["index"]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("path", "digest"), [(DENSE, "3e769f8ea9436348"), (ENCODER, "e747c71c0fad05b9")], ids=["dense", "encoder"]
)
def test_reference_kernels_give_the_same_bits_everywhere(kind, path, digest):
    """The digests were made once; every runtime on every machine must meet them."""
    net = Network(path, reference=True, prefer=kind)
    rng = np.random.default_rng(11)
    outputs = [net.run_int8(rng.integers(-128, 128, net.input_shape, np.int8)) for _ in range(4)]
    assert hashlib.sha256(np.concatenate(outputs).tobytes()).hexdigest()[:16] == digest
    assert "reference" in net.runtime


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", [DENSE, ENCODER])
def test_fast_kernels_stay_within_two_steps_of_the_reference(kind, path):
    fast, slow = Network(path, prefer=kind), Network(path, reference=True, prefer=kind)
    x = quantise(values(fast.input_shape), fast.input_quant)
    difference = np.abs(fast.run_int8(x).astype(int) - slow.run_int8(x))
    assert difference.max() <= 2


def test_shapes_and_scales_are_told():
    net = Network(ENCODER)
    assert (net.input_shape, net.output_shape) == ((1, 300, 80, 1), (1, 150, 12))
    assert net.input_quant.low < -4 < 4 < net.input_quant.high
    assert net.output_quant.zero_point == -128  # after a ReLU
    assert any(name in net.runtime for name in ("ai-edge-litert", "tflite-runtime"))


def test_axes_of_length_one_may_be_left_out():
    net = Network(ENCODER)
    x = values((300, 80))
    result = net(x)
    assert result.dtype == np.float32
    assert result.shape == (1, 150, 12)
    np.testing.assert_array_equal(result, net(x[np.newaxis, :, :, np.newaxis]))
    assert result.std() > 0


@pytest.mark.parametrize("shape", [(80, 300), (299, 80), (2, 300, 80), (24000,), ()])
def test_another_shape_is_refused(shape):
    with pytest.raises(UsageError, match=r"takes \(1, 300, 80, 1\), not"):
        Network(ENCODER)(np.zeros(shape, np.float32))


def test_run_int8_takes_int8_only():
    with pytest.raises(UsageError, match="int8"):
        Network(DENSE).run_int8(np.zeros((1, 16), np.float32))


def test_threads_share_a_network():
    """Calls from several threads wait for each other; each gets its own answer."""
    net = Network(DENSE)
    inputs = values((8, 1, 16))
    expected = [net(x) for x in inputs]
    got: dict[int, list] = {}

    def work(number):
        got[number] = [net(inputs[number]) for _ in range(50)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, results in got.items():
        assert all(np.array_equal(one, expected[number]) for one in results)


@pytest.mark.parametrize("prefer", KINDS)
@pytest.mark.parametrize("path", [DENSE, ENCODER])
def test_every_truncated_model_is_refused_and_none_crashes(path, prefer):
    """Without our own check tflite-runtime crashes on most of these. A child process, so that a crash is a failure."""
    child = (
        "import sys; from pathlib import Path; from edge.runtime import Network; from edge.errors import BundleError\n"
        "raw = Path(sys.argv[1]).read_bytes()\n"
        "for length in [*range(0, len(raw), 97), *range(len(raw) - 40, len(raw))]:\n"
        "    try: Network(raw[:length], prefer=sys.argv[2])\n"
        "    except BundleError as error: assert 'TFLite' in str(error) or 'truncated' in str(error), error\n"
        "    else: sys.exit(f'{length} bytes of {len(raw)} were accepted')\n"
        "print('all refused')"
    )
    done = subprocess.run(
        [sys.executable, "-c", child, str(path), prefer],
        cwd=GOLDEN.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "all refused"), done.stderr


@pytest.mark.parametrize("raw", [b"", b"TFL3", b"\0" * 64, b"\x10\0\0\0TFL3" + b"\xff" * 64, b"PK\3\4" + b"x" * 60])
def test_something_else_is_refused(raw):
    with pytest.raises(BundleError, match=r"not a TFLite file|truncated or damaged"):
        Network(raw)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("tiny_*.tflite")), ids=lambda path: path.name)
def test_the_check_accepts_every_sound_model(path):
    from edge.runtime.flatbuffer import check_model

    check_model(path.read_bytes())


def test_a_model_that_is_not_int8_is_refused():
    with pytest.raises(BundleError, match="input is not int8"):
        Network(GOLDEN / "tiny_float.tflite")


def test_a_missing_file_is_a_sentence(tmp_path):
    with pytest.raises(BundleError, match=r"gone\.tflite cannot be read: No such file"):
        Network(tmp_path / "gone.tflite")


@pytest.mark.skipif("tflite" not in KINDS, reason="tflite-runtime exists for Python 3.11 and older only")
def test_an_operation_too_new_names_the_runtime_that_has_it():
    with pytest.raises(BundleError, match="operation SQRT version 2, which tflite-runtime") as caught:
        Network(GOLDEN / "tiny_sqrt.int8.tflite", prefer="tflite")
    assert 'pip install "ai-edge-litert' in caught.value.remedy


@pytest.mark.skipif("litert" not in KINDS, reason="there is no LiteRT for this machine")
def test_litert_runs_what_tflite_cannot():
    assert Network(GOLDEN / "tiny_sqrt.int8.tflite", prefer="litert")(values((8,))).shape == (1, 8)


def hide(monkeypatch, *modules):
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


def test_litert_comes_first(monkeypatch):
    if "litert" in KINDS:
        assert interpreters.choose().kind == "litert"
    if "tflite" in KINDS:
        hide(monkeypatch, "ai_edge_litert")
        assert interpreters.choose().kind == "tflite"


def test_tflite_runtime_is_never_used_with_numpy_2(monkeypatch):
    """It would import, and fail in C at the first model."""
    hide(monkeypatch, "ai_edge_litert")
    monkeypatch.setattr(interpreters.np, "__version__", "2.4.6")
    with pytest.raises(RuntimeMissingError, match=r"needs numpy < 2, but 2\.4\.6"):
        interpreters.choose()


def test_tflite_runtime_is_never_loaded_after_tensorflow():
    """It would crash. A child process with an empty module of that name stands for TensorFlow."""
    child = (
        "import sys; sys.modules['tensorflow'] = sys; sys.modules['ai_edge_litert'] = None\n"
        "from pathlib import Path; from edge.runtime import Network; from edge.errors import RuntimeMissingError\n"
        "try: Network(Path(sys.argv[1]))\n"
        "except RuntimeMissingError as error: print(error.sentence())"
    )
    done = subprocess.run(
        [sys.executable, "-c", child, str(DENSE)], cwd=GOLDEN.parents[1], capture_output=True, text=True, check=True
    )
    assert "ai-edge-litert: " in done.stdout
    if "tflite" in KINDS:
        assert "tflite-runtime: cannot be loaded once TensorFlow is; use another process" in done.stdout


def test_without_an_interpreter_the_error_has_the_line_that_installs_one(monkeypatch):
    hide(monkeypatch, "ai_edge_litert", "tflite_runtime")
    with pytest.raises(RuntimeMissingError) as caught:
        Network(DENSE)
    assert "pip install" in caught.value.remedy
    assert caught.value.exit_code == 5


@pytest.mark.parametrize(
    ("python", "machine", "line"),
    [
        ((3, 11), "x86_64", "ai-edge-litert"),
        ((3, 13), "x86_64", "ai-edge-litert"),
        ((3, 13), "aarch64", "ai-edge-litert"),
        ((3, 11), "aarch64", "tflite-runtime==2.14.0"),
        ((3, 11), "armv7l", "tflite-runtime==2.14.0"),
        ((3, 13), "armv7l", "use a 64-bit system"),
    ],
)
def test_the_line_fits_python_and_machine(python, machine, line):
    assert line in missing_remedy(python, machine)


def test_the_standard_error_stays_clean(capfd):
    Network(DENSE)
    assert capfd.readouterr().err == ""


def test_threads_that_load_at_once_leave_the_standard_error_as_it_was(capfd):
    threads = [threading.Thread(target=Network, args=(DENSE,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.write(2, b"still here\n")
    assert capfd.readouterr().err == "still here\n"


def test_other_lines_on_the_standard_error_are_kept(capfd):
    with quiet_stderr(interpreters.CHATTER):
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\nERROR: something real\n")
    assert capfd.readouterr().err == "ERROR: something real\n"


def test_a_closed_standard_error_is_no_obstacle():
    """A service may run without one."""
    child = (
        f"from pathlib import Path; from edge.runtime import Network; print(Network(Path({str(DENSE)!r})).input_shape)"
    )
    done = subprocess.run(
        ["sh", "-c", '"$0" -c "$1" 2>&-', sys.executable, child],
        cwd=GOLDEN.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "(1, 16)\n"
