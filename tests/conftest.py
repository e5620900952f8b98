"""Fixtures live in modules of their own; this only names them.

``interpreters`` comes first: it loads both runtimes before any test loads TensorFlow.
"""

pytest_plugins = [
    "tests.interpreters",
    "tests.steady",
    "tests.broker",
    "tests.virtual_microphone",
    "tests.scenarios.household",
]
