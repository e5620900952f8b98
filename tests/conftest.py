"""Fixtures live in modules of their own; this only names them.

``interpreters`` comes first: it loads both runtimes before any test loads TensorFlow.
"""

import signal

# Whatever started us may ignore Ctrl-C, as a shell does for what it runs in the background; our children must not.
signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = [
    "tests.interpreters",
    "tests.steady",
    "tests.broker",
    "tests.virtual_microphone",
    "tests.scenarios.household",
    "tests.edge.daemon.room",
]
