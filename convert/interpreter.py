"""An interpreter for float ``.tflite`` files, with all inner tensors readable where that is asked for.

Takes the bytes of a file. Gives LiteRT's interpreter, loaded by ``edge.runtime`` like every other. Must hold: not
tflite-runtime, which fails in a process that has loaded TensorFlow.
"""

from __future__ import annotations

from typing import Any

from edge.errors import ExtraMissingError
from edge.runtime import installed


def float_interpreter(model: bytes, *, keep_all: bool = False) -> Any:
    """An allocated interpreter with one thread. ``keep_all``: plain kernels, and every tensor can be read.

    Raises ``ExtraMissingError`` where LiteRT is not installed.
    """
    engines = [engine for engine in installed() if engine.kind == "litert"]
    if not engines:
        raise ExtraMissingError("Converting needs LiteRT, which is not installed", 'pip install "ai-edge-litert>=2.1"')
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
