"""Hostile input: whatever a stranger can hand to Earmark ends in an ``EarmarkError``, within bounded time and memory.

``mutate`` makes bytes from real files, ``targets`` feeds them to the rooms and to the commands, ``cage`` runs that in
children with limits, ``python -m tests.fuzz`` (``make fuzz``) does it for as long as it is told. The tests in this
folder are the short form, and the regressions: each defect that was found has its own small case.
"""
