"""A float ``.tflite`` file and the ranges of its activations -> a full-int8 file.

Takes the file's bytes and tensor index -> (low, high). Gives the bytes of a file with int8 input and output and nothing
but int8 between them (weights int8 per channel, biases int32). Must hold: the given ranges are the ones used, up to the
constraints of operations whose inputs and output share a scale (concatenation, reshape, pooling, padding).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from convert.errors import ConversionError


def quantise(model: bytes, ranges: Mapping[int, tuple[float, float]]) -> bytes:
    """Full int8.

    Raises ``ConversionError`` where an activation stayed float.
    """
    from tensorflow.compiler.mlir.lite import types_pb2
    from tensorflow.lite.python.convert import mlir_quantize
    from tensorflow.lite.python.schema_py_generated import QuantizationParametersT
    from tensorflow.lite.tools import flatbuffer_utils
    from tensorflow.python.framework import dtypes

    content = flatbuffer_utils.convert_bytearray_to_object(bytearray(model))
    for index, (low, high) in ranges.items():
        parameters = QuantizationParametersT()
        parameters.min, parameters.max = np.array([low], np.float32), np.array([high], np.float32)
        content.subgraphs[0].tensors[index].quantization = parameters
    result = mlir_quantize(
        bytes(flatbuffer_utils.convert_object_to_bytearray(content)),
        disable_per_channel=False,
        fully_quantize=True,
        inference_type=types_pb2.QUANTIZED_INT8,
        input_data_type=dtypes.int8,
        output_data_type=dtypes.int8,
    )
    _check(bytes(result))
    return bytes(result)


def _check(model: bytes) -> None:
    from tensorflow.lite.python.schema_py_generated import TensorType
    from tensorflow.lite.tools import flatbuffer_utils

    allowed = (TensorType.INT8, TensorType.INT32)
    for tensor in flatbuffer_utils.convert_bytearray_to_object(bytearray(model)).subgraphs[0].tensors:
        if tensor.type not in allowed:
            raise ConversionError(f"Tensor {tensor.name.decode()} stayed outside int8")
