"""Hypothesis without deadlines and with the same examples each time: a busy machine must not fail a test."""

from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")
