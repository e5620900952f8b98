"""An interpreter for float ``.tflite`` files, with all inner tensors readable where that is asked for.

Takes the bytes of a file. Gives LiteRT's interpreter, or tflite-runtime's, loaded by ``edge.runtime`` like every other.
Must hold: one thread. Why not ``edge.runtime.Network``: the edge runs full int8 and refuses everything else.
tflite-runtime fails in a process that has loaded TensorFlow: see ``convert.alone``.
"""

from __future__ import annotations

from typing import Any, Literal

from edge.errors import ExtraMissingError
from edge.runtime import installed

Kind = Literal["litert", "tflite"]

_LINES = {"litert": 'pip install "ai-edge-litert>=2.1"', "tflite": 'pip install tflite-runtime==2.14.0 "numpy<2"'}


def float_interpreter(model: bytes, *, kind: Kind = "litert", keep_all: bool = False) -> Any:
    """An allocated interpreter with one thread. ``keep_all``: plain kernels, and every tensor can be read.

    Raises ``ExtraMissingError`` where that interpreter cannot be loaded.
    """
    engines = [engine for engine in installed() if engine.kind == kind]
    if not engines:
        name = "LiteRT" if kind == "litert" else "tflite-runtime"
        raise ExtraMissingError(f"This step needs {name}, which cannot be loaded here", _LINES[kind])
    module = engines[0].module
    kernels = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if keep_all else module.OpResolverType.AUTO
    interpreter = module.Interpreter(
        model_content=model,
        num_threads=1,
        experimental_preserve_all_tensors=keep_all,
        experimental_op_resolver_type=kernels,
    )
    interpreter.allocate_tensors()
    return interpreter
