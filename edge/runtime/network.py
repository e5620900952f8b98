"""One loaded int8 network.

Takes: a model's bytes or path. Gives: a callable float32 -> float32.
Must hold: what goes in and out is quantised by ``quantise`` and ``dequantise`` alone; one thread by default; with
``reference=True`` the same bits on every machine and in both runtimes; a model that cannot run is an error at load.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from edge.errors import BundleError, UsageError
from edge.quiet import quiet_stderr
from edge.records import Float32
from edge.runtime.flatbuffer import check_model
from edge.runtime.interpreters import CHATTER, LITERT_LINE, Engine, Preference, choose
from edge.runtime.quantise import Int8, QuantParams, dequantise, quantise
from edge.runtime.trial import fault_of

_MISSING_OP: Final = re.compile(r"builtin opcode '(\w+)' version '(\d+)'")
_AGAIN: Final = "Get the bundle again, or convert it again."
_CUSTOM_OP: Final = re.compile(r"unresolved custom op: (\w+)")


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a network: its shape, and how its int8 numbers are read."""

    shape: tuple[int, ...]
    quant: QuantParams


class Network:
    """A full-int8 model with one input and one output or more, each quantised as a whole.

    ``model``: the file's bytes, or its path. ``threads``: more than one is slower on small boards. ``reference``: slow
    kernels whose output is the same to the bit everywhere. ``prefer``: which interpreter; ``auto`` takes LiteRT first.
    ``doubt``: of a model that nobody vouches for; it is tried in a process of its own first (see ``trial``).
    Raises ``BundleError`` for a model that is missing, corrupt or not runnable, ``RuntimeMissingError`` where no
    interpreter is installed. Calls from several threads wait for each other.

    ``output_shape``, ``output_quant``: of the first output. ``outputs``: of all, in the file's order.
    """

    def __init__(
        self,
        model: bytes | Path,
        *,
        threads: int = 1,
        reference: bool = False,
        prefer: Preference = "auto",
        doubt: bool = False,
    ) -> None:
        raw = _read(model) if isinstance(model, Path) else bytes(model)
        check_model(raw)
        engine = choose(prefer)
        if doubt and (fault := fault_of(lambda: _load(engine, raw, threads, reference))):
            raise BundleError(f"the model is damaged, or made to do harm: {engine.name} {fault} on it", _AGAIN)
        self._raw = raw  # the interpreter reads from it as long as it lives
        self._lock = threading.Lock()
        self._interpreter, inputs, outputs = _load(engine, raw, threads, reference)
        if len(inputs) != 1 or not outputs:
            raise BundleError(
                f"the model has {len(inputs)} inputs and {len(outputs)} outputs, not one of each at least",
                "Convert it again as one network.",
            )
        self._input = int(inputs[0]["index"])
        self._indices = tuple(int(output["index"]) for output in outputs)
        self.input_shape = _shape(inputs[0])
        self.input_quant = _quant(inputs[0], "input")
        self.outputs = tuple(Output(_shape(output), _quant(output, "output")) for output in outputs)
        self.output_shape, self.output_quant = self.outputs[0].shape, self.outputs[0].quant
        self.runtime = engine.name + (" (reference kernels)" if reference else "")
        self.threads = threads

    def __call__(self, values: Float32) -> Float32:
        """Quantise, run, dequantise.

        ``values``: float32 of ``input_shape``, or of that shape without its axes of length one. Returns the first
        output, float32 of ``output_shape``. Raises ``UsageError`` for another shape and for NaN.
        """
        return dequantise(self.run_int8(quantise(values, self.input_quant)), self.output_quant)

    def all_outputs(self, values: Float32) -> tuple[Float32, ...]:
        """The same with every output, in the order of ``outputs``."""
        found = self._run(quantise(values, self.input_quant), self._indices)
        return tuple(dequantise(one, output.quant) for one, output in zip(found, self.outputs, strict=True))

    def run_int8(self, values: Int8) -> Int8:
        """Run on numbers that are quantised already: int8 of ``input_shape`` -> int8 of ``output_shape``."""
        return self._run(values, self._indices[:1])[0]

    def _run(self, values: Int8, indices: tuple[int, ...]) -> tuple[Int8, ...]:
        if values.dtype != np.int8:
            raise UsageError(f"the network takes int8 here, not {values.dtype}", "Call it with float32 instead.")
        if values.shape != self.input_shape:
            if _squeezed(values.shape) != _squeezed(self.input_shape):
                raise UsageError(
                    f"the network takes {self.input_shape}, not {values.shape}", "Check the feature spec of the bundle."
                )
            values = values.reshape(self.input_shape)
        with self._lock:
            self._interpreter.set_tensor(self._input, values)
            self._interpreter.invoke()
            return tuple(self._interpreter.get_tensor(index) for index in indices)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise BundleError(f"the model {path} cannot be read: {reason}", "Get the bundle again.") from error


def _load(engine: Engine, raw: bytes, threads: int, reference: bool) -> tuple[Any, list[Any], list[Any]]:
    """The interpreter and the details of its inputs and outputs, after one run on whatever the memory holds."""
    resolver = engine.module.OpResolverType
    kernels = resolver.BUILTIN_REF if reference else resolver.AUTO
    try:
        with quiet_stderr(CHATTER):
            interpreter = engine.module.Interpreter(
                model_content=raw, num_threads=threads, experimental_op_resolver_type=kernels
            )
            interpreter.allocate_tensors()
            interpreter.invoke()  # some faults show only here
        return interpreter, interpreter.get_input_details(), interpreter.get_output_details()
    except (ValueError, RuntimeError) as error:  # among the former are names that are no text
        raise _refusal(engine, str(error)) from error


def _refusal(engine: Engine, message: str) -> BundleError:
    missing = _MISSING_OP.search(message)
    if missing:
        cause = f"the model needs the operation {missing[1]} version {missing[2]}, which {engine.name} does not know"
        if engine.kind == "tflite":
            return BundleError(cause, f"LiteRT would run it: {LITERT_LINE}")
        return BundleError(cause, f"A newer LiteRT may run it: pip install --upgrade {LITERT_LINE.split()[-1]}")
    custom = _CUSTOM_OP.search(message)
    if custom:
        return BundleError(
            f"the model needs the custom operation {custom[1]}, which no runtime here knows",
            "Convert it again with built-in int8 operations only.",
        )
    short = " ".join(message.split())[:200]
    return BundleError(f"{engine.name} cannot load the model: {short}", _AGAIN)


def _shape(details: Any) -> tuple[int, ...]:
    return tuple(int(size) for size in details["shape"])


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _quant(details: Any, which: str) -> QuantParams:
    parameters = details["quantization_parameters"]
    scales, zeros = parameters["scales"], parameters["zero_points"]
    if details["dtype"] != np.int8 or len(scales) != 1 or len(zeros) != 1:
        raise BundleError(
            f"the model's {which} is not int8 with one scale",
            "Convert it again as full int8, with inference_input_type and inference_output_type int8.",
        )
    try:
        return QuantParams(float(scales[0]), int(zeros[0]))
    except UsageError as error:
        raise BundleError(f"the model's {which}: {error.cause}", "Convert it again.") from error
