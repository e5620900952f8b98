"""Load both interpreters before any test loads TensorFlow: tflite-runtime cannot be loaded after it.

``edge.runtime`` refuses it then, and the tests of the runtime would have one interpreter less to compare.
"""

from edge.runtime import installed

KINDS = tuple(engine.kind for engine in installed())
"""Which interpreters are here; the tests run on each."""
