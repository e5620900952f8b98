"""Fixtures live in modules of their own; this only names them."""

pytest_plugins = ["tests.broker", "tests.virtual_microphone", "tests.scenarios.household"]
