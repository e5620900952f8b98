"""A second output for label heads: the frame features behind the second dense block.

Takes and gives the bytes of an int8 file. Must hold: the first output stays the same to the bit; nothing is computed
that was not computed before.

Why: the last block has learnt to forget how something was said in favour of who said it. Behind the second block both
are there still (docs/labels.md has the figures).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

from convert.errors import ConversionError

MIDDLE: Final = "middle"
_BLOCK: Final = 2


def _pointwise(graph: Any, codes: Any) -> list[tuple[int, int]]:
    """Of every 1 x 1 convolution over frames: how many channels it reads, and its output's index, in the file's order.

    Context gates are left out: they look at a handful of chunks.
    """
    from tensorflow.lite.python import schema_py_generated as schema

    found = []
    longest = 0
    for operator in graph.operators:
        if codes[operator.opcodeIndex].builtinCode != schema.BuiltinOperator.CONV_2D:
            continue
        kernel, output = graph.tensors[operator.inputs[1]], graph.tensors[operator.outputs[0]]
        if output.shape[2] != 1:
            continue
        longest = max(longest, int(output.shape[1]))
        if tuple(kernel.shape[1:3]) == (1, 1) and 4 * int(output.shape[1]) > longest:
            found.append((int(kernel.shape[3]), int(operator.outputs[0])))
    return found


def with_middle(model: bytes) -> bytes:
    """The file with the output of the second transition as its last output, named ``middle``.

    Within a dense block every 1 x 1 convolution reads more channels than the one before it, the transition reads most,
    and the next block begins with fewer. Raises ``ConversionError`` where the file isn't made like that.
    """
    import flatbuffers  # type: ignore[import-untyped]
    from tensorflow.lite.tools import flatbuffer_utils

    content = flatbuffer_utils.convert_bytearray_to_object(bytearray(model))
    graph = content.subgraphs[0]
    if len(graph.outputs) != 1:
        raise ConversionError(f"The file has {len(graph.outputs)} outputs already")
    steps = _pointwise(graph, content.operatorCodes)
    ends = [index for (reads, index), (following, _) in pairwise(steps) if reads > following]
    if len(ends) != _BLOCK:
        raise ConversionError(f"The file has {len(ends)} transitions between dense blocks, not {_BLOCK}")
    tap = ends[_BLOCK - 1]
    graph.tensors[tap].name = MIDDLE.encode()
    graph.outputs = [*graph.outputs, tap]
    # The names for callers of signatures, of which the edge is none, would be incomplete.
    content.signatureDefs = None
    builder = flatbuffers.Builder(len(model))
    builder.Finish(content.Pack(builder), b"TFL3")
    return bytes(builder.Output())
