"""The same ``.tflite`` file in fewer bytes.

Takes and gives the bytes of a file. Must hold: it computes the same bits. Per-channel scales come with as many zero
points of eight bytes each, all zero; equal vectors are written once and pointed to from everywhere. Names of inner
tensors are replaced by numbers.
"""

from __future__ import annotations

from typing import Any


def compact(model: bytes) -> bytes:
    """Rewrite the file with equal vectors shared and short names; names of input and output stay."""
    import flatbuffers  # type: ignore[import-untyped]
    from tensorflow.lite.tools import flatbuffer_utils

    class SharingBuilder(flatbuffers.Builder):  # type: ignore[misc]
        """Writes each distinct array once."""

        def __init__(self, size: int) -> None:
            super().__init__(size)
            self._written: dict[tuple[str, bytes], Any] = {}

        def CreateNumpyVector(self, x: Any) -> Any:
            key = (str(x.dtype), x.tobytes())
            if key not in self._written:
                self._written[key] = super().CreateNumpyVector(x)
            return self._written[key]

    content = flatbuffer_utils.convert_bytearray_to_object(bytearray(model))
    for graph in content.subgraphs:
        kept = {*graph.inputs, *graph.outputs}
        for index, tensor in enumerate(graph.tensors):
            if index not in kept:
                tensor.name = f"t{index}".encode()
    builder = SharingBuilder(len(model))
    builder.Finish(content.Pack(builder), b"TFL3")
    return bytes(builder.Output())
