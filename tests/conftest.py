"""Before any test: load the interpreters in the one order in which all of them work.

tflite-runtime refuses every model ("vector::reserve") when TensorFlow was loaded into the process before it. Nobody has
both on a device; the tests have, in one process.
"""

import contextlib

with contextlib.suppress(ImportError):
    import tflite_runtime.interpreter  # noqa: F401
