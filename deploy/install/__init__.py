"""The installer: puts Earmark on a Pi, upgrades it, goes back when an upgrade does no good, and removes it.

Takes a kit (one file with every wheel), a wheel or a checkout; gives ``/opt/earmark/VERSION`` with a ``current`` link,
an account, a systemd unit and settings. ``flows`` says in which order; ``layout`` where everything lies; ``sources``
and ``kits`` what is installed; ``building`` how a version is made; ``health`` when it is good; ``service`` speaks to
systemd; ``snapshot`` keeps the people while a version is on trial; ``microphones`` tells one from another.

Must hold: nothing but Python's standard library is imported here, since it runs before anything is installed; the
version that runs is untouched until its successor has passed its self-test; whatever cuts an upgrade off, Ctrl-C, an
error or the power, the version before it runs afterwards; what a person wrote is never overwritten.
"""
