"""Make the tiny int8 models that the tests of runtime and bundle run on; needs TensorFlow, and is run by hand.

    python tests/golden/make_tiny_models.py tests/golden

Takes: a folder. Gives: the ``tiny_*.tflite`` files below in it, each under 20 kB, untrained with seeded weights.
Must hold: one shows each thing that the edge must cope with.

    tiny_encoder.int8.tflite   the shape of a real encoder: (1, 300, 80, 1) -> (1, 150, 12), padded, strided, ReLU6
    tiny_two.int8.tflite       the same file, with what its first convolution says as a second output (1, 150, 12)
    tiny_dense.int8.tflite     a dense network (1, 16) -> (1, 4), softmax output
    tiny_sqrt.int8.tflite      SQRT version 2: runs in LiteRT, not in tflite-runtime 2.14
    tiny_dense.floatio.tflite  tiny_dense with the interpreter's own QUANTIZE and DEQUANTIZE at its ends
    tiny_float.tflite          no int8 in it, which the edge refuses
"""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path

import numpy as np


def encoder(keras):
    inputs = keras.Input((300, 80, 1), batch_size=1)
    x = keras.layers.ZeroPadding2D(((2, 2), (0, 0)))(inputs)
    x = keras.layers.Conv2D(12, (5, 80), strides=(2, 1), activation="relu6")(x)
    x = keras.layers.Reshape((150, 12))(x)
    x = keras.layers.Conv1D(12, 3, padding="same", activation="relu")(x)
    return keras.Model(inputs, x)


def dense(keras):
    inputs = keras.Input((16,), batch_size=1)
    x = keras.layers.Dense(24, activation="relu")(inputs)
    return keras.Model(inputs, keras.layers.Dense(4, activation="softmax")(x))


def root(keras):
    inputs = keras.Input((8,), batch_size=1)
    x = keras.layers.Dense(8, activation="relu")(inputs)
    return keras.Model(inputs, keras.ops.sqrt(x))


def convert(tf, model, inside="int8", ends="int8"):
    rng = np.random.default_rng(1)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if inside == "int8":
        shape = model.inputs[0].shape
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [rng.standard_normal(shape).astype(np.float32) * 2] for _ in range(50)
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = getattr(tf, ends)
    # The converter prints a description of the saved model.
    with contextlib.redirect_stdout(io.StringIO()):
        return converter.convert()


def with_first_layer(model):
    import flatbuffers
    from tensorflow.lite.tools import flatbuffer_utils

    content = flatbuffer_utils.convert_bytearray_to_object(bytearray(model))
    graph = content.subgraphs[0]
    graph.outputs = [*graph.outputs, next(one.outputs[0] for one in graph.operators if len(one.inputs) == 3)]
    content.signatureDefs = None
    builder = flatbuffers.Builder(len(model))
    builder.Finish(content.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def main(folder: Path) -> None:
    import tensorflow as tf

    keras = tf.keras
    for name, build in (("encoder", encoder), ("dense", dense), ("sqrt", root)):
        keras.utils.set_random_seed(7)
        (folder / f"tiny_{name}.int8.tflite").write_bytes(convert(tf, build(keras)))
    first = (folder / "tiny_encoder.int8.tflite").read_bytes()
    (folder / "tiny_two.int8.tflite").write_bytes(with_first_layer(first))
    for name, inside in (("dense.floatio", "int8"), ("float", "float32")):
        keras.utils.set_random_seed(7)
        (folder / f"tiny_{name}.tflite").write_bytes(convert(tf, dense(keras), inside, "float32"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
