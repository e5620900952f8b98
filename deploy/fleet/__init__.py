"""The fleet: many devices from one place, over the system's ``ssh``.

Takes an inventory (``fleet.yaml``); gives tables, checks and staged rollouts (docs/fleet.md). ``inventory`` knows the
hosts, ``ssh`` reaches them, ``asking`` hears how they are, ``rollout`` changes them wave by wave with the ``actions``
bundle, software and settings. Must hold: a host is changed only while it is well, and is well or as before afterwards;
the first failure stops everything; what runs on a host is the host's own ``earmark``.
"""
