"""Fixtures live in modules of their own; this only names them, and loads the interpreters in the order that works.

tflite-runtime refuses every model ("vector::reserve") when TensorFlow was loaded into the process before it. Nobody has
both on a device; the tests have, in one process.
"""

import contextlib

with contextlib.suppress(ImportError):
    import tflite_runtime.interpreter  # noqa: F401

pytest_plugins = ["tests.broker", "tests.virtual_microphone", "tests.scenarios.household"]
